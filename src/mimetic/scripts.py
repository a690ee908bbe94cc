"""Transcripts that say nearly the same are one script.

In go texts, out comes a number for each: equal numbers are one script. People who read or mimic the same words leave
transcripts that differ by a recogniser's errors, a filler, a repetition: so words are compared in pairs, and scripts
chain (A like B, B like C).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

ALIKE = 0.5
"""Jaccard similarity of two texts' pairs of words from which on they are one script: of ten words one may differ."""

FEWEST = 4
"""Words below which a text is no script: everybody says thank you."""

ROWS = 1_000
"""Texts that are compared with all others at a time."""

_UNSPACED = "\u3040-\u30ff\u3400-\u9fff"  # kana and Han, written without spaces: each sign counts as a word
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:'[^\W_{_UNSPACED}]+)*")


def script_groups(texts: Sequence[str]) -> NDArray[np.intp]:
    """Give ``(text,)`` numbers of scripts, -1 for a text of fewer than ``FEWEST`` words.

    >>> script_groups(["So I told him to go home!", "so i told him, to go home uh", "Thank you."]).tolist()
    [0, 0, -1]
    """
    words = [_words(text) for text in texts]
    known = [i for i, said in enumerate(words) if len(said) >= FEWEST]
    groups = np.full(len(texts), -1, dtype=np.intp)
    if known:
        _, groups[known] = connected_components(_likeness([words[i] for i in known]), directed=False)
    return groups


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold())


def _likeness(words: Sequence[Sequence[str]]) -> csr_matrix:
    """Give the ``(text, text)`` sparse matrix that is 1 where two are alike."""
    pairs: dict[tuple[str, str], int] = {}
    cells = [
        (row, pairs.setdefault(pair, len(pairs)))
        for row, said in enumerate(words)
        for pair in sorted(set(pairwise(said)))
    ]
    rows, columns = np.array(cells).T
    has = csr_matrix((np.ones(len(cells), dtype=np.int32), (rows, columns)), shape=(len(words), len(pairs)))
    size = np.asarray(has.sum(axis=1)).ravel()
    first, second = [], []
    for start in range(0, len(words), ROWS):
        common = (has[start : start + ROWS] @ has.T).tocoo()
        one = common.row + start
        alike = common.data >= ALIKE * (size[one] + size[common.col] - common.data)
        first.append(one[alike])
        second.append(common.col[alike])
    ends = np.concatenate(first), np.concatenate(second)
    return coo_matrix((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(len(words), len(words))).tocsr()

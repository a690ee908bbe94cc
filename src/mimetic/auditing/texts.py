"""Checks of the words: missing, empty or unreadable ones, and clips that say nearly the same.

In goes the ``Material``, out come findings.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mimetic.auditing.findings import Finding, count, in_short
from mimetic.auditing.material import JUDGED, Material, lacking, listed
from mimetic.scripts import script_groups

QUOTED = 40
"""Characters of a script that are quoted."""


def check_texts(material: Material) -> Iterator[Finding]:
    """Look at everything that is said."""
    facts = material.facts
    bad = {fact.clip: f"({fact.words_reason})" for fact in facts if fact.words_reason}
    yield from listed("unreadable words", "with a transcript that cannot be read", bad)
    known = [fact for fact in facts if fact.clip not in bad]
    yield from lacking("no words", "without a transcript", {fact.clip: fact.words is not None for fact in known})
    empty = {fact.clip: "" for fact in known if fact.words is not None and not fact.words.strip()}
    yield from listed("empty words", "with an empty transcript", empty)
    yield from _scripts(material)


def _scripts(material: Material) -> Iterator[Finding]:
    """Look for scripts that recur: within a part, and across what is learned from and what is judged on."""
    groups = script_groups([fact.words or "" for fact in material.facts])
    seen = set(groups[material.parts.get("train", np.zeros(0, dtype=np.intp))].tolist()) - {-1}
    for part in JUDGED:
        rows = material.parts.get(part, np.zeros(0, dtype=np.intp))
        again = [row for row in rows.tolist() if groups[row] in seen]
        if again:
            share = len(again) / len(rows)
            what = f"of {part} ({share:.1%}) with nearly the words of a clip of training"
            yield _quoted("script across parts", what, again, groups, material)
    for part, rows in material.parts.items():
        names, sizes = np.unique(groups[rows][groups[rows] >= 0], return_counts=True)
        recurring = set(names[sizes > 1].tolist())
        again = [row for row in rows.tolist() if groups[row] in recurring]
        if again:
            what = f"of {part} with nearly the words of another ({count(len(recurring), 'script')})"
            yield _quoted("repeated script", what, again, groups, material)


def _quoted(check: str, what: str, rows: list[int], groups: NDArray[np.intp], material: Material) -> Finding:
    """Tell of clips, with their commonest scripts."""
    names, sizes = np.unique(groups[rows], return_counts=True)
    common = names[np.argsort(-sizes, kind="stable")].tolist()
    quotes = []
    for name in common:
        text = material.facts[next(row for row in rows if groups[row] == name)].words or ""
        quotes.append(f"“{text[:QUOTED]}{'…' if len(text) > QUOTED else ''}”")
    message = f"{count(len(rows))} {what}: {in_short(quotes)}"
    return Finding(check=check, message=message, clips=tuple(material.ids[row] for row in rows))

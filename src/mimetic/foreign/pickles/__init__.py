"""Pickles, read without running anything in them: numpy arrays, lists, numbers and plain torch tensors, no more.

A pickle is a program for a small machine; what makes it dangerous are the functions it may name. ``machine`` knows the
few names that arrays and tensors need, and ``stand_ins`` has a function of ours for every one of them. Any other name
ends the reading before anything is called. Here is what comes out: plain arrays, bounded in what they unfold to.

It is Python's own machine, not the C one: that one makes room for as many memos as a file claims to need.
"""

from __future__ import annotations

import io
from types import NoneType
from typing import Any

import numpy as np

from mimetic.foreign.pickles.machine import Machine
from mimetic.foreign.pickles.stand_ins import LEGACY, ZIPPED, Array, check_size, load_tensors, numbers
from mimetic.records import ClipError


def read(data: bytes) -> Any:
    """Read a pickle, or what ``torch.save`` wrote.

    Raises
    ------
    ClipError
        if it names anything but arrays and tensors, is damaged, or unfolds to more than it may.
    """
    try:
        if data.startswith((ZIPPED, LEGACY)):
            return _plain(load_tensors(data), {})[0]
        return _plain(Machine(io.BytesIO(data)).load(), {})[0]
    except ClipError:
        raise
    except RecursionError:
        raise ClipError("is nested too deeply") from None
    except Exception as error:  # whatever a made-up program stumbles over is its own fault
        raise ClipError(f"is no pickle of arrays ({type(error).__name__}: {str(error)[:80]})") from None


LEAVES = {int, float, bool, str, bytes, NoneType}
"""What a list of plain values holds: there is nothing inside them to look at."""


def _plain(content: Any, seen: dict[int, tuple[Any, int] | None]) -> tuple[Any, int]:
    """Give content with arrays for stand-ins, and how many numbers it is when all of it is written out.

    What stands in several places is looked at once and counted in each: a few kilobytes of lists can name each other
    so often that they fill any memory. Of a mapping its largest value counts, since they are used one at a time.
    """
    if isinstance(content, Array):
        content = content.numpy
    elif type(content).__module__.partition(".")[0] == "torch" and hasattr(content, "detach"):
        content = numbers(content)
    if isinstance(content, np.ndarray):
        return content, content.size
    if not isinstance(content, list | tuple | dict):
        return content, 1
    if id(content) in seen:
        if (known := seen[id(content)]) is None:
            raise ClipError("holds itself")
        return known
    seen[id(content)] = None
    found = seen[id(content)] = _plain_items(content, seen)
    return found


def _plain_items(content: Any, seen: dict[int, tuple[Any, int] | None]) -> tuple[Any, int]:
    if isinstance(content, dict):
        pairs = {str(key): _plain(value, seen) for key, value in content.items()}
        return {key: value for key, (value, _) in pairs.items()}, max((size for _, size in pairs.values()), default=0)
    if set(map(type, content)) <= LEAVES:
        return content, len(content)
    parts = [_plain(item, seen) for item in content]
    total = sum(size for _, size in parts)
    check_size(total)
    return [value for value, _ in parts], total

"""What the checks look at: a data set, what was found out about each of its clips, and who is in which part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mimetic.auditing.findings import Finding, count, in_short
from mimetic.auditing.inspection import Facts
from mimetic.records import Clip, Dataset

JUDGED = ("valid", "test")
"""The parts that a model is judged on; it learns from ``train``."""

MOST = 0.5
"""Share of the clips from which on what they have is what a clip of this data set has."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """A data set and the facts about its clips, in the clips' order."""

    dataset: Dataset
    facts: Sequence[Facts]

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The clips' ids."""
        return tuple(clip.id for clip in self.dataset.clips)

    @cached_property
    def parts(self) -> dict[str, NDArray[np.intp]]:
        """The rows of each part that has clips; one part ``all`` where the data set has none."""
        parts = {name: self.dataset.indices(name) for name in ("train", *JUDGED)}
        told = {name: rows for name, rows in parts.items() if len(rows)}
        return told or {"all": np.arange(len(self.dataset.clips))}

    @cached_property
    def labelled(self) -> dict[str, NDArray[np.intp]]:
        """The rows of each part whose labels are known here: test clips have none."""
        return {name: rows for name, rows in self.parts.items() if name != "test" and self.dataset.targets}

    @cached_property
    def readable(self) -> list[tuple[Clip, Facts]]:
        """The clips whose media file told something, with their facts."""
        pairs = zip(self.dataset.clips, self.facts, strict=True)
        return [(clip, fact) for clip, fact in pairs if clip.path is not None and fact.reason is None]

    def named(self, row: int) -> str:
        """Give a clip's id, and its part where it is in one."""
        clip = self.dataset.clips[row]
        return f"{clip.id} ({clip.part})" if clip.part else clip.id

    def is_across(self, rows: Sequence[int]) -> bool:
        """Tell whether some of these clips are learned from and others judged on."""
        parts = {self.dataset.clips[row].part for row in rows}
        return "train" in parts and not parts.isdisjoint(JUDGED)


def listed(check: str, what: str, found: Mapping[str, str]) -> Iterator[Finding]:
    """Yield one finding about clips, each with its own detail; none where there are no such clips."""
    if found:
        details = [f"{id_} {detail}".rstrip() for id_, detail in found.items()]
        between = "; " if any(found.values()) else ", "
        message = f"{count(len(found))} {what}: {in_short(details, between=between)}"
        yield Finding(check=check, message=message, clips=tuple(found))


def is_usual(has: Mapping[str, bool]) -> bool:
    """Tell whether most have it."""
    return bool(has) and float(np.mean(list(has.values()))) >= MOST


def lacking(check: str, what: str, has: Mapping[str, bool]) -> Iterator[Finding]:
    """Yield one finding about the clips that lack what most have."""
    if is_usual(has):
        yield from listed(check, what, {id_: "" for id_, there in has.items() if not there})

"""What clips share, such as the person or the script: a Dataset in, groups of clips and what is known of them out.

Clips of one person, or of one script, are no independent witnesses: intervals that draw clip by clip are then too
narrow, and groups have to be drawn whole. Which column says so is known by its name, as the audit knows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mimetic.records import BadData, Dataset, Json, UsageError
from mimetic.scripts import script_groups
from mimetic.splits import TRANSCRIPT, groups_of, texts_of

PEOPLE = ("person", "people", "subject", "participant", "speaker", "actor", "user", "individual")
"""What a column is called that tells people apart; ``person_id`` and ``Person ID`` count as ``person``."""

SCRIPTS = ("script", "prompt", "seed clip", "stimulus")
"""What a column is called that tells apart what people were asked to do."""

NOTABLE = 0.05
"""Share of clips that have to be second ones of their group before anybody is warned."""


def is_called(column: str, names: Sequence[str]) -> bool:
    """Tell whether a column, or the id of it, is called one of these.

    >>> is_called("Person ID", PEOPLE), is_called("personality", PEOPLE)
    (True, False)
    """
    words = column.strip().lower().replace("_", " ").replace("-", " ")
    return words.removesuffix("id").strip() in names


# ---------------------------------------------------------------------------------------------- groups


@dataclass(frozen=True, kw_only=True, slots=True)
class Grouping:
    """Which clips belong together: ``by`` columns or ``transcript``; ``of`` gives a clip's number in each of them."""

    by: tuple[str, ...]
    of: Mapping[str, tuple[int, ...]]

    def of_clips(self, clips: Sequence[str]) -> NDArray[np.intp]:
        """Give ``(clip, by)`` numbers of groups.

        Raises
        ------
        BadData
            for clips that the data set does not have.
        """
        check_known(clips, self.of)
        return np.array([self.of[clip] for clip in clips], dtype=np.intp).reshape(len(clips), len(self.by))


def grouping(dataset: Dataset, *by: str) -> Grouping:
    """Group a data set's clips by a column, by near-duplicate transcripts, or by two of these that cross.

    A clip of which nobody says is alone.

    Raises
    ------
    UnknownName
        for a column that the data set does not have.
    UsageError
        for more than two.
    """
    if not 1 <= len(by) <= 2:
        raise UsageError(f"there are {len(by)} groupings", remedy="Give one, or two that cross: person,transcript.")
    numbers = np.column_stack([groups_of(dataset, name) for name in by]).tolist()
    return Grouping(by=by, of={clip.id: tuple(of) for clip, of in zip(dataset.clips, numbers, strict=True)})


def rows_of(dataset: Dataset, clips: Sequence[str]) -> NDArray[np.intp]:
    """Give the data set's row of each clip.

    Raises
    ------
    BadData
        for clips that it does not have.
    """
    rows = {clip.id: row for row, clip in enumerate(dataset.clips)}
    check_known(clips, rows)
    return np.array([rows[clip] for clip in clips], dtype=np.intp)


def check_known(clips: Sequence[str], known: Mapping[str, object]) -> None:
    """Refuse clips of a run that the data set beside it does not have."""
    absent = [clip for clip in clips if clip not in known]
    if absent:
        message = f"{len(absent):,} of the run's {len(clips):,} clips are not in the data set ({absent[0]} ...)"
        raise BadData(message, remedy="Give the data set that the run was trained on.")


# --------------------------------------------------------------------------------------- what is shared


def shared(dataset: Dataset) -> Json:
    """Say which columns there are, whether they repeat, and how many scripts there are: what a run keeps on record.

    Returns
    -------
    Json
        ``columns``: of each, how many ``values`` it has on how many ``clips``; ``scripts``: how many ``groups`` of
        near-duplicate transcripts, among how many ``clips`` with words enough.
    """
    scripts = script_groups([text or "" for text in texts_of(dataset.clips)])
    columns = {name: [value for value in values if value] for name, values in dataset.columns.items()}
    return {
        "columns": {name: {"values": len(set(known)), "clips": len(known)} for name, known in columns.items()},
        "scripts": {"groups": len(set(scripts.tolist()) - {-1}), "clips": int((scripts >= 0).sum())},
    }


def caution(told: Json) -> str:
    """Warn that intervals over clips are too narrow, where what is shared says so; else nothing.

    >>> caution({"columns": {"person": {"values": 3, "clips": 30}}, "scripts": {"groups": 0, "clips": 0}})
    'clips share a person: clip-wise intervals are too narrow; give --groups person'
    """
    again = [name for name, counts in told["columns"].items() if _repeats(counts["values"], counts["clips"])]
    people, scripts = ([name for name in again if is_called(name, names)] for names in (PEOPLE, SCRIPTS))
    if not scripts and _repeats(told["scripts"]["groups"], told["scripts"]["clips"]):
        scripts = [TRANSCRIPT]
    nouns = [noun for noun, names in (("a person", people), ("a script", scripts)) if names]
    if not nouns:
        return ""
    choices = ",".join([*people[:1], *scripts[:1]])
    return f"clips share {' and '.join(nouns)}: clip-wise intervals are too narrow; give --groups {choices}"


def _repeats(groups: int, clips: int) -> bool:
    return clips - groups > NOTABLE * clips

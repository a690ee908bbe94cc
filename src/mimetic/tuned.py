"""What a checkpoint that we have trained says of itself: on which clips it learned, so that none of them judges it.

``tuned.json`` lies beside the weights, and a copy of it beside the features in a store. A clip is known by its id and
the fingerprint of what its features are made from: so another table of the same clips is recognised, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mimetic.records import BadData, Json

NAME = "tuned.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuned:
    """A checkpoint's record: the data, the split, the seed; ``clips`` maps ids to fingerprints."""

    extractor: str
    model: str
    data: str
    split: str
    seed: int
    clips: Mapping[str, str]
    note: str = ""

    def as_json(self) -> Json:
        """Give it as it is written."""
        return {
            "format": FORMAT,
            "extractor": self.extractor,
            "model": self.model,
            "data": self.data,
            "note": self.note,
            "split": self.split,
            "seed": self.seed,
            "clips": dict(self.clips),
        }

    def check_unseen(self, clips: Iterable[tuple[str, str]], *, part: str, split: str) -> None:
        """Refuse clips, each an id and its fingerprint, that the checkpoint has learned from.

        Raises
        ------
        BadData
            with how many there are.
        """
        told = list(clips)
        seen = [clip for clip, source in told if self.clips.get(clip) == source]
        if seen:
            message = (
                f"{self.extractor} was trained on {len(seen):,} of the {len(told):,} {part} clips of split {split}"
                f" (it learned at split {self.split} of {self.data}: {', '.join(seen[:3])} ...)"
            )
            remedy = "Train at the split that it learned at, or tune it anew at this one."
            raise BadData(message, remedy=remedy)


def read_tuned(folder: Path) -> Tuned | None:
    """Read the record of a checkpoint, or of features in a store; ``None`` where there is none.

    Raises
    ------
    BadData
        if there is one that cannot be read.
    """
    path = folder / NAME if folder.is_dir() else None
    if path is None or not path.is_file():
        return None
    try:
        told = json.loads(path.read_text("utf-8"))
        del told["format"]
        return Tuned(**told)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadData(f"{path} cannot be read ({error})", remedy="Tune the encoder anew.") from None

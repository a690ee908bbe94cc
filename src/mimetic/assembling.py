"""One shard on its way through the models: messages in clip order go in, batches come out; rows go in, tracks come out.

Batches are made of the shard's clips in their order, and never of two shards: so they are the same whoever works, and
in whatever order the models answer. A clip's rows are put together in the order in which its inputs were made.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mimetic.features import Feature
from mimetic.models import Inputs, Rows
from mimetic.parallel import Lost
from mimetic.reading import Message, Taken
from mimetic.records import MimeticError, Track
from mimetic.spools import NotFinite, Pooling, Spool


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs of one feature and one group; ``places`` are the clip within the shard, and the number within the clip.

    ``tries`` counts the model workers that it has taken down.
    """

    key: str
    inputs: tuple[Inputs, ...]
    places: tuple[tuple[int, int], ...]
    tries: int = 0

    def by_clip(self) -> list[Batch]:
        """Give each clip's inputs as a batch of their own, for another try."""
        clips = dict.fromkeys(clip for clip, _ in self.places)
        return [self._only(clip) for clip in clips]

    def _only(self, clip: int) -> Batch:
        which = [number for number, place in enumerate(self.places) if place[0] == clip]
        inputs = tuple(self.inputs[number] for number in which)
        return Batch(self.key, inputs, tuple(self.places[number] for number in which), self.tries + 1)


@dataclass(slots=True)
class _Pile:
    """Inputs of one feature and one group that wait for their batch to be full."""

    inputs: list[Inputs] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)

    @property
    def cost(self) -> int:
        return sum(inputs.cost for inputs in self.inputs)


class Assembly:
    """The clips of one shard: which inputs wait, which rows have come, which tracks are whole.

    Parameters
    ----------
    budgets
        what a batch of a model's feature may cost; features that are not in it come as whole tracks.
    folder
        where long tracks are set aside.
    """

    def __init__(self, features: Sequence[Feature], budgets: Mapping[str, int], *, folder: Path | None = None) -> None:
        self._features = {feature.key: feature for feature in features}
        self._budgets, self._folder = budgets, folder
        self._piles: dict[tuple[str, Hashable], _Pile] = {}
        self._growing: dict[tuple[int, str], _Growing] = {}
        self._told: dict[int, dict[str, Taken]] = {}
        self._forgotten: set[int] = set()

    def take(self, place: int, message: Message) -> list[Batch]:
        """Take what a reader says of a clip; give the batches that it fills."""
        if isinstance(message, dict):
            self._told.setdefault(place, {}).update(message)
            return []
        key, inputs = message
        growing = self._of(place, key)
        pile = self._piles.setdefault((key, inputs.group), _Pile())
        full = (
            [self._close((key, inputs.group))] if pile.inputs and pile.cost + inputs.cost > self._budgets[key] else []
        )
        pile = self._piles.setdefault((key, inputs.group), _Pile())
        pile.inputs.append(inputs)
        pile.places.append((place, growing.expect()))
        return full

    def flush(self) -> list[Batch]:
        """Give what waits: there are no more clips."""
        return [self._close(which) for which in list(self._piles)]

    def _close(self, which: tuple[str, Hashable]) -> Batch:
        pile = self._piles.pop(which)
        return Batch(key=which[0], inputs=tuple(pile.inputs), places=tuple(pile.places))

    def put(self, batch: Batch, answer: Sequence[Rows] | Lost, seconds: float) -> None:
        """Take what a model made of a batch; what took the model down is the reason of all clips in it."""
        cost = sum(inputs.cost for inputs in batch.inputs) or 1
        for number, ((place, part), inputs) in enumerate(zip(batch.places, batch.inputs, strict=True)):
            if place in self._forgotten:
                continue
            growing = self._of(place, batch.key)
            growing.seconds += seconds * inputs.cost / cost
            if isinstance(answer, Lost):
                growing.refuse(answer.reason)
            else:
                growing.put(part, inputs, answer[number])

    def forget(self, place: int) -> None:
        """Drop what has come of a clip, and what is still to come of it: it is read once more, as another place."""
        self._forgotten.add(place)
        self._growing = {at: growing for at, growing in self._growing.items() if at[0] != place}
        self._told.pop(place, None)

    def taken(self, place: int) -> dict[str, Taken]:
        """Give what a clip gave for every feature, once all of its batches are back."""
        told = self._told[place]
        return {
            key: self._of(place, key).finish(told[key]) if key in self._budgets else told[key] for key in self._features
        }

    def _of(self, place: int, key: str) -> _Growing:
        if (place, key) not in self._growing:
            self._growing[place, key] = _Growing(self._features[key], self._folder)
        return self._growing[place, key]


class _Growing:
    """One clip's track of one model, as its rows come back in any order."""

    def __init__(self, feature: Feature, folder: Path | None) -> None:
        self.seconds = 0.0
        self._feature = feature
        self._spool = Spool(feature.dim, feature.rate, feature.dtype, folder=folder)
        self._pooling = Pooling(feature.sampling, feature.rate) if feature.pooled is not None else None
        self._expected, self._next = 0, 0
        self._waiting: dict[int, tuple[Inputs, Rows]] = {}
        self._sum: NDArray[np.float64] | None = None
        self._weight, self._unit = 0.0, False
        self._reason: str | None = None

    def expect(self) -> int:
        """Count one more of the clip's inputs, and give its number."""
        self._expected += 1
        return self._expected - 1

    def refuse(self, reason: str) -> None:
        """Note why there will be no track."""
        self._reason = self._reason or reason

    def put(self, number: int, inputs: Inputs, rows: Rows) -> None:
        """Take the rows of the clip's inputs of this number."""
        if rows.values.shape[1] != self._spool.dim:
            told = f"{self._feature.key} gives {rows.values.shape[1]} columns, not {self._spool.dim}"
            raise MimeticError(told, remedy="The checkpoint's config.json does not fit its weights.")
        self._waiting[number] = inputs, rows
        while self._next in self._waiting:
            self._add(*self._waiting.pop(self._next))
            self._next += 1

    def _add(self, inputs: Inputs, rows: Rows) -> None:
        if inputs.weight:
            part = inputs.weight * rows.values[0].astype(np.float64)
            self._sum = part if self._sum is None else self._sum + part
            self._weight += inputs.weight
            self._unit = inputs.unit
            return
        placed = _placed(inputs, rows, self._feature.sampling)
        self._append(placed if self._pooling is None else self._pooling.add(placed))

    def _append(self, rows: Track) -> None:
        try:
            self._spool.append(rows)
        except NotFinite as error:
            self.refuse(str(error))

    def finish(self, told: Taken) -> Taken:
        """Give the whole track, or the reason why there is none."""
        if self._sum is not None:
            mean = self._sum / (_length(self._sum) if self._unit else self._weight)
            self._append(Track(values=mean.astype(np.float32)[None], rate=0.0, valid=np.ones(1, np.bool_)))
        if self._pooling is not None and self._next:
            self._append(self._pooling.finish())
        spent = told.seconds + self.seconds, told.decoding, self.seconds
        if self._reason or not self._spool.length:
            return Taken(None, self._reason or told.reason or f"no {self._feature.entry.view} in it", *spent)
        return Taken(self._spool, told.reason and f"in part: {told.reason}", *spent)


def _length(vector: NDArray[np.float64]) -> float:
    """Give the length to divide by; of a zero vector 1."""
    return float(np.linalg.norm(vector)) or 1.0


def _placed(inputs: Inputs, rows: Rows, rate: float) -> Track:
    """Give the rows where they belong: without context, and with zero rows where nothing was measured."""
    kept = slice(*inputs.keep)
    values = rows.values[kept]
    notes = {**inputs.notes, **{name: note[kept] for name, note in rows.notes.items()}}
    if inputs.valid is None:
        return Track(values=values, rate=rate, valid=np.ones(len(values), np.bool_), notes=notes)
    return Track(
        values=_scattered(values, inputs.valid),
        rate=rate,
        valid=inputs.valid,
        notes={**inputs.notes, **{name: _scattered(note[kept], inputs.valid) for name, note in rows.notes.items()}},
    )


def _scattered(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give ``(time, ...)`` with the values where ``valid`` is true, and zeros elsewhere."""
    placed = np.zeros((len(valid), *values.shape[1:]), np.float32)
    placed[valid] = values
    return placed

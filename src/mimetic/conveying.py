"""Clips through decoders and models, shard by shard: here, or by two crews of processes that work side by side.

Decoders take clips in order and send what is ready; of what they send, only the front clip's goes into batches, so
that batches are the same whoever is faster. Models take batches. When the models fall behind, nothing more is received
from the decoders, and they wait; a decoder that runs ahead waits too, once what it sent fills the room there is for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Self

from mimetic.assembling import Assembly, Batch
from mimetic.backends import Converted
from mimetic.computing import TORCH, Answer, Models
from mimetic.features import Feature
from mimetic.models import ModelEntry
from mimetic.parallel import Crew, End, Lost, processors
from mimetic.reading import ClipReader, Message, Taken, Through
from mimetic.records import Clip

ROOM = 256 << 20
"""Bytes of inputs that may wait for clips before them; the front clip's always pass."""

AHEAD = 2
"""Batches that may wait for each model."""

Shards = Sequence[Sequence[Clip]]


def convey_here(
    features: Sequence[Feature],
    shards: Shards,
    *,
    device: str = "cpu",
    folder: Path | None = None,
    converted: Mapping[str, Converted] = TORCH,
    through: Through | None = None,
) -> Iterator[list[dict[str, Taken]] | None]:
    """Do as ``convey``, in this process, one clip after another; decoded pieces pass ``through`` what is given."""
    reader, models = ClipReader(features, through), Models(features, device, converted)
    for shard in shards:
        assembly = Assembly(features, models.budgets, folder=folder)
        for place, clip in enumerate(shard):
            for message in reader(clip):
                for batch in assembly.take(place, message):
                    assembly.put(batch, *models(batch))
            yield None
        for batch in assembly.flush():
            assembly.put(batch, *models(batch))
        yield [assembly.taken(place) for place in range(len(shard))]


def convey(
    features: Sequence[Feature],
    shards: Shards,
    *,
    workers: int,
    devices: Sequence[str] = ("cpu",),
    limit: float = 0.0,
    folder: Path | None = None,
    converted: Mapping[str, Converted] = TORCH,
) -> Iterator[list[dict[str, Taken]] | None]:
    """Yield ``None`` for each clip that has been read, and for each shard in turn what its clips gave.

    The crews, made as ``Crews`` tells, end with the last shard.
    """
    workers = min(workers, sum(len(shard) for shard in shards))
    made = Crews(features, workers=workers, devices=devices, limit=limit, folder=folder, converted=converted)
    with made as crews:
        yield from crews.convey(shards)


class Crews:
    """Decoders and models that stay, with what they have loaded, for any number of shards.

    Parameters
    ----------
    workers
        decoders; and as many models again on the CPU, on GPUs one each.
    limit
        processor seconds that the decoding of a clip may take.
    folder
        where long tracks are set aside.
    converted
        which networks another backend computes.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        *,
        workers: int,
        devices: Sequence[str] = ("cpu",),
        limit: float = 0.0,
        folder: Path | None = None,
        converted: Mapping[str, Converted] = TORCH,
    ) -> None:
        self._features, self._limit, self._folder = features, limit, folder
        heavy = [feature for feature in features if isinstance(feature.entry, ModelEntry)]
        places = [device for device in devices for _ in range(workers if device == "cpu" else 1)]
        self._decoders = Crew([_Reads(tuple(features))] * workers, limit=limit)
        self._models = Crew([_Computes(tuple(heavy), device, converted) for device in places] if heavy else [])
        self._cores = _Cores(count=max(workers, processors()), shared=places[:1] == ["cpu"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for crew in (self._decoders, self._models):
            crew.__exit__()

    def convey(self, shards: Shards) -> Iterator[list[dict[str, Taken]] | None]:
        """Do as ``convey``."""
        conveyor = _Conveyor(
            self._features, shards, self._decoders, self._models, self._cores, self._limit, self._folder
        )
        yield from conveyor.run()
        while self._models.busy:  # with an answer's end, which the last shard did not wait for
            list(self._models.receive(timeout=1.0))


@dataclass(frozen=True, slots=True)
class _Cores:
    """How many processes may be at work: more than that take turns on a core, and each other's caches away."""

    count: int
    shared: bool
    """Whether the models compute on these cores too."""

    def has_one(self, decoders: Crew, models: Crew) -> bool:
        """Tell whether there is a core for one more clip; batches go before clips."""
        return len(decoders.busy) + (len(models.busy) if self.shared else 0) < self.count


@dataclass(frozen=True, slots=True)
class _Reads:
    """Makes a decoder's function; pickled on the way there."""

    features: tuple[Feature, ...]

    def __call__(self) -> ClipReader:
        return ClipReader(self.features)


@dataclass(frozen=True, slots=True)
class _Computes:
    """Makes a model worker's function; pickled on the way there."""

    features: tuple[Feature, ...]
    device: str
    converted: Mapping[str, Converted]

    def __call__(self) -> _Answers:
        return _Answers(Models(self.features, self.device, self.converted))


@dataclass(frozen=True, slots=True)
class _Answers:
    models: Models

    def __call__(self, batch: Batch) -> Iterable[Answer]:
        return (self.models(batch),)


@dataclass(slots=True)
class _Job:
    """One clip's reading: where it stands, and what has been sent ahead of its turn."""

    shard: int
    place: int
    clip: Clip
    early: deque[Message | End | Lost] = field(default_factory=deque)


class _Conveyor:
    """What both crews have in hand, and what waits between them."""

    def __init__(
        self,
        features: Sequence[Feature],
        shards: Shards,
        decoders: Crew,
        models: Crew,
        cores: _Cores,
        limit: float,
        folder: Path | None,
    ) -> None:
        self._features, self._decoders, self._models, self._limit = features, decoders, models, limit
        self._cores = cores
        self._jobs = [_Job(s, place, clip) for s, shard in enumerate(shards) for place, clip in enumerate(shard)]
        budgets = Models(features, "cpu").budgets
        self._assemblies = [Assembly(features, budgets, folder=folder) for _ in shards]
        self._sizes = [len(shard) for shard in shards]
        self._places = [list(range(size)) for size in self._sizes]
        self._given, self._front = 0, 0
        self._room = 0
        self._waiting: deque[tuple[int, Batch]] = deque()
        self._computing: dict[int, tuple[int, Batch]] = {}
        self._open = [0] * len(shards)  # batches that are not back
        self._number = 0

    def run(self) -> Iterator[list[dict[str, Taken]] | None]:
        done = 0
        while done < len(self._sizes):
            self._hand_out()
            before = self._front
            self._receive()
            yield from [None] * (self._front - before)
            while done < len(self._sizes) and self._is_done(done):
                yield [self._assemblies[done].taken(place) for place in self._places[done]]
                self._assemblies[done] = Assembly((), {})
                done += 1

    def _is_done(self, shard: int) -> bool:
        read = self._front == len(self._jobs) or self._jobs[self._front].shard > shard
        return read and not self._open[shard]

    def _hand_out(self) -> None:
        while self._waiting and self._models.free:
            self._computing[self._number] = self._waiting.popleft()
            self._models.give(self._number, self._computing[self._number][1])
            self._number += 1
        while (
            self._given < len(self._jobs) and self._decoders.free and self._cores.has_one(self._decoders, self._models)
        ):
            self._decoders.give(self._given, self._jobs[self._given].clip)
            self._given += 1

    def _receive(self) -> None:
        """Wait for something, and take what has come from those that may send."""
        held_back = len(self._waiting) >= AHEAD * max(1, self._models.size)
        senders = () if held_back else {self._front} if self._room > ROOM else None
        if self._front < len(self._jobs):
            wait([*self._decoders.handles(senders), *self._models.handles()], timeout=1.0)
        elif self._computing:
            wait(self._models.handles(), timeout=1.0)
        for number, message in self._models.receive():
            self._put_back(number, message)
        for job, message in self._decoders.receive(senders):
            self._jobs[job].early.append(message)
            self._room += _weight(message)
        while self._front < len(self._jobs) and self._jobs[self._front].early:
            message = self._jobs[self._front].early.popleft()
            self._room -= _weight(message)
            self._advance(self._jobs[self._front], message)

    def _advance(self, job: _Job, message: Message | End | Lost) -> None:
        """Take the front clip's next message."""
        if isinstance(message, Lost):
            self._read_apart(job, message)
        elif not isinstance(message, End):
            self._take(job, message)
            return
        self._front += 1
        if self._front == len(self._jobs) or self._jobs[self._front].shard > job.shard:
            self._queue(job.shard, self._assemblies[job.shard].flush())

    def _take(self, job: _Job, message: Message) -> None:
        self._queue(job.shard, self._assemblies[job.shard].take(self._places[job.shard][job.place], message))

    def _queue(self, shard: int, batches: Sequence[Batch]) -> None:
        self._waiting.extend((shard, batch) for batch in batches)
        self._open[shard] += len(batches)

    def _put_back(self, number: int, message: Answer | End | Lost) -> None:
        """Take a model's answer. After a crash each clip of the batch is tried once more, alone."""
        if isinstance(message, End):
            return
        shard, batch = self._computing.pop(number)
        if isinstance(message, Lost) and message.crashed and not batch.tries:
            self._queue(shard, batch.by_clip())
            self._open[shard] -= 1
            return
        rows, seconds = (message, 0.0) if isinstance(message, Lost) else message
        self._assemblies[shard].put(batch, rows, seconds)
        self._open[shard] -= 1

    def _read_apart(self, job: _Job, lost: Lost) -> None:
        """Read a clip that took its decoder down once more, a view at a time: what ends one need not end the others."""
        places = self._places[job.shard]
        self._assemblies[job.shard].forget(places[job.place])
        places[job.place] += self._sizes[job.shard]
        views = dict.fromkeys(feature.entry.view for feature in self._features)
        for view in views:
            alike = tuple(feature for feature in self._features if feature.entry.view == view)
            again = lost.crashed or len(views) > 1
            messages: list[Message | Lost] = list(self._alone(alike, job.clip)) if again else [lost]
            if isinstance(last := messages[-1], Lost):
                messages = [{feature.key: Taken(None, last.reason) for feature in alike}]
            for message in messages:
                assert not isinstance(message, Lost)
                self._take(job, message)

    def _alone(self, features: tuple[Feature, ...], clip: Clip) -> Iterator[Message | Lost]:
        with Crew([_Reads(features)], limit=self._limit) as crew:
            crew.give(0, clip)
            while crew.busy:
                yield from (message for _, message in crew.receive(timeout=1.0) if not isinstance(message, End))


def _weight(message: Message | End | Lost) -> int:
    """Count the bytes that a message brings."""
    return sum(array.nbytes for array in message[1].arrays.values()) if isinstance(message, tuple) else 0

"""A desk: one run, ready to score clip after clip, as ``mimetic predict`` does.

In goes a clip, out comes a ``Reading``: what was taken of it for every feature of the run, so that it can be scored
again without a modality, window by window, and beside that what the page shows of its sound, its faces and its words.
The decoder is a process that stays; the models and the network live here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Lock
from typing import Self

from mimetic import calls
from mimetic.assembling import Assembly
from mimetic.batches import Ragged
from mimetic.computing import Models
from mimetic.console import finite
from mimetic.devices import choose_device
from mimetic.features import Feature, features
from mimetic.licences import check_licences
from mimetic.parallel import Crew, End, Lost
from mimetic.prediction import Reading as Parts
from mimetic.prediction import model_of, scores_of, through
from mimetic.reading import Message, Taken
from mimetic.records import Clip, ClipError, Json, Scores, Track
from mimetic.runs import NETWORK, Run
from mimetic.spools import Spool
from mimetic.web.decoding import Facts, Reads
from mimetic.web.limits import DECODING_SECONDS
from mimetic.web.strip import strip_like

SIGNALS = ("logmel", "motion-blocks", "motion-landmarks")
"""Features that are looked at where the run has no use for them: loudness and pitch, movement, the face."""

SWITCHED_OFF = "switched off"
"""Why a modality was not used that the user did not want."""

Tell = Callable[[str], None]
"""Takes the name of the stage that begins."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reading:
    """All that was read of one clip: its facts, and by each feature's key a track or the reason why there is none."""

    clip: Clip
    facts: Facts
    taken: Mapping[str, Taken]
    strip: str

    def track(self, key: str) -> Track | None:
        """Give a feature's track, if it was read and there is one."""
        taken = self.taken.get(key)
        return taken.track if taken is not None and isinstance(taken.track, Track) else None

    @property
    def seconds(self) -> float:
        """How long the clip is: by its tracks, and where they have no time, by what it claims."""
        tracks = (self.track(key) for key in self.taken)
        lengths = [len(track.values) / track.rate for track in tracks if track is not None and track.rate]
        return max([*lengths, 0.0 if lengths else self.facts.seconds or 0.0])


def to_look_at() -> tuple[Feature, ...]:
    """Give the features that a page shows beside the scores, as far as what they need is installed."""
    meshed = find_spec("mediapipe") is not None
    return tuple(feature for feature in features(SIGNALS) if meshed or feature.entry.extra != "face")


class Desk:
    """One run, ready to score. A context: its decoder's process ends with it.

    Parameters
    ----------
    beside
        features that are to be looked at, whether the run has a use for them or not.

    Raises
    ------
    UsageError
        if a feature's licence has not been accepted.
    BadRun
        if the run's weights are not there.
    """

    def __init__(
        self, run: Run, *, beside: Sequence[Feature] = (), device: str = "auto", accepted: Collection[str] = ()
    ) -> None:
        check_licences(run.features, accepted)
        self.run = run
        self.network = run.network() if run.kind == NETWORK else None  # a mixture of models has none to look into
        self.model = model_of(run) if self.network is None else through(self.network)
        self._strip = strip_like(run.features)
        everything = (*run.features, *(f for f in beside if f not in run.features), self._strip)
        self._features = {f.key: f for f in everything}
        self._models = Models(run.features, choose_device(device))
        self._busy, self._open = Lock(), ExitStack()
        self._crew = self._open.enter_context(Crew([Reads(tuple(self._features.values()))], limit=DECODING_SECONDS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoder's process, once nothing is in its hands."""
        with self._busy:
            self._open.close()

    @property
    def features(self) -> tuple[Feature, ...]:
        """The run's features."""
        return self.run.features

    def warm(self) -> None:
        """Start the decoder's process, which takes some seconds, before anybody waits for it."""
        self.read(Clip(id="nothing"))

    def read(self, clip: Clip, tell: Tell = lambda _stage: None) -> Reading:
        """Read a clip; whoever else wants to waits.

        Raises
        ------
        ClipError
            if the clip is refused, or takes its decoder down.
        """
        with self._busy:
            return self._read(clip, tell)

    def read_at_once(self, clip: Clip) -> Reading | None:
        """Read a clip if the desk is free, else give ``None``: what is live does not wait.

        Raises
        ------
        ClipError
            as ``read``.
        """
        if not self._busy.acquire(blocking=False):
            return None
        try:
            return self._read(clip, lambda _stage: None)
        finally:
            self._busy.release()

    def _read(self, clip: Clip, tell: Tell) -> Reading:
        tell("checking")
        assembly, facts = Assembly(tuple(self._features.values()), self._models.budgets), None
        for message in self._messages(clip):
            if isinstance(message, Facts):
                facts = message
                tell("reading")
                continue
            for batch in assembly.take(0, message):
                tell("features")
                assembly.put(batch, *self._models(batch))
        for batch in assembly.flush():
            tell("features")
            assembly.put(batch, *self._models(batch))
        assert facts is not None
        taken = {key: _in_memory(of) for key, of in assembly.taken(0).items()}
        return Reading(clip=clip, facts=facts, taken=taken, strip=self._strip.key)

    def _messages(self, clip: Clip) -> Iterator[Facts | Message]:
        """Yield what the decoder says of a clip; whatever happens, the decoder is free afterwards."""
        self._crew.give(0, clip)
        try:
            while self._crew.busy:
                for _, message in self._crew.receive(timeout=1.0):
                    if isinstance(message, ClipError):
                        raise message
                    if isinstance(message, Lost):
                        raise ClipError(f"its decoder {message.reason}")
                    if not isinstance(message, End):
                        yield message
        finally:
            while self._crew.busy:
                for _ in self._crew.receive(timeout=1.0):
                    pass

    def score(self, reading: Reading, *, without: Collection[str] = ()) -> Scores:
        """Score what was read; ``without`` are modalities to leave out, as if the clip did not have them."""
        taken = {f.key: reading.taken[f.key] for f in self.features}
        for name, feature in zip(self.run.recipe.modalities, self.features, strict=True):
            if name in without:
                taken[feature.key] = Taken(None, SWITCHED_OFF)
        kept = {key: of.track if isinstance(of.track, Track) else None for key, of in taken.items()}
        dims = zip(self.features, self.run.dims, strict=True)
        parts = tuple(Ragged([kept[f.key]], dim) for f, dim in dims)
        reasons = [[taken[f.key].reason for f in self.features]]
        return scores_of(self.run, Parts(clips=(reading.clip,), parts=parts, reasons=reasons), model=self.model)


def _in_memory(taken: Taken) -> Taken:
    track = taken.track.track() if isinstance(taken.track, Spool) else taken.track
    return Taken(track, taken.reason, taken.seconds)


def told(reading: Reading, scores: Scores) -> Json:
    """Give a clip's scores as ``mimetic predict --json`` does, without the path: it is this machine's own."""
    (found,) = calls.scored([reading.clip], scores, (), None)
    plain: Json = finite({**found, "path": None})
    return plain

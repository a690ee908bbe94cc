"""A clip becomes tracks, and inputs for models: opened and decoded once, however many features want it.

In go a clip and the features asked for; out come the inputs of pretrained models as they are ready and, at the end, for
every feature its track or the reason why there is none. Every piece of a view goes to all that asked for it, and is
then forgotten: a long clip costs its features, not its frames.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from threadpoolctl import ThreadpoolController

from mimetic.faces import FaceView
from mimetic.features import Feature
from mimetic.media import Media
from mimetic.models import Inputs, ModelEntry, Preparation
from mimetic.pieces import Item
from mimetic.records import Clip, ClipError, Extraction, MimeticError, NoStream, Piece, Sound, Track
from mimetic.spools import NotFinite, Spool, pool, rounded
from mimetic.store import digest
from mimetic.words import read_words

NOT_IN_A_CLIP = "imported features, which a clip by itself does not have"
"""Why a feature that is imported is missing in a clip that is read."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one clip gave for one feature: a track, the reason why there is none or only a part, processor seconds.

    Of a model's feature a reader knows the reason and the seconds alone; the rows come from the model. Of the seconds,
    ``decoding`` is the feature's share of what all that the clip was decoded for had in common, ``computing`` the
    model's.
    """

    track: Track | Spool | None
    reason: str | None
    seconds: float = 0.0
    decoding: float = 0.0
    computing: float = 0.0


Message = tuple[str, Inputs] | dict[str, Taken]
"""What a reader says of a clip: inputs for the model of a feature, by its key; at the end what it knows of them all."""


Through = Callable[[Clip, Iterator[Item]], Iterator[Item]]
"""What a clip's decoded pieces pass before they become faces and features, such as a disturbance."""


class ClipReader:
    """Clips to tracks and inputs. Made once a worker: what it holds serves clip after clip."""

    def __init__(self, features: Sequence[Feature], through: Through | None = None) -> None:
        self._through = through
        self._features = [feature for feature in features if feature.entry.view != "imported"]
        self._imported = {f.key: Taken(None, NOT_IN_A_CLIP) for f in features if f not in self._features}
        self._extractors = {feature.key: feature.make() for feature in self._features}
        options = {digest(dict(f.view_options)): f.view_options for f in features if f.entry.view == "faces"}
        self._face_views = {name: FaceView(**_told(chosen)) for name, chosen in options.items()}
        self._threads = ThreadpoolController()

    def __call__(self, clip: Clip) -> Iterator[Message]:
        """Yield inputs, each with its feature's key, and at last a ``Taken`` for every feature.

        With one thread for linear algebra, wherever this runs: a sum over two threads rounds differently.
        """
        with self._threads.limit(limits=1, user_api="blas"):
            try:
                yield from self._read(clip)
            except MimeticError:
                raise
            except Exception as error:  # whatever it is, it is this clip's trouble, and not the others'
                reason = f"{type(error).__name__}: {error}"
                yield {feature.key: Taken(None, reason) for feature in self._features} | self._imported

    def _read(self, clip: Clip) -> Iterator[Message]:
        flows = {f.key: _Flow(f, self._extractors[f.key].begin()) for f in self._features}
        yield from self._words(clip, [flow for flow in flows.values() if flow.view == "words"])
        filmed = [flow for flow in flows.values() if flow.view != "words"]
        started, away = time.process_time(), 0.0
        for message in self._media(clip, filmed):
            left = time.process_time()
            yield message
            away += time.process_time() - left  # what whoever takes it does with it is not decoding
        decoding = time.process_time() - started - away - sum(flow.seconds for flow in filmed)
        for flow in filmed:
            flow.decoding = max(0.0, decoding) / len(filmed)
        for flow in flows.values():
            yield from flow.rest()
        yield {key: flow.finish() for key, flow in flows.items()} | self._imported

    def _words(self, clip: Clip, flows: Sequence[_Flow]) -> Iterator[Message]:
        if not flows:
            return
        try:
            words = read_words(clip)
        except ClipError as error:
            _refuse(flows, str(error))
        else:
            for flow in flows:
                yield from flow.add(words)

    def _media(self, clip: Clip, flows: Sequence[_Flow]) -> Iterator[Message]:
        given = [flow for flow in flows if flow.view == "faces" and not self._view_of(flow).needs_frames]
        yield from self._given_faces(clip, given)
        flows = [flow for flow in flows if flow not in given]
        if not flows:
            return
        try:
            if clip.path is None:
                raise NoStream("no media file")
            with Media(clip.path) as media:
                yield from self._decode(clip, media, flows)
        except ClipError as error:
            _refuse(flows, str(error))

    def _decode(self, clip: Clip, media: Media, flows: Sequence[_Flow]) -> Iterator[Message]:
        pictures = [flow for flow in flows if flow.view in ("frames", "faces")]
        sounds = [flow for flow in flows if flow.view == "audio"]
        streams = {
            (flow.face_view, flow.rate): self._view_of(flow).begin(clip) for flow in pictures if flow.view == "faces"
        }
        rates = sorted({flow.rate for flow in pictures})
        items = media.decode(rates=rates, sound=bool(sounds))
        for rate, piece in items if self._through is None else self._through(clip, items):
            if isinstance(piece, Sound):
                for flow in sounds:
                    yield from flow.add(piece)
                continue
            faces = {view: stream.add(piece) for (view, at), stream in streams.items() if at == rate}
            for flow in pictures:
                if flow.rate == rate:
                    yield from flow.add(faces[flow.face_view] if flow.view == "faces" else piece)
        for flow in flows:
            heard = flow.view == "audio"
            noun = "sound" if heard else "picture"
            damage = [warning for warning in media.warnings if warning.startswith((noun, "file"))]
            told = media.reasons.get("audio" if heard else "frames") or "; ".join(damage)
            flow.reason = flow.reason or told or None

    def _given_faces(self, clip: Clip, flows: Sequence[_Flow]) -> Iterator[Message]:
        for flow in flows:
            try:
                for piece in self._view_of(flow).begin(clip).given(flow.rate):
                    yield from flow.add(piece)
            except ClipError as error:
                _refuse([flow], str(error))

    def _view_of(self, flow: _Flow) -> FaceView:
        return self._face_views[flow.face_view]


class _Flow:
    """One feature of one clip: pieces go in; inputs for its model come out, or a track at the end."""

    def __init__(self, feature: Feature, on_its_way: Extraction | Preparation) -> None:
        self.view, self.rate = feature.entry.view, feature.sampling
        self.face_view = digest(dict(feature.view_options))
        self.reason: str | None = None
        self.seconds = self.decoding = 0.0
        self._feature, self._on_its_way = feature, on_its_way
        self._prepares, self._refused = isinstance(feature.entry, ModelEntry), False

    def add(self, piece: Piece) -> Iterator[Message]:
        """Take a piece of the view. Once a preparation has refused the clip, it is left alone."""
        if self._refused:
            return
        started = time.process_time()
        ready = self._told(lambda: self._on_its_way.add(piece) or ())
        self.seconds += time.process_time() - started
        yield from ready

    def rest(self) -> Iterator[Message]:
        """Give the inputs that were waiting for more."""
        if self._prepares and not self._refused:
            finish = cast("Preparation", self._on_its_way).finish
            yield from self._told(finish)

    def _told(self, prepare: Callable[[], Iterable[Inputs]]) -> list[Message]:
        """Give what a preparation makes; where it refuses the clip, that is this feature's reason alone."""
        try:
            return [(self._feature.key, inputs) for inputs in prepare()]
        except ClipError as error:
            self.reason, self._refused = str(error), True
            return []

    def finish(self) -> Taken:
        """Give the track, if this feature has one without a model."""
        if self._prepares or self._refused:
            return Taken(None, self.reason, self.seconds + self.decoding, self.decoding)
        started = time.process_time()
        track = self._on_its_way.finish()
        assert isinstance(track, Track)
        del self._on_its_way  # it may hold as much as the track
        spent = self.seconds + self.decoding + time.process_time() - started, self.decoding
        if not len(track.values):
            return Taken(None, self.reason or f"no {self.view} in it", *spent)
        try:
            return Taken(self._stored(track), self.reason and f"in part: {self.reason}", *spent)
        except NotFinite as error:
            return Taken(None, str(error), *spent)

    def _stored(self, track: Track) -> Track:
        """Give the track as the store will hold it, so that a raw clip and a stored one are the same to a model."""
        return rounded(
            track if self._feature.pooled is None else pool(track, self._feature.pooled), self._feature.dtype
        )


def _told(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the options that nobody chose; a detector knows its own by shorter names."""
    shorter = {"detector_model": "model", "crop_fps": "fps"}
    return {shorter.get(name, name): value for name, value in options.items() if value is not None}


def _refuse(flows: Sequence[_Flow], reason: str) -> None:
    for flow in flows:
        flow.reason = reason

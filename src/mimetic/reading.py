"""A clip becomes tracks: opened and decoded once, however many features want it.

In go a clip and the features asked for; out comes, for each, its track or the reason why there is none. Every piece of
a view goes to all that asked for it, and is then forgotten: a long clip costs its features, not its frames.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from mimetic.faces import FaceView
from mimetic.features import Feature
from mimetic.media import Media
from mimetic.records import Clip, ClipError, Extraction, MimeticError, NoStream, Piece, Sound, Track
from mimetic.store import digest
from mimetic.words import read_words


@dataclass(frozen=True, slots=True)
class Taken:
    """What one clip gave for one feature: a track, the reason why there is none or only a part, processor seconds."""

    track: Track | None
    reason: str | None
    seconds: float = 0.0


class ClipReader:
    """Clips to tracks. Made once a worker: the extractors and detectors it holds serve clip after clip."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        self._extractors = {feature.key: feature.make() for feature in features}
        options = {digest(dict(f.view_options)): f.view_options for f in features if f.entry.view == "faces"}
        self._face_views = {name: FaceView(**_told(chosen)) for name, chosen in options.items()}
        self._threads = ThreadpoolController()

    def __call__(self, clip: Clip) -> dict[str, Taken]:
        """Give, for every feature, the clip's track or the reason why there is none.

        With one thread for linear algebra, wherever this runs: a sum over two threads rounds differently.
        """
        with self._threads.limit(limits=1, user_api="blas"):
            try:
                return self._read(clip)
            except MimeticError:
                raise
            except Exception as error:  # whatever it is, it is this clip's trouble, and not the others'
                reason = f"{type(error).__name__}: {error}"
                return {feature.key: Taken(None, reason) for feature in self._features}

    def _read(self, clip: Clip) -> dict[str, Taken]:
        flows = {f.key: _Flow(f, self._extractors[f.key].begin()) for f in self._features}
        self._words(clip, [flow for flow in flows.values() if flow.view == "words"])
        filmed = [flow for flow in flows.values() if flow.view != "words"]
        started = time.process_time()
        self._media(clip, filmed)
        decoding = time.process_time() - started - sum(flow.seconds for flow in filmed)
        for flow in filmed:
            flow.seconds += decoding / len(filmed)
        return {key: flow.finish() for key, flow in flows.items()}

    def _words(self, clip: Clip, flows: Sequence[_Flow]) -> None:
        if not flows:
            return
        try:
            words = read_words(clip)
        except ClipError as error:
            _refuse(flows, str(error))
        else:
            for flow in flows:
                flow.add(words)

    def _media(self, clip: Clip, flows: Sequence[_Flow]) -> None:
        given = [flow for flow in flows if flow.view == "faces" and not self._view_of(flow).needs_frames]
        self._given_faces(clip, given)
        flows = [flow for flow in flows if flow not in given]
        if not flows:
            return
        try:
            if clip.path is None:
                raise NoStream("no media file")
            with Media(clip.path) as media:
                self._decode(clip, media, flows)
        except ClipError as error:
            _refuse(flows, str(error))

    def _decode(self, clip: Clip, media: Media, flows: Sequence[_Flow]) -> None:
        pictures = [flow for flow in flows if flow.view in ("frames", "faces")]
        sounds = [flow for flow in flows if flow.view == "audio"]
        streams = {
            (flow.face_view, flow.rate): self._view_of(flow).begin(clip) for flow in pictures if flow.view == "faces"
        }
        rates = sorted({flow.rate for flow in pictures})
        for rate, piece in media.decode(rates=rates, sound=bool(sounds)):
            if isinstance(piece, Sound):
                for flow in sounds:
                    flow.add(piece)
                continue
            faces = {view: stream.add(piece) for (view, at), stream in streams.items() if at == rate}
            for flow in pictures:
                if flow.rate == rate:
                    flow.add(faces[flow.face_view] if flow.view == "faces" else piece)
        for flow in flows:
            heard = flow.view == "audio"
            noun = "sound" if heard else "picture"
            damage = [warning for warning in media.warnings if warning.startswith((noun, "file"))]
            flow.reason = media.reasons.get("audio" if heard else "frames") or "; ".join(damage) or None

    def _given_faces(self, clip: Clip, flows: Sequence[_Flow]) -> None:
        for flow in flows:
            try:
                for piece in self._view_of(flow).begin(clip).given(flow.rate):
                    flow.add(piece)
            except ClipError as error:
                _refuse([flow], str(error))

    def _view_of(self, flow: _Flow) -> FaceView:
        return self._face_views[flow.face_view]


class _Flow:
    """One feature of one clip: pieces go in, a track comes out."""

    def __init__(self, feature: Feature, extraction: Extraction) -> None:
        self.view, self.rate, self.dtype = feature.entry.view, feature.rate, feature.dtype
        self.face_view = digest(dict(feature.view_options))
        self.reason: str | None = None
        self.seconds = 0.0
        self._extraction = extraction

    def add(self, piece: Piece) -> None:
        started = time.process_time()
        self._extraction.add(piece)
        self.seconds += time.process_time() - started

    def finish(self) -> Taken:
        started = time.process_time()
        track = self._extraction.finish()
        seconds = self.seconds + time.process_time() - started
        if not len(track.values):
            return Taken(None, self.reason or f"no {self.view} in it", seconds)
        if not np.abs(track.values).max() <= np.finfo(self.dtype).max:
            return Taken(None, f"its values are not finite in {self.dtype}", seconds)
        return Taken(rounded(track, self.dtype), self.reason and f"in part: {self.reason}", seconds)


def rounded(track: Track, dtype: str) -> Track:
    """Give the track in the store's dtype, so that a raw clip and a stored one are the same to a model."""
    return Track(values=track.values.astype(dtype), rate=track.rate, valid=track.valid, notes=track.notes)


def _told(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the options that nobody chose; a detector knows its own by shorter names."""
    shorter = {"detector_model": "model", "crop_fps": "fps"}
    return {shorter.get(name, name): value for name, value in options.items() if value is not None}


def _refuse(flows: Sequence[_Flow], reason: str) -> None:
    for flow in flows:
        flow.reason = reason

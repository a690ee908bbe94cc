"""The nouns that flow down the river, the protocols between its stages, and the tree of errors.

Neither torch nor numpy: the tables, the manifests and ``mimetic --help`` need this file and little else.

Axes have one vocabulary in the whole project: ``clip time dim target modality height width``.
Rates are in hertz, times and durations in seconds, pictures ``height width 3`` in RGB, uint8.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODALITIES = ("text", "audio", "vision", "motion")
"""The field's four, in the order in which tables and tokens list them."""

SAMPLE_RATE = 16_000
"""Hertz of every ``Sound``: what the field's speech models were trained on."""

Json = dict[str, Any]


# ---------------------------------------------------------------------------------------------- errors


class MimeticError(Exception):
    """What goes wrong and can be told in one line: the thing, the choices, the remedy.

    ::

        MimeticError
        ├── UsageError          a wrong call: nothing has been done yet (exit code 2)
        │   ├── UnknownName     a name that no table has
        │   ├── BadData         a data set that cannot be read as one: file and line are named
        │   ├── BadRun          a run folder that is not one, or does not fit
        │   └── MissingExtra    an optional package is not installed
        ├── ClipError           one clip's trouble: recorded as its reason, the job goes on
        │   └── NoStream        the clip is sound, but has no picture, no sound or no words
        └── StoreError          stored features that are damaged or not there
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        stop = "" if self.message.endswith((".", "?")) else "."
        return f"{self.message}{stop} {self.remedy}" if self.remedy else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_error, (type(self), self.message, self.remedy)

    def as_json(self) -> Json:
        """Give the error as ``--json`` prints it."""
        return {"error": {"kind": type(self).__name__, "message": self.message, "remedy": self.remedy}}


def _rebuild_error(kind: type[MimeticError], message: str, remedy: str) -> MimeticError:
    error = kind.__new__(kind)
    MimeticError.__init__(error, message, remedy=remedy)
    return error


class UsageError(MimeticError):
    """A wrong call: it stops before any work is done."""


class UnknownName(UsageError):
    """A name that the table does not have; the nearest ones are told."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        choices = list(known)
        near = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(choices)}."
        super().__init__(f"there is no {kind} {name!r}", remedy=remedy)


class BadData(UsageError):
    """A data set that cannot be read as one."""


class BadRun(UsageError):
    """A folder that is not a finished run, or does not fit what is asked of it."""


class MissingExtra(UsageError):
    """An optional package is needed and not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}'", remedy=f"pip install 'mimetic[{extra}]'")


class ClipError(MimeticError):
    """One clip's trouble: it becomes the clip's reason, and the job goes on."""


class NoStream(ClipError):
    """The clip lacks what was asked for: it has no picture, no sound or no words."""


class StoreError(MimeticError):
    """Stored features are damaged, or not there."""


# ------------------------------------------------------------------------------------------------ data


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """An id, a path and what is known about it.

    ``path`` is the media file (``None`` where there are only words), ``words`` a side file with the
    transcript, ``text`` the transcript itself, ``faces`` a folder of face crops that came with the data set,
    ``part`` the official part: ``"train"``, ``"valid"``, ``"test"`` or ``None``.

    >>> clip = Clip(id="00012", text="what a day", part="test")
    >>> clip.path is None
    True
    """

    id: str
    path: Path | None = None
    words: Path | None = None
    text: str | None = None
    faces: Path | None = None
    part: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """Who is in it and what they felt.

    ``labels`` is ``(clip, target)`` float64 in the order of ``clips``; NaN where nobody said. ``store`` is the
    folder where its features belong by default (``None``: it has to be given). ``note`` is what has to be said wherever
    figures from it are shown: that it is simulated, if it is. ``columns`` is what else is known of the clips, such as
    the person or the script: ``(clip,)`` texts by column, empty where nobody said.
    """

    name: str
    clips: tuple[Clip, ...]
    targets: tuple[str, ...]
    labels: NDArray[np.float64]
    store: Path | None = None
    note: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, name: str) -> tuple[str, ...]:
        """Give what a column says of each clip.

        Raises
        ------
        UnknownName
            for a column that the data set does not have.
        """
        return find(self.columns, name, "column")

    def indices(self, part: str) -> NDArray[np.intp]:
        """Give the rows of one official part, in order."""
        import numpy as np

        return np.array([i for i, clip in enumerate(self.clips) if clip.part == part], dtype=np.intp)


# ----------------------------------------------------------------------------------------------- views


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frames:
    """A piece of a stream of pictures: whole frames, or crops of the main face.

    ``images`` is ``(time, height, width, 3)`` uint8 RGB, ``times`` ``(time,)`` seconds from the clip's start.
    ``valid`` is ``(time,)`` bool: for faces, whether one was found (the crop is black where not). ``notes`` are
    facts per frame, ``(time,)`` float32 each: ``confidence`` and ``area`` (share of the frame) of the face.
    """

    images: NDArray[np.uint8]
    times: NDArray[np.float64]
    valid: NDArray[np.bool_]
    notes: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sound:
    """A piece of a stream of sound: ``samples`` is ``(time,)`` float32, mono, 16 kHz, in [-1, 1]."""

    samples: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What is said: the whole ``text`` (empty is a fact, not a fault) and, where known, ``(start, end, text)``.

    ``source`` is ``"given"`` or the name of the file, and ``encoding`` what that was read as.
    """

    text: str
    segments: tuple[tuple[float, float, str], ...] = ()
    source: str = "given"
    encoding: str = ""


Piece = Frames | Sound | Words
"""What a view hands over, in order of time. The views are ``frames``, ``faces``, ``audio`` and ``words``."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Track:
    """Values over time, and where they came from.

    ``values`` is ``(time, dim)``; ``rate`` in hertz, 0 for a single vector a clip. ``valid`` is ``(time,)`` bool:
    the rows that carry a measurement (a frame without a face does not). ``notes`` are facts per row, ``(time,)``.
    ``provenance`` says extractor, options, model, revision, versions and the source's fingerprint.

    >>> import numpy as np
    >>> track = Track(values=np.zeros((3, 2)), rate=5.0, valid=np.array([True, False, True]))
    >>> track.measured.shape
    (2, 2)
    """

    values: NDArray[np.floating[Any]]
    rate: float
    valid: NDArray[np.bool_]
    notes: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.values.ndim == 2, self.values.shape
        assert self.valid.shape == self.values.shape[:1], (self.valid.shape, self.values.shape)

    @property
    def measured(self) -> NDArray[np.floating[Any]]:
        """The rows that carry a measurement, ``(time, dim)``."""
        return self.values if self.valid.all() else self.values[self.valid]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scores:
    """Clip by target: ``values`` is ``(clip, target)`` float64, in the order of ``clips``.

    ``modalities`` says for each clip which modality was ``"used"`` and, of the others, why not; ``errors`` why a
    clip could not be read at all (its row is then the model's prior). ``intervals`` is ``(clip, target, 2)``: between
    which ends the label lies, nine times in ten; ``None`` where the model cannot tell.

    >>> import numpy as np
    >>> scores = Scores(clips=("a",), targets=("joy", "pride"), values=np.array([[0.2, 0.7]]))
    >>> dict(zip(scores.targets, scores.values[0].tolist(), strict=True))
    {'joy': 0.2, 'pride': 0.7}
    """

    clips: tuple[str, ...]
    targets: tuple[str, ...]
    values: NDArray[np.float64]
    modalities: tuple[Mapping[str, str], ...] = ()
    errors: tuple[str | None, ...] = ()
    intervals: NDArray[np.float64] | None = None


# ------------------------------------------------------------------------------------------- protocols


class Extraction(Protocol):
    """One clip on its way through an extractor. Holds state for one clip only, never its frames."""

    def add(self, piece: Any) -> None:
        """Take the next piece of the extractor's view."""

    def finish(self) -> Track:
        """Give the track; zero rows where the view held nothing that can be described."""


class Extractor(Protocol):
    """A view becomes a Track. Made once from its options, then used for any number of clips."""

    def begin(self) -> Extraction:
        """Start on a clip."""


# ---------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A line of a table: where the thing is (``"module:Name"``), what it is, and its default options.

    The target is a string, so that listing a table imports nothing.
    """

    target: str
    about: str
    options: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    extra: str | None = None

    def load(self) -> Any:
        """Import and give the target."""
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


E = TypeVar("E")


def find(table: Mapping[str, E], name: str, kind: str) -> E:
    """Give the table's entry; an unknown name raises ``UnknownName`` with the nearest ones."""
    if name not in table:
        raise UnknownName(kind, name, table)
    return table[name]

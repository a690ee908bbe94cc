"""What an extractor's line in the table says, and what the two halves of a pretrained one are.

A clip's view goes through a ``Preparation`` next to the decoder, piece by piece; it yields ``Inputs``: crops of the
right size, windows of sound, chunks of tokens. Inputs of many clips make a batch; the ``Model`` gives rows for each of
them; the rows of one clip, in order, are its track. Neither half knows of clips, files or processes, and no row may
depend on what else is in its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mimetic.records import Entry

if TYPE_CHECKING:
    from torch import Tensor, nn

PRECISIONS = ("fp32", "bf16", "fp16", "int8")
"""What a model computes in. Rows always come out as float32."""

IN_TORCH = PRECISIONS[:-1]
"""Those that torch itself computes in: of int8 its rows depend on what else is in their batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractorEntry(Entry):
    """An extractor: the view it takes, the modality it speaks for, and the shape of its track.

    ``rate`` is in hertz, 0 for one vector a clip. ``view_options`` say how the view itself is made (for faces:
    detector, size, align). ``revision`` pins the model, or counts our own changes of what is computed. ``choices``
    are the values that an option may have, where they are few. ``restricted`` tells that the licence asks for more
    than to be named, and so has to be accepted.
    """

    view: str
    modality: str
    dim: int
    rate: float
    view_options: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    model: str = "none"
    revision: str = "1"
    restricted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry(ExtractorEntry):
    """A pretrained extractor: ``target`` is a ``ModelExtractor`` of ``(folder, **options)``.

    ``classes`` tells that its rows are the model's hidden state and, after it, its scores for that many classes.
    """

    classes: int = 0
    revision: str = "main"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Inputs:
    """What a model takes of one clip in one go.

    Attributes
    ----------
    arrays
        by the name that the model's ``__call__`` knows them by; of this clip alone, without a batch axis that is
        shared with others (pictures are ``(time, height, width, 3)``, a window of sound ``(sample,)``, tokens
        ``(token,)``).
    cost
        what it adds to a batch, in the unit of the extractor's ``budget``: pictures, samples, tokens.
    group
        inputs share a batch with inputs of the same group only.
    valid
        ``(time,)`` bool: which rows of the track the model's rows are for, in order; the others are zero, and no
        measurement. ``None``: every row that comes out is one of the track.
    keep
        which of the rows that come out are the track's: ``(first, stop)``. What is left out was context.
    notes
        ``(time,)`` float32 each, of the rows that are kept, where they are known before the model has run.
    weight
        above 0: the model's one row is a part of the clip's only row, which is the mean by these weights.
    unit
        of parts: their mean is scaled to length 1. (The mean of unit vectors is not one.)
    """

    arrays: Mapping[str, NDArray[Any]]
    cost: int
    group: Hashable = None
    valid: NDArray[np.bool_] | None = None
    keep: tuple[int, int | None] = (0, None)
    notes: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    weight: float = 0.0
    unit: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """What a model makes of one ``Inputs``: ``values`` ``(time, dim)`` float32, and facts per row, ``(time,)`` each."""

    values: NDArray[np.float32]
    notes: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


class Preparation(Protocol):
    """One clip on its way to a model. It holds no more of the clip than its next inputs need."""

    def add(self, piece: Any) -> Iterable[Inputs]:
        """Take the next piece of the view; give what is ready."""

    def finish(self) -> Iterable[Inputs]:
        """Give the rest."""


class Model(Protocol):
    """A network with its weights, on a device."""

    def __call__(self, batch: Sequence[Inputs]) -> list[Rows]:
        """Give the rows of each of the inputs, which are of one group."""


class ConvertibleModel(Model, Protocol):
    """A model whose network is a function of tensors alone: another backend may compute it."""

    graph: Callable[..., tuple[Tensor, ...]]
    """The network: tensors in, float32 tensors out, the first of them with the rows. A ``torch`` module at first."""

    def feeds(self, batch: Sequence[Inputs]) -> Iterator[tuple[Tensor, ...]]:
        """Give what goes into the graph, call by call."""

    def examples(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Give what may go in, twice: the axes in which the two differ may be of any size."""


class TrainableModel(Model, Protocol):
    """A model whose network can go on learning: of the ``transformers`` families, but no ONNX file."""

    network: nn.Module
    """All that can learn."""

    def states(self, batch: Sequence[Inputs]) -> list[Tensor]:
        """Give the rows ``(time, dim)`` of each of the inputs on the network's device, gradients and all."""

    def save(self, folder: Path) -> None:
        """Write the network as it is now: ``config.json`` and ``model.safetensors``, as the family has them."""


class ModelExtractor(Protocol):
    """A pretrained extractor. Made from a checkpoint's folder and options; the weights are read by ``load`` alone."""

    budget: int
    """The cost that one batch may have; a single ``Inputs`` may have more."""

    def begin(self) -> Preparation:
        """Start on a clip."""

    def load(self, device: str) -> Model:
        """Read the weights and put the network on a device."""

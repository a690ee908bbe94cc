"""Pictures become what a vision model takes, as its checkpoint's ``preprocessor_config.json`` says.

In go pieces of ``frames`` or ``faces``; out come ``Inputs`` with uint8 pictures of the final size, which are a quarter
of the bytes of normalised ones; where the model is they are normalised. What comes out is, to the bit, what
``transformers``' image processors make with Pillow; it is done here since importing those imports torch, which decoders
can do without.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mimetic.images.preprocessing import IMAGENET, PROCESSORS, Preprocessing, read_preprocessing
from mimetic.models import Inputs, Rows
from mimetic.records import Frames

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "IMAGENET",
    "PROCESSORS",
    "PictureModel",
    "PicturePreparation",
    "Preprocessing",
    "read_preprocessing",
    "size_options",
]

Floats = NDArray[np.float32]


class PicturePreparation:
    """One clip on its way: every piece becomes inputs at once, of its valid pictures."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._preprocessing = preprocessing

    def add(self, piece: Frames) -> Iterator[Inputs]:
        """Give the piece's pictures, ``(time, height, width, 3)`` uint8; pictures of one size share batches."""
        size = self._preprocessing.shape(*piece.images.shape[1:3])
        pictures = np.empty((int(piece.valid.sum()), *size, 3), np.uint8)
        for picture, row in zip(pictures, np.flatnonzero(piece.valid), strict=True):
            picture[:] = self._preprocessing.apply(piece.images[row])
        yield Inputs(
            arrays={"pictures": pictures}, cost=len(pictures), group=size, valid=piece.valid, notes=piece.notes
        )

    def finish(self) -> Iterator[Inputs]:
        """Give nothing: nothing waits."""
        return iter(())


SIDES = (224, 224), (224, 448)
"""Of two pictures, to see whether they come out in one size."""

ON_CPU = 8
"""Pictures computed at once on a CPU: within 5 % of the cheapest, for all that was measured with one thread.

(ViT-base with patches of 32: 145 ms alone, 105 in eights, 105 in sixteens; ViT-small with patches of 8: 555, 577, 618.)
"""


class PictureModel:
    """A vision network: pictures of many clips in, each clip's rows out.

    Parameters
    ----------
    graph
        the network: ``(picture, 3, height, width)`` normalised in, ``(picture, dim)`` out, and what else it finds.
    dim
        its columns.
    device
        where it computes; on a CPU, fewer pictures at once.
    names
        of the facts of each picture that the graph gives as ``(picture, fact)``.
    """

    def __init__(
        self,
        graph: Callable[..., tuple[Tensor, ...]],
        preprocessing: Preprocessing,
        *,
        dim: int,
        device: str,
        precision: str = "fp32",
        names: Sequence[str] = (),
    ) -> None:
        self.graph = graph
        self._preprocessing, self._dim, self._names = preprocessing, dim, tuple(names)
        self._device, self._precision = device, precision
        self._at_once = ON_CPU if device.startswith("cpu") else None

    def __call__(self, batch: Sequence[Inputs]) -> list[Rows]:
        """Give the rows of each one's pictures."""
        import torch

        from mimetic.weights import computing

        with computing(torch.device(self._device), self._precision):
            found = [self.graph(*feed) for feed in self.feeds(batch)]
        values = self._joined([given[0] for given in found], self._dim)
        facts = self._joined([given[1] for given in found if self._names], len(self._names)).T
        ends = np.cumsum([len(inputs.arrays["pictures"]) for inputs in batch]).tolist()
        return [
            Rows(
                values=values[first:end],
                notes={name: fact[first:end].copy() for name, fact in zip(self._names, facts, strict=True)},
            )
            for first, end in zip([0, *ends], ends, strict=False)
        ]

    def _joined(self, parts: Sequence[Tensor], columns: int) -> Floats:
        return np.concatenate([np.zeros((0, columns), np.float32), *(part.float().cpu().numpy() for part in parts)])

    def feeds(self, batch: Sequence[Inputs]) -> Iterator[tuple[Tensor]]:
        """Give the pictures as the network sees them, a few at once on a CPU."""
        pictures = np.concatenate([inputs.arrays["pictures"] for inputs in batch])
        step = self._at_once or len(pictures)
        for first in range(0, len(pictures), step or 1):
            yield (self._preprocessing.tensor(pictures[first : first + step], self._device),)

    def examples(self) -> tuple[tuple[Tensor], tuple[Tensor]]:
        """Give two pictures, and three.

        Raises
        ------
        ValueError
            if pictures come in any size.
        """
        draw = np.random.default_rng(0)
        size = self._preprocessing.shape(*SIDES[0])
        if size != self._preprocessing.shape(*SIDES[1]):
            raise ValueError("its pictures come in any size")
        two, three = (draw.integers(0, 256, (count, *size, 3), np.uint8) for count in (2, 3))
        return (self._preprocessing.tensor(two, self._device),), (self._preprocessing.tensor(three, self._device),)


def size_options(network: Any) -> dict[str, bool]:
    """Tell a network of ``transformers`` to take pictures of any size; of its own size nothing changes.

    Positions are interpolated; networks that do so unasked (DINO's) have no such option.
    """
    told = "interpolate_pos_encoding" in inspect.signature(network.forward).parameters
    return {"interpolate_pos_encoding": True} if told else {}

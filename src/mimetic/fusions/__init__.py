"""Vectors become scores. To add a fusion: a file here, a line in the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mimetic.records import Entry

if TYPE_CHECKING:
    from torch import Tensor

FUSIONS: dict[str, Entry] = {
    "linear": Entry(
        target="mimetic.fusions.concat:Linear",
        about="one linear layer: the head of a single modality",
        options={"dropout": 0.45},
    ),
    "concat": Entry(
        target="mimetic.fusions.concat:Concat",
        about="the vectors side by side, then an MLP with one hidden layer of 384",
        options={"hidden": 384, "dropout": 0.45},
    ),
}


class Fusion(Protocol):
    """A module of ``(dims, targets, **options)``: ``dims`` are the columns of each modality's vector.

    It takes one ``(clip, dim)`` vector a modality, the learned token standing where a modality is missing, and gives
    ``(clip, target)``.
    """

    def __call__(self, vectors: Sequence[Tensor]) -> Tensor:
        """Fuse."""

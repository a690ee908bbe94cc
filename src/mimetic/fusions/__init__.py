"""Vectors become scores. To add a fusion: a file here, a line in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mimetic.records import Entry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class FusionEntry(Entry):
    """A fusion of ``(dims, targets, **options)``, and what it ``takes`` of each modality: ``vectors``, or ``scores``.

    The scores are those of the modality's own head, as stage one trained it.
    """

    takes: str = "vectors"


FUSIONS: dict[str, FusionEntry] = {
    "linear": FusionEntry(
        target="mimetic.fusions.concat:Linear",
        about="one linear layer: the head of a single modality",
        options={"dropout": 0.45},
    ),
    "sigmoid": FusionEntry(
        target="mimetic.fusions.concat:Sigmoid",
        about="one linear layer, its scores squeezed into 0 to 1",
        options={"dropout": 0.0},
    ),
    "concat": FusionEntry(
        target="mimetic.fusions.concat:Concat",
        about="the vectors side by side, then an MLP with one hidden layer of 384",
        options={"hidden": 384, "dropout": 0.45},
    ),
    "plain": FusionEntry(
        target="mimetic.fusions.concat:Plain",
        about="the vectors side by side, then an MLP with one hidden layer, and no norm",
        options={"hidden": 512, "input_dropout": 0.0, "dropout": 0.1},
    ),
    "tanh": FusionEntry(
        target="mimetic.fusions.concat:Tanh",
        about="the vectors side by side, then an MLP with one hidden layer of tanh: the winner's of 2025",
        options={"hidden": 1027},
    ),
    "weights": FusionEntry(
        target="mimetic.fusions.late:Weights",
        about="a weighted mean of the modalities' scores, with weights of its own for each target",
        takes="scores",
    ),
    "mean": FusionEntry(
        target="mimetic.fusions.late:Mean",
        about="the mean of the modalities' scores",
        takes="scores",
    ),
    "gate": FusionEntry(
        target="mimetic.fusions.late:Gate",
        about="as weights, but of each clip its own: from its scores, its length and what is missing",
        options={"hidden": 32},
        takes="scores",
    ),
    "quality": FusionEntry(
        target="mimetic.fusions.quality:Quality",
        about="a sum of what each modality says, gated by presence, length and the detector's confidence",
        options={"hidden": 32, "dropout": 0.1},
    ),
    "tokens": FusionEntry(
        target="mimetic.fusions.tokens:Tokens",
        about="a small transformer over the modalities, a token each",
        options={"width": 64, "layers": 2, "heads": 4, "dropout": 0.1},
    ),
}


class Fusion(Protocol):
    """A module of ``(dims, targets, **options)``: ``dims`` are the columns of each modality's vector.

    It takes one ``(clip, dim)`` vector a modality, the learned token standing where a modality is missing, and the
    ``(clip, modality)`` lengths of their tracks, 0 where missing; it gives ``(clip, target)``.
    """

    def __call__(self, vectors: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """Fuse."""


@runtime_checkable
class Judging(Protocol):
    """A fusion that is also told how sure detectors were, ``(clip, modality)``: 1 where none tells, 0 if missing."""

    judges: bool

    def __call__(self, vectors: Sequence[Tensor], lengths: Tensor, confidence: Tensor) -> Tensor:
        """Fuse."""

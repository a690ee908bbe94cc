"""A Track becomes a vector. To add an encoder: a file here, a line in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mimetic.records import Entry

if TYPE_CHECKING:
    from torch import Tensor

ENCODERS: dict[str, Entry] = {
    "mlp": Entry(
        target="mimetic.encoders.pooled:Mean",
        about="mean over time, then a layer of 384",
        options={"hidden": 384, "dropout": 0.45},
    ),
    "meanstd": Entry(
        target="mimetic.encoders.pooled:MeanStd",
        about="mean and deviation over time, then a layer of 384",
        options={"hidden": 384, "dropout": 0.45},
    ),
    "attention": Entry(
        target="mimetic.encoders.pooled:Attention",
        about="attention over time with one linear scorer, then a layer of 384",
        options={"hidden": 384, "dropout": 0.45},
    ),
    "gru": Entry(
        target="mimetic.encoders.recurrent:GRU",
        about="the last state of a GRU",
        options={"hidden": 128, "layers": 1},
    ),
    "lstm": Entry(
        target="mimetic.encoders.recurrent:LSTM",
        about="the last state of an LSTM",
        options={"hidden": 128, "layers": 1},
    ),
}


class Encoder(Protocol):
    """A module of ``(dim, **options)`` whose output has ``out_dim`` columns.

    ``values`` is ``(clip, time, dim)``, ``lengths`` ``(clip,)``: the first so many rows of each clip are its own, at
    least one, and the rest is padding that changes nothing. The result is ``(clip, out_dim)``.
    """

    out_dim: int

    def __call__(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode."""

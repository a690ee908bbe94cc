"""A Track becomes a vector. To add an encoder: a file here, a line in the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mimetic.records import Entry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderEntry(Entry):
    """An encoder of ``(dim, **options)``.

    One that is ``queried`` takes what another modality's vector asks of it, one that ``weighs`` how well each row was
    measured.
    """

    queried: bool = False
    weighs: bool = False


ENCODERS: dict[str, EncoderEntry] = {
    "mean": EncoderEntry(target="mimetic.encoders.pooled:Mean", about="mean over time as it is: nothing is learned"),
    "statistics": EncoderEntry(
        target="mimetic.encoders.pooled:Statistics",
        about="mean, deviation, minimum and maximum over time as they are: nothing is learned",
    ),
    "mlp": EncoderEntry(
        target="mimetic.encoders.pooled:ProjectedMean",
        about="mean over time, then a layer of 384",
        options={"hidden": 384, "dropout": 0.45, "gain": 1.0},
    ),
    "meanstd": EncoderEntry(
        target="mimetic.encoders.pooled:ProjectedMeanStd",
        about="mean and deviation over time, then a layer of 384",
        options={"hidden": 384, "dropout": 0.45, "gain": 1.0},
    ),
    "attention": EncoderEntry(
        target="mimetic.encoders.pooled:Attention",
        about="attention over time with one linear scorer, then a layer of 384",
        options={"hidden": 384, "dropout": 0.45, "gain": 1.0},
    ),
    "gru": EncoderEntry(
        target="mimetic.encoders.recurrent:GRU",
        about="the last state of a GRU",
        options={"hidden": 128, "layers": 1},
    ),
    "lstm": EncoderEntry(
        target="mimetic.encoders.recurrent:LSTM",
        about="the last state of an LSTM",
        options={"hidden": 128, "layers": 1},
    ),
    "bilstm": EncoderEntry(
        target="mimetic.encoders.recurrent:BiLSTM",
        about="an LSTM in both directions, then attention over its states",
        options={"hidden": 128, "layers": 3, "dropout": 0.45},
    ),
    "gated": EncoderEntry(
        target="mimetic.encoders.recurrent:GatedBiLSTM",
        about="an LSTM in both directions, a gate on each of its states, then attention over them",
        options={"hidden": 128, "layers": 1, "dropout": 0.3},
    ),
    "tcn": EncoderEntry(
        target="mimetic.encoders.convolutional:TCN",
        about="dilated convolutions, then attention's mean and deviation: the re-study's",
        options={"hidden": 192, "blocks": 6, "dropout": 0.3},
    ),
    "transformer": EncoderEntry(
        target="mimetic.encoders.transformer:Transformer",
        about="a small transformer over time, then the mean",
        options={"hidden": 128, "layers": 2, "heads": 4, "dropout": 0.1},
    ),
    "focus": EncoderEntry(
        target="mimetic.encoders.attentive:Focus",
        about="the mean under attention as it is: nothing but where to look is learned",
        options={"temperature": 1.0, "dropout": 0.0},
    ),
    "attentive": EncoderEntry(
        target="mimetic.encoders.attentive:Attentive",
        about="mean and deviation under attention, then a layer of 384",
        options={"hidden": 384, "heads": 1, "scored": 128, "temperature": 1.0, "dropout": 0.45},
    ),
    "attentive-quality": EncoderEntry(
        target="mimetic.encoders.attentive:QualityAttentive",
        about="as attentive, but attention leans on how well each frame was measured",
        options={"hidden": 384, "heads": 1, "scored": 128, "temperature": 1.0, "dropout": 0.45},
        weighs=True,
    ),
    "queried": EncoderEntry(
        target="mimetic.encoders.queried:Queried",
        about="attention over time, asked by the first modality's vector: the winner's of 2026",
        options={"hidden": 512, "heads": 4, "dropout": 0.1},
        queried=True,
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


class QueriedEncoder(Protocol):
    """An encoder of ``(dim, query_dim, **options)``: ``query`` is ``(clip, query_dim)``, another modality's vectors."""

    out_dim: int

    def __call__(self, values: Tensor, lengths: Tensor, query: Tensor) -> Tensor:
        """Encode what the query asks for."""


class WeighingEncoder(Protocol):
    """An encoder that also takes ``quality`` ``(clip, time)``: 0 to 1, and 1 where the track does not say."""

    out_dim: int

    def __call__(self, values: Tensor, lengths: Tensor, quality: Tensor) -> Tensor:
        """Encode, leaning on what was measured well."""


@runtime_checkable
class PoolingEncoder(Protocol):
    """An encoder that begins with what learns nothing: it reads what it pools, which has to be done only once."""

    out_dim: int

    def pool(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Pool ``(clip, time, dim)`` to ``(clip, width)``, as the first half of encoding it."""

    def read(self, pooled: Tensor) -> Tensor:
        """Encode what was pooled."""

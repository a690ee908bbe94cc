"""A speech checkpoint's folder becomes a network; windows of sound go in, rows come out, the same in any company.

Padding leaks where a layer mixes neighbours in time. ``wav2vec2-base`` and its like normalise the first convolution's
output over time, padding included, and were trained without a mask; data2vec's positions are five convolutions deep,
of which only the first sees zeros behind a shorter clip. So all convolutions run a clip at a time, and what is padded
is the transformer's input alone: its attention is masked, and all else in it is done row by row.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mimetic.models import Inputs, Rows
from mimetic.records import SAMPLE_RATE, UsageError
from mimetic.weights import DTYPES, REMEDY, open_config, open_network

PADDING = 0.25
"""The share of padding up to which windows share a batch.

On a CPU none do: of four clips of 7 s that go through the transformer together, each costs what it costs alone (5 %
less in wav2vec2-base, the same in a large one), and padding comes on top.
"""

HEAD = ("classifier.dense.weight", "classifier.dense.bias", "classifier.out_proj.weight", "classifier.out_proj.bias")
"""The regression head of audEERING's models."""

OWN_HEAD = "head"
"""The name of the head within the network."""


def open_speech(folder: Path, *, precision: str, layers: tuple[int, ...], heads: bool, device: str) -> SpeechModel:
    """Read a checkpoint.

    Parameters
    ----------
    layers
        of ``hidden_states``, to be averaged; none stands for the output. Layers behind the last of them are not read,
        unless there is a head, which needs the output.

    Raises
    ------
    UsageError
        if weights are missing or cannot be read, or ``heads`` are asked for and there are none.
    """
    try:
        weights = _read_head(folder)
    except (OSError, EOFError, ValueError, RuntimeError, UnpicklingError, SafetensorError) as error:
        reason = str(error).splitlines()[0].rstrip(".:")
        raise UsageError(f"{folder} cannot be read as a speech model ({reason})", remedy=REMEDY) from None
    network = _read(folder, None if weights or not layers else max(1, *layers))
    if heads and not weights:
        raise UsageError(f"{folder} has no regression head", remedy="Leave out +heads=true.")
    head = RegressionHead(weights, list(network.config.id2label.values())).to(device) if weights else None
    padding = 0.0 if torch.device(device).type == "cpu" else PADDING
    return SpeechModel(network.to(device), DTYPES[precision], layers=layers, head=head, heads=heads, padding=padding)


def _read(folder: Path, num_layers: int | None) -> Any:
    """Read the network without its head; of its layers only the first ``num_layers``, if told."""
    from transformers import AutoModel

    config = open_config(folder)
    if num_layers is not None:
        config.num_hidden_layers = num_layers
    return open_network(AutoModel, folder, config=config)[0]


def _read_head(folder: Path) -> dict[str, Tensor]:
    """Give the weights of the regression head; none where the checkpoint has no such head."""
    found: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            found |= {name: opened.get_tensor(name) for name in HEAD if name in opened.keys()}  # noqa: SIM118
    if not any(folder.glob("*.safetensors")) and (file := folder / "pytorch_model.bin").is_file():
        stored = torch.load(file, map_location="cpu", weights_only=True)
        found = {name: stored[name] for name in HEAD if name in stored}
    return found if len(found) == len(HEAD) else {}


class SpeechModel:
    """A speech network on its device.

    Parameters
    ----------
    network
        of one of the four families, in float32; its convolutions are replaced by such as take a clip at a time.
    dtype
        what all but the convolutions over samples is brought to. Those stay in float32: in bf16, which leaves sound
        8 bits, the cosine of tiny checkpoints' rows with the exact ones falls to 0.998; so it stays above 0.9998.
    layers
        of ``hidden_states``, to be averaged; none stands for the output.
    head
        gives the notes; with ``heads`` columns too.
    padding
        the share of padding up to which windows share a batch; 0: none do.
    """

    def __init__(
        self,
        network: Any,
        dtype: torch.dtype,
        *,
        layers: tuple[int, ...],
        head: RegressionHead | None,
        heads: bool,
        padding: float,
    ) -> None:
        self._layers, self._head, self._heads, self._padding = layers, head, heads, padding
        self._front = Front(network.feature_extractor, dtype)
        network.feature_extractor = None
        self.network = network.to(dtype)
        alone = Alone(network, self._front, head, layers=layers, heads=heads).eval()
        self.graph: Callable[..., tuple[Tensor, ...]] = alone
        self._device = network.device
        network.feature_extractor = self._front
        network.encoder.pos_conv_embed = Positions(network.encoder.pos_conv_embed, self._front)
        network.add_module(OWN_HEAD, head)  # it learns with the rest, where anything learns

    def __call__(self, batch: Sequence[Inputs]) -> list[Rows]:
        """Give the rows of every window, ``(time, dim)``, 50 a second."""
        with torch.inference_mode():
            if self._padding:
                return [self._told(values, scores) for values, scores in self._each(batch)]
            found = (self.graph(*feed) for feed in self.feeds(batch))
            return [self._told(given[0][0], given[1][0] if len(given) > 1 else None) for given in found]

    def feeds(self, batch: Sequence[Inputs]) -> Iterator[tuple[Tensor]]:
        """Give the windows one by one."""
        for inputs in batch:
            yield (torch.from_numpy(inputs.arrays["samples"])[None].to(self._device),)

    def examples(self) -> tuple[tuple[Tensor], tuple[Tensor]]:
        """Give a second of noise, and a longer one."""
        draw = torch.Generator().manual_seed(0)
        return (torch.randn(1, SAMPLE_RATE, generator=draw),), (torch.randn(1, 20_011, generator=draw),)

    def _told(self, values: Tensor, scores: Tensor | None) -> Rows:
        named = () if self._head is None or scores is None else zip(self._head.names, scores.T, strict=True)
        return Rows(values=values.cpu().numpy(), notes={name: note.contiguous().cpu().numpy() for name, note in named})

    def states(self, batch: Sequence[Inputs]) -> list[Tensor]:
        """Give the rows of every window, ``(time, dim)``, with gradients."""
        return [values for values, _ in self._each(batch)]

    def save(self, folder: Path) -> None:
        """Write the network, with the names that the family gives its weights; and the head, as it came."""
        state = self.network.state_dict().items()
        weights = {_own_name(name): weight.contiguous() for name, weight in state if not name.startswith(OWN_HEAD)}
        head = {} if self._head is None else self._head.named_weights
        self.network.config.save_pretrained(folder)
        save_file({**weights, **head}, folder / "model.safetensors", {"format": "pt"})

    def _each(self, batch: Sequence[Inputs]) -> list[tuple[Tensor, Tensor | None]]:
        """Give the rows of every window and, if there is a head, its scores of them."""
        sounds = [torch.from_numpy(inputs.arrays["samples"]).to(self._device) for inputs in batch]
        found: dict[int, tuple[Tensor, Tensor | None]] = {}
        for run in runs([len(sound) for sound in sounds], self._padding):
            found |= zip(run, self._rows([sounds[i] for i in run]), strict=True)
        return [found[i] for i in range(len(batch))]

    def _rows(self, sounds: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor | None]]:
        values, *more = said(self._given(sounds), self._layers, self._head, self._heads)
        for i, length in enumerate(self._front.lengths):
            yield values[i, :length], more[0][i, :length] if more else None

    def _given(self, sounds: Sequence[Tensor]) -> Any:
        mask = pad_sequence([torch.ones_like(sound, dtype=torch.long) for sound in sounds], batch_first=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")  # WavLM's, of itself
            return self.network(
                sounds,  # not padded: `Front` takes them one by one
                attention_mask=mask if len(sounds) > 1 else None,
                output_hidden_states=bool(self._layers),
            )


def _own_name(name: str) -> str:
    """Give a weight's name in the family, without what was put around its convolutions."""
    return name.replace("feature_extractor.convolutions.", "feature_extractor.").replace(
        "pos_conv_embed._convolutions.", "pos_conv_embed."
    )


class Front(nn.Module):
    """The convolutions over samples, a clip at a time; ``lengths`` are the rows of each clip that went through last."""

    def __init__(self, convolutions: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.lengths: list[int] = []
        self.convolutions, self.dtype = convolutions, dtype

    def forward(self, sounds: Sequence[Tensor]) -> Tensor:
        """Bring ``(sample,)`` each to ``(clip, channel, time)``, with zeros behind the shorter ones."""
        rows = [self.convolutions(sound[None])[0].mT for sound in sounds]
        self.lengths = [len(row) for row in rows]
        return pad_sequence(rows, batch_first=True).mT.to(self.dtype)


class Positions(nn.Module):
    """The convolutions that tell the transformer what stands near, a clip at a time."""

    def __init__(self, convolutions: nn.Module, front: Front) -> None:
        super().__init__()
        self._convolutions = convolutions
        self._lengths: Callable[[], list[int]] = lambda: front.lengths  # the front itself is no part of this

    def forward(self, states: Tensor) -> Tensor:
        """Give ``(clip, time, dim)`` to be added to such."""
        clips = zip(states, self._lengths(), strict=True)
        return pad_sequence([self._convolutions(clip[None, :length])[0] for clip, length in clips], batch_first=True)


class Alone(nn.Module):
    """The network for one window at a time, as ``transformers`` has it: its own convolutions, and no mask."""

    def __init__(
        self, network: Any, front: Front, head: RegressionHead | None, *, layers: tuple[int, ...], heads: bool
    ) -> None:
        super().__init__()
        self._layers, self._heads, self.head = layers, heads, head
        self.network = _shallow(network)
        self.network.feature_extractor = _Same(front)
        self.network.encoder = _shallow(network.encoder)

    def forward(self, sound: Tensor) -> tuple[Tensor, ...]:
        """Give ``(1, time, dim)`` of ``(1, sample)`` and, where there is a head, ``(1, time, score)``."""
        return said(self.network(sound, output_hidden_states=bool(self._layers)), self._layers, self.head, self._heads)


class _Same(nn.Module):
    """The front's convolutions for whole windows."""

    def __init__(self, front: Front) -> None:
        super().__init__()
        self._convolutions, self._dtype = front.convolutions, front.dtype

    def forward(self, sound: Tensor) -> Tensor:
        rows: Tensor = self._convolutions(sound).to(self._dtype)
        return rows


def _shallow(module: Any) -> Any:
    """Give a module with the same weights, whose parts can be replaced apart from the other's."""
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other


def said(
    given: Any, layers: Sequence[int], head: RegressionHead | None, heads: bool
) -> tuple[Tensor, Tensor] | tuple[Tensor]:
    """Give rows ``(window, time, dim)`` of the layers asked for; where there is a head, its scores of the output."""
    last = given.last_hidden_state.float()
    chosen = [given.hidden_states[layer].float() for layer in layers]
    values = torch.stack(chosen).mean(dim=0) if chosen else last
    if head is None:
        return (values,)
    scores = head(last)
    return torch.cat([values, scores], dim=2) if heads else values, scores


class RegressionHead(nn.Module):
    """A dense layer, tanh, and a score for each of ``names``; in float32, whatever the network computes in."""

    def __init__(self, weights: Mapping[str, Tensor], names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self._weights = nn.ParameterList([weights[name].float() for name in HEAD])

    @property
    def named_weights(self) -> dict[str, Tensor]:
        """Its weights by the names that a checkpoint has them by."""
        return {name: weight.detach() for name, weight in zip(HEAD, self._weights, strict=True)}

    def forward(self, states: Tensor) -> Tensor:
        """Bring ``(window, time, dim)`` to ``(window, time, score)``."""
        dense, dense_bias, out, out_bias = self._weights
        return F.linear(F.linear(states, dense, dense_bias).tanh(), out, out_bias)


def runs(lengths: Sequence[int], padding: float) -> list[list[int]]:
    """Sort what is similarly long together: numbers of windows, in runs of which each has less padding than this share.

    >>> runs([100, 30, 95, 29], 0.25)
    [[0, 2], [1, 3]]
    """
    found: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not found or lengths[i] <= (1 - padding) * lengths[found[-1][0]]:
            found.append([])
        found[-1].append(i)
    return found

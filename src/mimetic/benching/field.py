"""The field's usual ways, written out by us: padded tensors, packed sequences, a file opened for each clip.

The network is ours with our weights, so that both ways say the same of a clip; only how clips become batches differs,
and that recurrent encoders read packed sequences. Sources: MuSe 2022's baseline pads all clips to the longest and
packs; MultiBench pads to the longest of a random batch; the challenge's entries open a file a clip in each epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mimetic.batches import Batch, Bucket
from mimetic.benching.cases import CASES
from mimetic.benching.clips import SHARE, Made
from mimetic.benching.measuring import Cost
from mimetic.benching.ours import CPU, Frames, judged, trainer_of
from mimetic.branches import Branch
from mimetic.devices import one_thread
from mimetic.encoders.recurrent import GRU, LSTM, BiLSTM
from mimetic.features import feature
from mimetic.network import Network
from mimetic.recipes import Recipe
from mimetic.training.material import Material, Shelf
from mimetic.training.objective import Objective

Clips = NDArray[np.intp]
Padded = tuple[Tensor, Tensor]
"""Clips of one feature, ``(clip, time, dim)``, and their lengths."""


class PackedLast(nn.Module):
    """The last state of a recurrent network that reads packed sequences."""

    def __init__(self, encoder: GRU | LSTM) -> None:
        super().__init__()
        self.out_dim, self.net = encoder.out_dim, encoder.net

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, hidden)``."""
        states = _packed(self.net, values, lengths)
        return states[torch.arange(len(states)), lengths - 1]


class PackedBothWays(nn.Module):
    """A bidirectional LSTM on packed sequences, then attention over its states."""

    def __init__(self, encoder: BiLSTM) -> None:
        super().__init__()
        self.out_dim, self.score = encoder.out_dim, encoder.score
        first = encoder.forwards[0]
        assert isinstance(first, nn.LSTM)
        self.net = nn.LSTM(
            first.input_size,
            first.hidden_size,
            len(encoder.forwards),
            batch_first=True,
            bidirectional=True,
            dropout=encoder.dropout.p,
        )
        for ways, suffix in ((encoder.forwards, ""), (encoder.backwards, "_reverse")):
            for layer, own in enumerate(ways):
                for name, weight in own.named_parameters():
                    getattr(self.net, f"{name[:-1]}{layer}{suffix}").data.copy_(weight.data)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(clip, time, dim)`` as ``(clip, 2 * hidden)``."""
        states = _packed(self.net, values, lengths)
        own = torch.arange(states.shape[1]) < lengths[:, None]
        weights = self.score(states).masked_fill(~own[..., None], -torch.inf).softmax(dim=1)
        return torch.as_tensor((weights * states).sum(dim=1))


def _packed(net: nn.GRU | nn.LSTM, values: Tensor, lengths: Tensor) -> Tensor:
    read = net(pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False))[0]
    states: Tensor = pad_packed_sequence(read, batch_first=True)[0]
    return states


def with_packed(network: Network) -> Network:
    """Put packed sequences in the place of our recurrent encoders, with their weights."""
    for branch in network.branches:
        assert isinstance(branch, Branch)
        if isinstance(branch.encoder, GRU | LSTM):
            branch.encoder = PackedLast(branch.encoder)
        elif isinstance(branch.encoder, BiLSTM):
            branch.encoder = PackedBothWays(branch.encoder)
    return network


# --------------------------------------------------------------------------------------------- batches


class ToTheMaximum:
    """Every clip is padded to the longest of all before training begins."""

    def __init__(self, made: Made, key: str, clips: Clips) -> None:
        tracks = [torch.from_numpy(made.rows(key, clip)) for clip in clips.tolist()]
        longest = max(feature_rows(made, key))
        self._lengths = torch.tensor([len(track) for track in tracks])
        self._place = {clip: place for place, clip in enumerate(clips.tolist())}
        self._values = torch.zeros(len(tracks), longest, tracks[0].shape[1])
        for place, track in enumerate(tracks):
            self._values[place, : len(track)] = track

    def __call__(self, clips: Clips) -> Padded:
        """Give some clips."""
        places = torch.tensor([self._place[clip] for clip in clips.tolist()])
        return self._values[places], self._lengths[places]


class ToTheLongest:
    """Clips lie in memory; a batch is padded to its longest."""

    def __init__(self, made: Made, key: str, clips: Clips) -> None:
        self._tracks = {clip: torch.from_numpy(made.rows(key, clip)) for clip in clips.tolist()}

    def __call__(self, clips: Clips) -> Padded:
        """Give some clips."""
        return _padded([self._tracks[clip] for clip in clips.tolist()])


class AFileAClip:
    """Each clip's file is opened anew in each epoch; a batch is padded to its longest."""

    def __init__(self, made: Made, key: str, clips: Clips) -> None:
        del clips
        self._made, self._key = made, key

    def __call__(self, clips: Clips) -> Padded:
        """Give some clips."""
        return _padded([torch.from_numpy(self._made.rows(self._key, clip)) for clip in clips.tolist()])


def _padded(tracks: Sequence[Tensor]) -> Padded:
    padded = nn.utils.rnn.pad_sequence(list(tracks), batch_first=True)
    return padded, torch.tensor([len(track) for track in tracks])


def feature_rows(made: Made, key: str) -> NDArray[np.int64]:
    """Give how many rows of a feature each made clip has."""
    return -(-made.lengths // SHARE[key])


Way = Callable[[Made, str, Clips], Callable[[Clips], Padded]]

WAYS: Mapping[str, Way] = {
    "padded to the maximum": ToTheMaximum,
    "padded to the longest of a batch": ToTheLongest,
    "a file opened a clip": AFileAClip,
}


# -------------------------------------------------------------------------------------------- training


def train_theirs(made: Made, case: str, way: str, part: int) -> Cost:
    """Train a case the field's way for one epoch, on a ``part`` of the training clips, as many short ones as long."""
    recipe, cost = CASES[case], Cost()
    with one_thread():
        material = Shelf(made.dataset, made.store).material(recipe)
        network = with_packed(trainer_of(recipe, material).network)
        clips = thinned(material, part)
        compared = judged(material)
        with cost.measured("load"):
            read = _readers(made, recipe, WAYS[way], np.union1d(clips, compared))
        with torch.inference_mode():
            scores = network.eval()(_batch(read, compared))
        frames = Frames(network)
        with cost.measured("epoch"):
            _epoch(network, recipe, material, read, clips)
    share = len(material.split.train) / len(clips)
    cost.cpu["epoch"] *= share
    cost.wall["epoch"] *= share
    cost.facts = {
        "scores": scores.double().tolist(),
        "share": 1 / share,
        "computed": frames.computed / frames.needed,
    }
    return cost


def thinned(material: Material, part: int) -> Clips:
    """Choose a part of the training clips with the same mixture of lengths."""
    train = material.split.train
    lengths = np.max([tracks.lengths[train] for tracks in material.parts], axis=0)
    order = train[np.argsort(lengths, kind="stable")]
    count = min(part, len(order))
    some: Clips = order[((np.arange(count) + 0.5) * len(order) / count).astype(np.intp)]
    return some


def _readers(made: Made, recipe: Recipe, way: Way, clips: Clips) -> list[Callable[[Clips], Padded]]:
    return [way(made, feature(part.feature).key, clips) for part in recipe.parts]


def _batch(read: Sequence[Callable[[Clips], Padded]], clips: Clips) -> Batch:
    padded = [of(clips) for of in read]
    rows = torch.arange(len(clips))
    buckets = tuple((Bucket(rows=rows, values=values, lengths=lengths),) for values, lengths in padded)
    return Batch(buckets=buckets, lengths=torch.stack([lengths for _, lengths in padded], dim=1))


def _epoch(
    network: Network, recipe: Recipe, material: Material, read: Sequence[Callable[[Clips], Padded]], clips: Clips
) -> None:
    """Go through the clips once in random steps."""
    fit = recipe.fit
    objective = Objective(recipe, material.dataset.labels, material.split.train, CPU)
    optimiser = torch.optim.AdamW(network.parameters(), lr=fit.rate, weight_decay=fit.decay)
    order = np.random.default_rng(0).permutation(clips)
    network.train()
    for start in range(0, len(order), fit.clips):
        some = order[start : start + fit.clips]
        batch = _batch(read, some)
        loss = objective(some, network.outputs(batch), batch.lengths > 0)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), fit.max_norm)
        optimiser.step()

"""MMSA's own training loop on made clips, where somebody has installed MMSA: beside ours on the same clips.

Its networks are not ours, and give one number: what is compared is what an epoch over the same features costs. Clips
are padded as its format wants them, to the mean length and three deviations; longer ones lose their end.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mimetic.benching.cases import CASES
from mimetic.benching.clips import Made
from mimetic.benching.field import thinned
from mimetic.benching.measuring import Cost
from mimetic.devices import one_thread
from mimetic.records import UsageError
from mimetic.training.material import Shelf

CLIPS = 16
"""Clips in a step, as in the fusions that stand beside it."""

NETWORK: Mapping[str, Any] = {
    **{"model_name": "ef_lstm", "train_mode": "regression", "dataset_name": "mosi", "KeyEval": "Loss"},
    **{"hidden_dims": 64, "num_layers": 2, "dropout": 0.3, "learning_rate": 1e-3, "weight_decay": 0.0},
    **{"need_model_aligned": True, "need_data_aligned": False, "early_stop": 0, "device": "cpu", "cur_seed": 1},
}
"""Its early fusion with an LSTM; with no patience it ends after one epoch."""


def check_installed() -> None:
    """Make sure that MMSA can be imported.

    Raises
    ------
    UsageError
        if it is not installed.
    """
    if find_spec("MMSA") is None:
        remedy = "pip install --no-deps MMSA easydict nvidia-ml-py3, in an environment that you can throw away."
        raise UsageError("--mmsa needs MMSA, which is not installed", remedy=remedy)


def train_mmsa(made: Made, case: str, part: int) -> Cost:
    """Train MMSA's early fusion for one epoch on a part of the training clips of a case; the time is scaled up."""
    os.environ["TQDM_DISABLE"] = "1"  # its bars would stand between ours
    trains, models = import_module("MMSA.trains"), import_module("MMSA.models")
    arguments = import_module("easydict").EasyDict(NETWORK)
    cost = Cost()
    material = Shelf(made.dataset, made.store).material(CASES[case])
    clips = thinned(material, part).tolist()
    text, audio, vision = material.parts[:3]
    with one_thread():
        with cost.measured("load"):
            padded = [_padded(feature, clips) for feature in (text, audio, vision)]
        rows = [
            {"text": t, "audio": a, "vision": v, "labels": {"M": torch.tensor([float(material.labels[clip].mean())])}}
            for clip, t, a, v in zip(clips, *padded, strict=True)
        ]
        arguments.feature_dims = [of.shape[2] for of in padded]
        arguments.seq_lens = [of.shape[1] for of in padded]
        arguments.model_save_path = str(made.root / f"mmsa-{os.getpid()}.pth")
        model = models.AMIO(arguments)
        loaders: dict[str, Any] = {"train": DataLoader(rows, CLIPS, shuffle=True), "valid": DataLoader(rows[:2], 2)}  # type: ignore[arg-type]
        with cost.measured("epoch"):
            trains.ATIO().getTrain(arguments).do_train(model, loaders)
    share = len(material.split.train) / len(clips)
    cost.cpu["epoch"] *= share
    cost.wall["epoch"] *= share
    frames = sum(of.shape[0] * of.shape[1] for of in padded)
    cost.facts = {"computed": frames / sum(int(of.lengths[clips].sum()) for of in (text, audio, vision))}
    return cost


def _padded(feature: Any, clips: list[int]) -> Tensor:
    """Pad a feature's clips to their mean length and three deviations; longer ones are cut."""
    lengths = feature.lengths[clips]
    time = max(1, round(float(lengths.mean() + 3 * lengths.std())))
    padded = np.zeros((len(clips), time, feature.dim), np.float32)
    for place, clip in enumerate(clips):
        rows = feature.values[clip][:time]
        padded[place, : len(rows)] = rows
    return torch.from_numpy(padded)

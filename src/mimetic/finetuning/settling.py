"""How a training begins: networks and a ``Tuning`` in; what they do of themselves is then what that says.

Speech models leave out layers (LayerDrop) and mask time and columns (SpecAugment, Park et al. 2019) as soon as they are
in training mode, by whatever their checkpoint's configuration says. Here only the tuning says so. And a head that has
to find the targets' mean first would send gradients of no use into the encoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mimetic.finetuning.settings import Tuning
from mimetic.fusions.concat import SideBySide


def settle(network: nn.Module, tuning: Tuning) -> None:
    """Make a network do what the tuning says, and nothing else."""
    config: Any = network.config
    if hasattr(config, "layerdrop"):
        config.layerdrop = tuning.layer_drop
    if hasattr(config, "mask_time_prob"):
        _settle_masks(network, tuning)
    if tuning.recompute:
        told: Any = network
        enable = getattr(told, "activation_checkpointing_enable", None) or told.gradient_checkpointing_enable
        enable({"use_reentrant": False})


def _settle_masks(network: Any, tuning: Tuning) -> None:
    """Set the shares that are masked; no span has to be, and a window that is shorter than one has none."""
    config = network.config
    config.mask_time_prob, config.mask_feature_prob = tuning.time_mask, tuning.feature_mask
    config.mask_time_min_masks = config.mask_feature_min_masks = 0
    config.apply_spec_augment = masks = tuning.time_mask > 0 or tuning.feature_mask > 0
    if not masks:
        return
    if not hasattr(network, "masked_spec_embed"):  # a checkpoint that never masked has no vector to do it with
        network.masked_spec_embed = nn.Parameter(torch.zeros(config.hidden_size, device=network.device))

    def look(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        config.apply_spec_augment = given[0].shape[1] >= config.mask_time_length  # transformers raises otherwise

    network.feature_projection.register_forward_pre_hook(look)


def start_at(fusion: nn.Module, labels: NDArray[np.float64]) -> None:
    """Let a fusion whose last layer is linear begin at the targets' mean, with scores as wide as they are.

    Parameters
    ----------
    labels
        ``(clip, target)`` of the clips that are learned from, NaN where nobody said.
    """
    last = fusion.net[-1] if isinstance(fusion, SideBySide) else None
    if not isinstance(last, nn.Linear):
        return
    mean, deviation = (torch.from_numpy(of(labels, axis=0)).to(last.bias) for of in (np.nanmean, np.nanstd))
    with torch.no_grad():
        last.weight.mul_(torch.where(deviation > 0, deviation, 1.0)[:, None])
        last.bias.copy_(mean)

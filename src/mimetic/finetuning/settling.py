"""What a pretrained network does of itself while it learns: a network and a ``Tuning`` in; it does what that says.

Speech models leave out layers (LayerDrop) and mask time and columns (SpecAugment, Park et al. 2019) as soon as they are
in training mode, by whatever their checkpoint's configuration says. Here only the tuning says so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mimetic.finetuning.settings import Tuning


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

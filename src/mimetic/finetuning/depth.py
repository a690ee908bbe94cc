"""Which layer of a network a weight belongs to: so that the first learn more slowly, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from mimetic.finetuning.settings import Tuning
from mimetic.records import MissingExtra, UsageError

ATTENTION = ("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "qkv_proj", "Wqkv", "q", "v", "q_w", "v_w")
"""What the families call the layers that LoRA goes beside."""

FORWARD = ("intermediate_dense", "output_dense")
UNCALLED = ("wavlm",)
"""Families whose attention reads its layers' weights and never calls them: LoRA goes beside the layers behind it."""


def layers_of(network: nn.Module) -> tuple[str, int]:
    """Give the name of the list of a network's layers, and how many there are: the longest list of like modules."""
    lists = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.ModuleList)]
    alike = [(name, len(of)) for name, of in lists if len({type(module) for module in of}) == 1]
    if not alike:
        remedy = "Set frozen to 0 and layer_decay to 1."
        raise UsageError(f"a {type(network).__name__} has no list of layers", remedy=remedy)
    return max(alike, key=lambda found: found[1])


def depth_of(name: str, layers: str, count: int) -> int:
    """Say how deep a weight lies: 0 before the first layer, ``i + 1`` in layer ``i``; behind the last as in it."""
    if name.startswith(f"{layers}."):
        return 1 + int(name[len(layers) + 1 :].split(".")[0])
    behind = ("pooler", "final", "layernorm.", "post_layernorm", "head", "norm.")
    return count if name.startswith(behind) else 0


def freeze(network: nn.Module, tuning: Tuning) -> None:
    """Keep the first layers, and what lies before them, from learning."""
    if not tuning.frozen:
        return
    layers, count = layers_of(network)
    if tuning.frozen > count:
        raise UsageError(f"frozen is {tuning.frozen}", remedy=f"The network has {count} layers.")
    for name, weight in network.named_parameters():
        if depth_of(name, layers, count) <= tuning.frozen:
            weight.requires_grad = False


def groups(network: nn.Module, tuning: Tuning, decay: float) -> Iterator[dict[str, Any]]:
    """Give the optimiser's groups: a rate a layer, and no decay for biases and norms."""
    layers, count = layers_of(network) if tuning.layer_decay != 1 else ("", 0)
    found: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            found.setdefault((depth_of(name, layers, count), weight.ndim > 1), []).append(weight)
    for (depth, decays), weights in sorted(found.items(), key=lambda item: item[0]):
        rate = tuning.rate * tuning.layer_decay ** (count - depth)
        yield {"params": weights, "lr": rate, "weight_decay": decay if decays else 0.0}


def add_lora(network: nn.Module, rank: int) -> Any:
    """Put LoRA's matrices beside the attention's layers, or those behind it; nothing else of the network learns then.

    ``merge_and_unload`` of what is given puts them into the weights.
    """
    try:
        from peft import LoraConfig, LoraModel
    except ImportError:
        raise MissingExtra("LoRA (rank)", "lora") from None
    names = {name.rpartition(".")[2] for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    told: Any = network
    beside = sorted(names & set(FORWARD if told.config.model_type in UNCALLED else ATTENTION))
    if not beside:
        raise UsageError(f"a {type(network).__name__} has no attention that LoRA knows", remedy="Set rank to 0.")
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=beside)
    return LoraModel(network, config, "default")

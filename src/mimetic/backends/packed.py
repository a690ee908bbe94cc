"""Torch itself, with the weights of linear layers in the order in which oneDNN multiplies: float32, and exact.

On AMD's processors torch hands a linear layer of float32 to MKL, which reaches 92 GFLOP/s a core where oneDNN reaches
220 (768 to 3,072 columns, 2,056 rows); on Intel's both reach the same. The two operators are private to torch: they are
tried when the first network is packed, and where they are missing or do not give what torch gives, all stays as it is.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

ROWS = 256
"""The number of rows that weights are ordered for; any other number will do, too."""

FITTING = (torch.float32, "cpu")

CLOSE = 1e-5
"""How near to torch's own result the operator has to come, in shares of it."""


class Packed(nn.Module):
    """A linear layer without gradients."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    @property
    def weight(self) -> Tensor:
        """The weight in its usual order, made anew each time: for networks that look into their layers."""
        return self._weight.to_dense()

    def forward(self, values: Tensor) -> Tensor:
        """Bring ``(..., in_features)`` to ``(..., out_features)``."""
        given: Tensor = torch.ops.mkldnn._linear_pointwise(values, self._weight, self.bias, "none", [], "")
        return given


def pack(network: nn.Module) -> None:
    """Replace a network's linear layers; those of float32 on the CPU, where that works."""
    if not is_there():
        return
    done: dict[int, Packed] = {}  # a layer may stand in several places
    for module in list(network.modules()):
        for name, part in module._modules.items():
            if isinstance(part, nn.Linear) and _can_be(part):
                if id(part) not in done:
                    done[id(part)] = Packed(part)
                module._modules[name] = done[id(part)]


def _can_be(linear: nn.Linear) -> bool:
    """Tell whether a layer is nothing but a product: not one of a subclass, nor one that somebody listens to."""
    heard = linear._forward_hooks or linear._forward_pre_hooks
    return type(linear) is nn.Linear and not heard and (linear.weight.dtype, linear.weight.device.type) == FITTING


@cache
def is_there() -> bool:
    """Tell whether the operators are there, and give what torch gives."""
    linear = nn.Linear(48, 40).requires_grad_(requires_grad=False)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        values = torch.randn(3, 5, 48)
        try:
            given, known = Packed(linear)(values), linear(values)
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):
            return False
    return bool(torch.allclose(given, known, rtol=CLOSE, atol=CLOSE))

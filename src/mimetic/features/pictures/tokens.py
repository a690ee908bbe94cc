"""A vision transformer and how its tokens are pooled, as one module: normalised pictures in, a row each out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mimetic.images import size_options

BEFORE_MLP = ("norm2", "layer_norm2", "layernorm_after")
"""What families call the norm that stands before a layer's MLP, which sees each token alone."""


class Tokens(nn.Module):
    """A vision transformer, its tokens pooled.

    Parameters
    ----------
    norm
        what pooled states go through; ``None``: nothing.
    """

    def __init__(self, network: Any, norm: Any, *, pooling: str) -> None:
        super().__init__()
        self.network, self._norm, self._pooling = network, norm, pooling
        self._options = size_options(network)
        if pooling == "cls":
            norms = [module for name, module in network.named_modules() if name.rpartition(".")[2] in BEFORE_MLP]
            norms[-1].register_forward_pre_hook(_first_alone)

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        """Give ``(picture, dim)`` of ``(picture, 3, height, width)``."""
        states = self.network(pixels, **self._options).last_hidden_state.float()
        rows = self._pool(states, patches=self._num_patches(*pixels.shape[2:]))
        normed: Tensor = rows if self._norm is None else self._norm(rows)
        return (normed.float(),)

    def _num_patches(self, height: int, width: int) -> int:
        told = self.network.config.patch_size
        down, across = (told, told) if isinstance(told, int) else told
        return (height // down) * (width // across)

    def _pool(self, states: Tensor, *, patches: int) -> Tensor:
        """Bring ``(picture, token, dim)`` to ``(picture, dim)``; the patches come last."""
        if self._pooling == "cls":
            return states[:, 0]
        return (states[:, -patches:] if self._pooling == "patches" else states).mean(dim=1)


def _first_alone(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
    """Hand on CLS alone: in the last layer's MLP the others would be computed for nothing, a twentieth of it all.

    What comes out is added to all tokens, and is right for the first, which is the one that is taken.
    """
    return None if module.training else (inputs[0][:, :1],)

"""A text encoder and how its tokens are pooled, as one module: tokens in, a row a text out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Reader(nn.Module):
    """A text encoder; ``pooling`` is one of ``POOLINGS``."""

    def __init__(self, network: Any, *, pooling: str) -> None:
        super().__init__()
        self.network, self._pool = network, POOLINGS[pooling]

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor]:
        """Give ``(text, dim)`` of ``(text, token)`` numbers, and which of them are the text's own."""
        return (self._pool(self.network(input_ids=tokens, attention_mask=mask)[0].float(), mask),)


class Judge(Reader):
    """A text classifier: what its head sees, pooled, then its scores."""

    def __init__(self, network: Any, *, pooling: str) -> None:
        super().__init__(network, pooling=pooling)
        self._states: Tensor | None = None
        network.base_model.register_forward_hook(self._keep)  # what every kind of classifier passes to its head

    def _keep(self, _encoder: nn.Module, _arguments: tuple[Any, ...], output: Any) -> None:
        self._states = output[0]

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor]:
        """Give ``(text, dim + score)``."""
        logits = self.network(input_ids=tokens, attention_mask=mask).logits.float()
        assert self._states is not None
        embedding, self._states = self._pool(self._states.float(), mask), None
        config = self.network.config
        apart = config.problem_type == "multi_label_classification" or logits.shape[1] == 1
        return (torch.cat([embedding, logits.sigmoid() if apart else logits.softmax(dim=1)], dim=1),)


def _first(states: Tensor, _mask: Tensor) -> Tensor:
    return states[:, 0]


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """Average ``(text, token, dim)`` over the tokens that ``(text, token)`` has, not over the fill."""
    return (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cls": _first, "mean": _mean}

"""An image classifier as one module: normalised pictures in; what its last layer sees, and its scores, out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mimetic.images import size_options


class Classifier(nn.Module):
    """A classifier whose scores are probabilities.

    Parameters
    ----------
    head
        the linear layer within the network that makes the scores.
    """

    def __init__(self, network: Any, head: nn.Linear) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(str(network.config.id2label[i]) for i in range(head.out_features))
        self._options = size_options(network)
        self._apart = network.config.problem_type == "multi_label_classification" or len(self.names) == 1
        self._seen: Tensor | None = None
        head.register_forward_pre_hook(self._keep)

    def _keep(self, _head: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._seen = arguments[0]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Give ``(picture, state + score)`` and ``(picture, score)`` of ``(picture, 3, height, width)``."""
        logits = self.network(pixels, **self._options).logits.float()
        scores = logits.sigmoid() if self._apart else logits.softmax(dim=1)
        assert self._seen is not None
        seen, self._seen = self._seen.float(), None
        return torch.cat([seen, scores], dim=1), scores

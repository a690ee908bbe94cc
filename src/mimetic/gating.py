"""Gated recurrent units over time with the gradient written out: for CPUs, where torch has no such kernel of its own.

A network of ``nn.GRU`` and its rows ``(clip, time, dim)`` in, its states ``(clip, time, hidden)`` out. torch notes a
dozen operations a step for the way back; here a step is a handful, and whatever can be is one product over all of time
(speech, 6 clips of 200 rows, one thread: 36 ms a step there and back against 50). Equations: Cho et al. 2014, with
torch's candidate, ``tanh(in + r * hidden)``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def gated_states(values: Tensor, net: nn.GRU) -> Tensor:
    """Give the last layer's states of a network that reads in one direction, from a state of zeros."""
    states = values.transpose(0, 1)
    for layer in range(net.num_layers):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        inward, onward, inward_bias, onward_bias = (getattr(net, f"{name}_l{layer}") for name in names)
        rows = nn.functional.linear(states, inward, inward_bias)
        states = torch.as_tensor(_Layer.apply(rows, onward, onward_bias))  # type: ignore[no-untyped-call]
    return states.transpose(0, 1)


class _Layer(Function):
    """One layer; ``rows`` are ``(time, clip, 3 * hidden)``, what its weights make of what comes in: r, z, candidate."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Give the states ``(time, clip, hidden)``."""
        hidden = weight.shape[1]
        gates = rows[..., : 2 * hidden] + bias[: 2 * hidden]
        candidates = rows[..., 2 * hidden :].clone(memory_format=torch.contiguous_format)
        recalled = torch.empty_like(candidates)
        states = rows.new_zeros(len(rows) + 1, rows.shape[1], hidden)
        to_gates, to_candidate = (part.t().contiguous() for part in (weight[: 2 * hidden], weight[2 * hidden :]))
        steps = (of.unbind() for of in (states[:-1], states[1:], gates, candidates, recalled))
        for before, after, gate, candidate, recall in zip(*steps, strict=True):
            gate.addmm_(before, to_gates).sigmoid_()
            torch.addmm(bias[2 * hidden :], before, to_candidate, out=recall)
            candidate.addcmul_(gate[:, :hidden], recall).tanh_()
            torch.lerp(candidate, before, gate[:, hidden:], out=after)
        ctx.save_for_backward(gates, candidates, recalled, states, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the gradients of rows, weight and bias."""
        gates, candidates, recalled, states, weight = ctx.saved_tensors
        hidden = weight.shape[1]
        reset, keep = gates[..., :hidden].contiguous(), gates[..., hidden:].contiguous()
        by_candidate = (1 - keep) * (1 - candidates.square())
        by_keep = (states[:-1] - candidates) * keep * (1 - keep)
        by_reset = recalled * reset * (1 - reset)
        inner = gates.new_empty(*candidates.shape[:2], 4 * hidden)  # r, z, candidate from the state, from the rows
        carried = torch.zeros_like(states[0])
        steps = [of.unbind() for of in (gradient, by_candidate, by_keep, by_reset, reset, keep, inner)]
        for told, of_candidate, of_keep, of_reset, opened, kept, own in reversed(list(zip(*steps, strict=True))):
            carried = carried + told
            to_reset, to_keep, recalling, to_candidate = own.split(hidden, dim=1)
            torch.mul(carried, of_candidate, out=to_candidate)
            torch.mul(carried, of_keep, out=to_keep)
            torch.mul(to_candidate, of_reset, out=to_reset)
            torch.mul(to_candidate, opened, out=recalling)
            carried = torch.addmm(carried * kept, own[:, : 3 * hidden], weight)
        onward = inner[..., : 3 * hidden].flatten(0, 1)
        of_rows = torch.cat([inner[..., : 2 * hidden], inner[..., 3 * hidden :]], dim=2)
        return of_rows, onward.t() @ states[:-1].flatten(0, 1), onward.sum(dim=0)

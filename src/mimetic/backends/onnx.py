"""ONNX Runtime: float32. In its int8, scales are a batch's own, so that a row would depend on what else is in it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mimetic.backends import Compute, Feed, sizes

FILE = "model.onnx"

OPSET = 18


@dataclass(frozen=True, slots=True)
class Onnx:
    """The backend, in its one precision."""

    precision: str

    def write(self, graph: nn.Module, examples: tuple[Feed, Feed], _: Sequence[Feed], folder: Path, /) -> None:
        """Convert a network; large weights lie in a file beside."""
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"input{place}" for place in range(len(examples[0]))]
        axes = {
            name: {axis: f"{name}_{axis}" for axis, length in enumerate(shape) if length < 0}
            for name, shape in zip(names, sizes(examples), strict=True)
        }
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                examples[0],
                str(folder / FILE),
                input_names=names,
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )

    def open(self, folder: Path) -> Compute:
        """Read the converted network."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(folder / FILE), options, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_inputs()]

        def compute(*tensors: Tensor) -> tuple[Tensor, ...]:
            feeds = {name: tensor.contiguous().numpy() for name, tensor in zip(names, tensors, strict=True)}
            return tuple(torch.from_numpy(given) for given in session.run(None, feeds))

        return compute

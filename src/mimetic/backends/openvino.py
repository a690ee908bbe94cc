"""OpenVINO: float32, bf16 where the processor multiplies in it, or int8 after ranges were measured on a sample.

In int8 both sides of every matrix product are whole numbers. The scales are those that the sample asks for, and stay:
so a row does not depend on what else is in its batch. Convolutions stay as they are; they cost little here, and 8 bits
of sound are few.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mimetic.backends import Compute, Feed, sizes

FILE = "model.xml"

THREADS = {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False, "PERFORMANCE_HINT": "LATENCY"}
"""One thread, on whatever core is free: pinned, the workers of a machine would share one."""

SMOOTHED = 0.7
"""How much of what is large in what goes into a product its weights take over (SmoothQuant's alpha).

Median and fifth percentile of cosines with float32, of wav2vec 2.0 on real speech: .9981 and .985 with NNCF's own .95,
.9992 and .995 so; of MiniLM on EmoBank .9955 and .986, .9972 and .993.
"""

HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


@dataclass(frozen=True, slots=True)
class OpenVINO:
    """The backend, in one of its precisions."""

    precision: str

    def write(self, graph: nn.Module, examples: tuple[Feed, Feed], sample: Sequence[Feed], folder: Path, /) -> None:
        """Convert a network, in int8 with the ranges of the sample."""
        with _silent():
            ov = _openvino()
            example = examples[0]
            kinds = [
                (ov.PartialShape(size), _kind(ov, one)) for size, one in zip(sizes(examples), example, strict=True)
            ]
            with torch.no_grad():
                given = example[0] if len(example) == 1 else example
                network = ov.convert_model(graph, example_input=given, input=kinds)
            if self.precision == "int8":
                network = _quantised(network, sample)
            folder.mkdir(parents=True, exist_ok=True)
            ov.save_model(network, folder / FILE, compress_to_fp16=False)

    def open(self, folder: Path) -> Compute:
        """Read the converted network."""
        settings = {**THREADS, "INFERENCE_PRECISION_HINT": HINTS[self.precision]}
        compiled = _openvino().Core().compile_model(str(folder / FILE), "CPU", settings)
        request = compiled.create_infer_request()

        def compute(*tensors: Tensor) -> tuple[Tensor, ...]:
            given = request.infer([tensor.contiguous().numpy() for tensor in tensors], share_inputs=True)
            return tuple(torch.from_numpy(given[output]) for output in compiled.outputs)

        return compute


def _kind(ov: Any, tensor: Tensor) -> Any:
    return ov.Type.i64 if tensor.dtype == torch.int64 else ov.Type.f32


def _quantised(network: Any, sample: Sequence[Feed]) -> Any:
    """Bring matrix products to int8 by NNCF's post-training quantisation, as its authors set it for transformers."""
    import nncf

    nncf.set_log_level(40)
    return nncf.quantize(
        network,
        nncf.Dataset([tuple(tensor.numpy() for tensor in feed) for feed in sample]),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(sample),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHED)
        ),
        ignored_scope=nncf.IgnoredScope(types=["Convolution", "GroupConvolution"], validate=False),
    )


def _openvino() -> Any:
    """Import OpenVINO, with what it and NNCF report home with out of reach: both do without it where it is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what conversion has to say from the terminal: it is meant for its authors."""
    import logging
    import warnings

    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)

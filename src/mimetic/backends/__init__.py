"""Who computes a pretrained network on a CPU: torch, or a copy of the network that another library has converted.

In goes a network as a function of tensors; out comes another that gives the same rows, sooner. A copy lies in a folder,
so that it is converted once, however many processes compute with it. To add a backend: a file here, a line below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mimetic.models import IN_TORCH
from mimetic.records import Entry, MissingExtra, UsageError, find

if TYPE_CHECKING:
    from torch import Tensor, nn

Compute = Callable[..., "tuple[Tensor, ...]"]
Feed = tuple["Tensor", ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendEntry(Entry):
    """A backend: ``target`` is a ``Backend``; ``needs`` are the modules that the extra brings."""

    precisions: tuple[str, ...] = ("fp32",)
    needs: tuple[str, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether what it needs is installed."""
        return all(find_spec(module) is not None for module in self.needs)


BACKENDS: Mapping[str, BackendEntry] = {
    "torch": BackendEntry(
        target="mimetic.backends.packed:pack",
        about="torch, the weights of linear layers in oneDNN's own order",
        precisions=IN_TORCH,
    ),
    "openvino": BackendEntry(
        target="mimetic.backends.openvino:OpenVINO",
        about="OpenVINO",
        precisions=("fp32", "bf16", "int8"),
        needs=("openvino", "nncf"),
        extra="speed",
    ),
    "onnx": BackendEntry(
        target="mimetic.backends.onnx:Onnx",
        about="ONNX Runtime",
        needs=("onnx", "onnxruntime"),
        extra="speed",
    ),
}
"""By name. With ``auto`` the fastest of those that are installed is taken, by a second of each."""

AUTO = "auto"

RECORD = "computed.json"
"""Beside a feature's rows in a store: who computed them."""

INT8 = "int8"
"""The precision, and the folder beside a feature's rows with its network in it."""


class Backend(Protocol):
    """Converts networks, and computes with what it has converted; all with one thread."""

    def __init__(self, precision: str) -> None: ...

    def write(self, graph: nn.Module, examples: tuple[Feed, Feed], sample: Sequence[Feed], folder: Path, /) -> None:
        """Convert a network; ``examples`` tell what may go in, ``sample`` what will, for those who measure ranges."""

    def open(self, folder: Path) -> Compute:
        """Give the converted network as a function."""


@dataclass(frozen=True, slots=True)
class Converted:
    """Which backend computes a network, in what precision, and where the copy lies (nowhere, if it is torch)."""

    backend: str = "torch"
    precision: str = "fp32"
    folder: Path | None = None


def check_backend(name: str, precision: str) -> None:
    """Refuse a backend that is not there, or does not compute so.

    Raises
    ------
    UnknownName
        for a name that is no backend's.
    MissingExtra
        if it is not installed.
    UsageError
        if it does not know the precision.
    """
    entry = find(BACKENDS, name, "backend")
    if precision not in entry.precisions:
        able = [other for other, its in BACKENDS.items() if precision in its.precisions]
        remedy = f"Give --backend {' or '.join(able)}, or a precision of {', '.join(entry.precisions)}."
        raise UsageError(f"the backend {name} does not compute in {precision}", remedy=remedy)
    if not entry.is_there:
        raise MissingExtra(f"the backend {name}", entry.extra or "")


def put_in(model: Any, converted: Converted) -> None:
    """Let a model that torch has loaded on the CPU compute by a backend.

    What torch has loaded of the network is given up, where another computes. A model that is no function of tensors
    (several checkpoints in one, an ONNX file) stays as it is.
    """
    if not is_convertible(model):
        return
    if converted.folder is None:
        if converted.precision == "fp32":
            BACKENDS["torch"].load()(model.graph)
        return
    before = model.graph
    model.graph = BACKENDS[converted.backend].load()(converted.precision).open(converted.folder)
    before.to("meta")


def is_convertible(model: object) -> bool:
    """Tell whether a model's network is a ``torch`` module that is a function of tensors."""
    from torch import nn

    return isinstance(getattr(model, "graph", None), nn.Module)


def sizes(examples: tuple[Feed, Feed]) -> list[list[int]]:
    """Give the shape of each input, -1 for the axes in which the two examples differ.

    >>> import torch
    >>> sizes(((torch.zeros(2, 3, 5),), (torch.zeros(4, 3, 5),)))
    [[-1, 3, 5]]
    """
    both = zip(*examples, strict=True)
    return [[a if a == b else -1 for a, b in zip(one.shape, other.shape, strict=True)] for one, other in both]

"""An ONNX file becomes what is known of it without running it, and a session that also gives what its last layer sees.

onnxruntime tells a graph's inputs and outputs, not its nodes, and gives no value that is not an output. So the file is
walked here as what it is, a protocol buffer (https://protobuf.dev/programming-guides/encoding; field numbers are those
of onnx.proto); weights are passed over. To make an inner value an output, its name is written behind the file: protocol
buffers that follow each other are merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mimetic.records import UsageError

FLOAT = 1
"""ONNX's number for float32."""

LAYERS = ("Gemm", "MatMul")
"""What a linear layer is exported as."""

REMEDY = "It has to be a classifier of RGB pictures, exported in float32."

_GRAPH, _NODE, _INITIALIZER, _INPUT, _OUTPUT = 7, 1, 5, 11, 12
_Message = Mapping[int, list[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """What a file says of itself.

    Attributes
    ----------
    input, height, width, channels_last
        the picture that goes in; 0 where any height or width will do.
    scores, num_scores
        the first output, and its columns; ``None`` where it does not tell them.
    states, num_states
        what goes before the scores: a second output that is a vector, else what the last linear layer sees.
        ``None`` where there is neither.
    hidden
        whether ``states`` has to be made an output.
    """

    input: str
    height: int
    width: int
    channels_last: bool
    scores: str
    num_scores: int | None
    states: str | None = None
    num_states: int | None = None
    hidden: bool = False

    @property
    def outputs(self) -> list[str]:
        """What a row is made of, in order."""
        return [self.scores] if self.states is None else [self.states, self.scores]

    @property
    def dim(self) -> int | None:
        """Columns of a row; ``None`` where the file does not tell them."""
        if self.num_scores is None or (self.states is not None and self.num_states is None):
            return None
        return self.num_scores + (self.num_states or 0)


def read_graph(path: Path) -> Graph:
    """Read what an ONNX file says of itself.

    Raises
    ------
    UsageError
        if it is none, or not of pictures.
    """
    try:
        model = _parse(np.memmap(path, np.uint8, "r").data)
        return _graph(_parse(model[_GRAPH][0]))
    except (OSError, ValueError, IndexError) as error:
        raise UsageError(f"{path} cannot be read as an ONNX classifier ({error})", remedy=REMEDY) from None


def open_session(path: Path, graph: Graph) -> Any:
    """Open a file in onnxruntime, on the CPU, with one thread: a sum over two rounds differently.

    Raises
    ------
    UsageError
        if onnxruntime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters is raised
    told = path.read_bytes() + (_as_output(str(graph.states)) if graph.hidden else b"")
    try:
        return onnxruntime.InferenceSession(told, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path} cannot be opened by onnxruntime ({reason})", remedy=REMEDY) from None


def _graph(graph: _Message) -> Graph:
    weights = {_text(weight[8]): _numbers(weight[1]) for weight in map(_parse, graph[_INITIALIZER])}
    inputs = [told for told in map(_value, graph[_INPUT]) if told[0] not in weights]
    (name, kind, shape), (scores, _, columns) = inputs[0], _value(graph[_OUTPUT][0])
    if kind != FLOAT or len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise ValueError(f"it takes {shape} of type {kind}")
    last = shape[1] != 3
    height, width = shape[1:3] if last else shape[2:4]
    states, num_states, hidden = _states(graph, weights)
    return Graph(
        input=name,
        height=height or 0,
        width=width or 0,
        channels_last=last,
        scores=scores,
        num_scores=columns[-1] if columns else None,
        states=states,
        num_states=num_states,
        hidden=hidden,
    )


def _states(graph: _Message, weights: Mapping[str, list[int]]) -> tuple[str | None, int | None, bool]:
    """Give the name and the columns of what goes before the scores, and whether it is inside the graph."""
    for name, _, shape in map(_value, graph[_OUTPUT][1:]):
        if len(shape) == 2:
            return name, shape[1], False
    for node in map(_parse, reversed(graph[_NODE])):
        names = [_text([name]) for name in node[1]]
        if _text(node[4]) in LAYERS and len(weights.get(names[1], ())) == 2:
            options = {_text(option[1]): option for option in map(_parse, node[5])}
            turned = "transB" in options and options["transB"][3] == [1]
            return names[0], weights[names[1]][1 if turned else 0], True
    return None, None, False


def _value(message: memoryview) -> tuple[str, int, list[int | None]]:
    """Give a value's name, its type's number and its shape, ``None`` for what is open."""
    value = _parse(message)
    tensor = next((_parse(tensor) for kind in value[2] for tensor in _parse(kind)[1]), {})
    dims = [_parse(dim)[1] for shape in tensor.get(2, []) for dim in _parse(shape)[1]]
    return _text(value[1]), next(iter(tensor.get(1, [])), 0), [dim[0] if dim else None for dim in dims]


# ------------------------------------------------------------------------------------ protocol buffers


def _parse(message: memoryview) -> _Message:
    """Give the values of each field of a message, in order."""
    fields: dict[int, list[Any]] = defaultdict(list)
    for number, value in _fields(message):
        fields[number].append(value)
    return fields


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Give number and value of each field: an integer, or bytes that are not copied."""
    at = 0
    while at < len(message):
        key, at = _integer(message, at)
        if key & 7 == 0:
            value, at = _integer(message, at)
            yield key >> 3, value
            continue
        if key & 7 not in (1, 2, 5):
            raise ValueError("it is no protocol buffer")
        size, at = _integer(message, at) if key & 7 == 2 else (8 if key & 7 == 1 else 4, at)
        if at + size > len(message):
            raise ValueError("it is cut short")
        yield key >> 3, message[at : at + size]
        at += size


def _integer(message: memoryview, at: int) -> tuple[int, int]:
    """Give the integer that begins at a place, seven bits a byte, and the place behind it."""
    value = shift = 0
    while message[at] & 0x80:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1


def _numbers(values: list[Any]) -> list[int]:
    """Give repeated integers, whether they come one by one or packed."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _integer(value, at)
            found.append(number)
    return found


def _text(values: list[Any]) -> str:
    return bytes(values[-1]).decode() if values else ""


def _as_output(name: str) -> bytes:
    """Give the part of a model that says: its graph has this output too."""
    return _field(_GRAPH, _field(_OUTPUT, _field(1, name.encode())))


def _field(number: int, value: bytes) -> bytes:
    size, length = b"", len(value)
    while length > 0x7F:
        size, length = size + bytes([length & 0x7F | 0x80]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + value

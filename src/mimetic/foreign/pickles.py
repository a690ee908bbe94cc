"""Pickles, read without running anything in them: numpy arrays, lists, numbers and plain torch tensors, no more.

A pickle is a program for a small machine; what makes it dangerous are the functions it may name. This machine knows the
few names that arrays and tensors need, and stands in for every one of them with a function of ours, which takes
bytes, shapes and types apart and checks them. Any other name ends the reading before anything is called.

It is Python's own machine, not the C one: that one makes room for as many memos as a file claims to need.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.records import ClipError
from mimetic.sheets import LARGEST

TYPE = re.compile(r"[<>|=]?(f[248]|[iu][1248]|b1)")


def read(data: bytes) -> Any:
    """Read a pickle, or what ``torch.save`` wrote.

    Raises
    ------
    ClipError
        if it names anything but arrays and tensors, or is damaged.
    """
    if data[:4] == b"PK\x03\x04":
        return _plain(_load_tensors(data))
    try:
        return _plain(_Machine(io.BytesIO(data)).load())
    except ClipError:
        raise
    except RecursionError:
        raise ClipError("is nested too deeply") from None
    except Exception as error:  # whatever a made-up program stumbles over is its own fault
        raise ClipError(f"is no pickle of arrays ({type(error).__name__}: {str(error)[:80]})") from None


class _Machine(pickle._Unpickler):
    """The small machine, with few words."""

    def find_class(self, module: str, name: str) -> Any:
        """Give our stand-in for a name."""
        stand_in = STAND_INS.get(f"{module}.{name}")
        if stand_in is None:
            raise ClipError(f"wants to run {module}.{name}, which is not done: save arrays as .npy or .npz")
        return stand_in

    def persistent_load(self, _: Any) -> Any:
        """Refuse what lies elsewhere."""
        raise ClipError("points to something outside itself")


# ------------------------------------------------------------------------------------------------ numpy


class _Type:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: Any, _align: Any = False, _copy: Any = True) -> None:
        self._code, self._order = code, "|"

    def __setstate__(self, state: Any) -> None:
        self._order = state[1]

    @property
    def numpy(self) -> np.dtype[Any]:
        """The type, if it is one of numbers."""
        order = "" if self._order in ("|", "=") else self._order
        text = f"{order}{self._code}"
        if not isinstance(self._code, str) or not TYPE.fullmatch(text):
            raise ClipError(f"holds {self._code!r}, not numbers")
        return np.dtype(text)


class _Array:
    """Stands in for ``numpy.ndarray``: empty until its state comes."""

    def __init__(self, *_: Any) -> None:
        self._state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self._state = tuple(state)

    @property
    def numpy(self) -> NDArray[Any]:
        """The array, from the bytes of its state."""
        try:
            _, shape, kind, fortran, data = self._state
        except ValueError:
            raise ClipError("holds an array without content") from None
        return _from_bytes(data, kind, shape, "F" if fortran else "C")


def _from_bytes(data: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(kind, _Type) or not isinstance(data, bytes | bytearray):
        raise ClipError("holds Python objects, which are not read")
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise ClipError("holds an array of a strange shape")
    if math.prod(shape) * kind.numpy.itemsize != len(data):
        raise ClipError("holds an array whose bytes do not fit its shape")
    return np.frombuffer(data, kind.numpy).reshape(shape, order="F" if order == "F" else "C")


def _scalar(kind: Any, data: Any = None) -> Any:
    return _from_bytes(data, kind, (), "C").item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Stand in for ``_codecs.encode``, by which older pickles hold bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ClipError("holds text where bytes belong")
    return text.encode("latin1")


# ------------------------------------------------------------------------------------------------ torch


def _load_tensors(data: Any) -> Any:
    """Read with torch's weights-only loader."""
    import torch

    if not isinstance(data, bytes):
        raise ClipError("holds no tensor where one belongs")
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise ClipError(f"holds more than tensors ({str(error).splitlines()[0][:80]})") from None


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> NDArray[Any]:
    """Stand in for ``torch._utils._rebuild_tensor_v2``: the part of a storage that a tensor is, as an array."""
    import torch

    if not isinstance(storage, torch.storage.TypedStorage | torch.Tensor):
        raise ClipError("holds no tensor where one belongs")
    flat = storage if isinstance(storage, torch.Tensor) else torch.tensor([], dtype=storage.dtype).set_(storage)
    numbers = (offset, *size, *stride)
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if not all(type(number) is int and number >= 0 for number in numbers) or (0 not in size and reach >= len(flat)):
        raise ClipError("holds a tensor that reaches beyond its storage")
    if math.prod(size) * 4 > LARGEST:
        raise ClipError(f"unfolds to more than {LARGEST >> 20} MB")
    return _numbers(flat.as_strided(size, stride, offset))


def _numbers(tensor: Any) -> NDArray[Any]:
    import torch

    tensor = tensor.detach()
    array: NDArray[Any] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()
    return array


# ---------------------------------------------------------------------------------------------- together


def _ordered(items: Any = ()) -> OrderedDict[Any, Any]:
    return OrderedDict(items)


STAND_INS: Mapping[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_bytes,
    "numpy._core.numeric._frombuffer": _from_bytes,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Type,
    "_codecs.encode": _encode,
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.storage._load_from_bytes": _load_tensors,
}
"""The names that arrays and tensors need, and what stands in for each."""


def _plain(content: Any, depth: int = 0) -> Any:
    """Give arrays where there are stand-ins, in mappings too."""
    if isinstance(content, _Array):
        return content.numpy
    if isinstance(content, dict) and depth < 3:
        return {str(key): _plain(value, depth + 1) for key, value in content.items()}
    if type(content).__module__.partition(".")[0] == "torch" and hasattr(content, "detach"):
        return _numbers(content)
    if isinstance(content, list | tuple) and depth < 3 and any(isinstance(item, _Array) for item in content):
        return [_plain(item, depth + 1) for item in content]
    return content

"""What stands in for the few names that arrays and tensors need: bytes, shapes and types in, arrays out.

Each takes what a file claims apart and checks it; none of them calls what it is given.
"""

from __future__ import annotations

import io
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.records import ClipError
from mimetic.sheets import LARGEST

TYPE = re.compile(r"[<>]?(f[248]|[iu][1248]|b1)")

ZIPPED, LEGACY = b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files begin that ``torch.save`` wrote: now, and before its version 1.6."""


def check_size(numbers: int) -> None:
    """Refuse more numbers, of eight bytes each, than a file may unfold to."""
    if numbers * 8 > LARGEST:
        raise ClipError(f"unfolds to more than {LARGEST >> 20} MB")


class Type:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: Any, _align: Any = False, _copy: Any = True) -> None:
        self._code, self._order = code, "|"

    def __setstate__(self, state: Any) -> None:
        self._order = state[1]

    @property
    def numpy(self) -> np.dtype[Any]:
        """The type, if it is one of numbers."""
        if not isinstance(self._code, str) or not isinstance(self._order, str):
            raise ClipError("holds an array of a strange type")
        text = f"{self._order.strip('|=')}{self._code}"
        if not TYPE.fullmatch(text):
            raise ClipError(f"holds {self._code[:20]!r}, not numbers")
        return np.dtype(text)


class Array:
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
    if not isinstance(kind, Type) or not isinstance(data, bytes | bytearray):
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


class Storage:
    """The numbers that tensors are parts of, ``(number,)``; kept from the machine, which could call into torch."""

    __slots__ = ("numbers",)

    def __init__(self, data: Any) -> None:
        import torch

        held = load_tensors(data) if isinstance(data, bytes) else None
        if not isinstance(held, torch.storage.TypedStorage):
            raise ClipError("holds no tensor where one belongs")
        self.numbers = numbers(torch.tensor([], dtype=held.dtype).set_(held))


def load_tensors(data: bytes) -> Any:
    """Read with torch's weights-only loader what it may see."""
    import torch

    from mimetic.foreign.pickles.vetting import vetted  # which runs these stand-ins' machine

    safe = vetted(data)
    try:
        return torch.load(io.BytesIO(safe), map_location="cpu", weights_only=True)
    except Exception as error:
        raise ClipError(f"holds more than tensors ({str(error).partition(chr(10))[0][:80]})") from None


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> NDArray[Any]:
    """Stand in for ``torch._utils._rebuild_tensor_v2``: the part of a storage that a tensor is, as an array."""
    if not isinstance(storage, Storage):
        raise ClipError("holds no tensor where one belongs")
    flat = storage.numbers
    if not all(type(number) is int and number >= 0 for number in (offset, *size, *stride)):
        raise ClipError("holds a tensor of a strange shape")
    if 0 in size:
        return np.zeros(size, flat.dtype)
    if offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) >= len(flat):
        raise ClipError("holds a tensor that reaches beyond its storage")
    check_size(math.prod(size))
    steps = [step * flat.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(flat[offset:], size, steps, writeable=False)


def numbers(tensor: Any) -> NDArray[Any]:
    """Give a tensor as an array that shares its memory, where numpy has its type."""
    import torch

    check_size(tensor.numel())
    tensor = tensor.detach()
    array: NDArray[Any] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


# --------------------------------------------------------------------------------------------- the names


def check_keys(keys: Iterable[Any]) -> None:
    """Refuse keys that hold others: to hash one tuple can take longer than a life."""
    if not all(isinstance(key, str | bytes | int | float | None) for key in keys):
        raise ClipError("has names that are neither text nor numbers")


def ordered(items: Any = ()) -> OrderedDict[Any, Any]:
    """Stand in for ``collections.OrderedDict``."""
    pairs = [(key, value) for key, value in items]
    check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


STAND_INS: Mapping[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": Array,
    "numpy._core.multiarray._reconstruct": Array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_bytes,
    "numpy._core.numeric._frombuffer": _from_bytes,
    "numpy.ndarray": Array,
    "numpy.dtype": Type,
    "_codecs.encode": _encode,
    "collections.OrderedDict": ordered,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.storage._load_from_bytes": Storage,
}
"""The names that arrays and tensors need, and what stands in for each."""

"""Arrays as numpy and safetensors write them: ``.npy``, ``.npz``, ``.safetensors``. Object arrays are refused."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from mimetic.records import ClipError
from mimetic.sheets import LARGEST

# fmt: off
TENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}
# fmt: on
"""How safetensors calls its types, and how numpy does."""


def read_npy(data: bytes) -> NDArray[Any]:
    """Read one array, whose header is looked at before anything of its size is made."""
    try:
        shape, dtype = _header(io.BytesIO(data))
        if dtype.hasobject:
            raise ClipError("holds Python objects, which are not read")
        if dtype.itemsize * math.prod(shape) > LARGEST:
            raise ClipError(f"unfolds to more than {LARGEST >> 20} MB")
        array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError, TypeError, SyntaxError, TokenError, OverflowError, MemoryError) as error:
        raise ClipError(f"is no array ({str(error).partition(chr(10))[0][:80]})") from None
    return array


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version: tuple[int, int] = npy.read_magic(file)  # type: ignore[no-untyped-call]
    read: Any = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def read_npz(data: bytes) -> dict[str, NDArray[Any]]:
    """Read the arrays of an archive, by name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if sum(member.file_size for member in members) > LARGEST:
                raise ClipError(f"unfolds to more than {LARGEST >> 20} MB")
            return {member.filename.removesuffix(".npy"): read_npy(archive.read(member)) for member in members}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        raise ClipError(f"is no archive of arrays ({error})") from None


def read_safetensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Read the tensors of a file, by name; those in bfloat16, which numpy does not have, as float32."""
    try:
        return {name: _tensor(told["dtype"], told["shape"], told["data"]) for name, told in _entries(data)}
    except (SafetensorError, TypeError, ValueError) as error:
        raise ClipError(f"is no safetensors file ({error})") from None


def _entries(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    entries: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    return entries


def _tensor(kind: str, shape: list[int], data: bytearray) -> NDArray[Any]:
    if kind == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if kind not in TENSORS:
        raise ClipError(f"holds {kind}, which numpy does not have")
    return np.frombuffer(data, TENSORS[kind]).reshape(shape)

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
from safetensors import SafetensorError
from safetensors.numpy import load

from mimetic.records import ClipError
from mimetic.sheets import LARGEST


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
        raise ClipError(f"is no array ({str(error).splitlines()[0][:80]})") from None
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
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise ClipError(f"is no archive of arrays ({error})") from None


def read_safetensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Read the tensors of a file, by name."""
    try:
        return dict(load(data))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ClipError(f"is no safetensors file ({error})") from None

"""Files that are there whole or not at all, and names made of what they are for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def digest(content: Any, *, size: int = 8) -> str:
    """Give a short name for any JSON content: hex of BLAKE2b over its sorted text."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename: the file is there whole or not at all."""
    with whole(path) as beside:
        beside.write_bytes(content)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path beside to write to; what is there at the end is flushed to disk and renamed to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        _flush(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Make a rename last through a loss of power, where folders can be flushed."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

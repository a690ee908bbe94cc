"""Where features that others made lie: a folder, a zip or a file in; a clip's entry at a time out."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from mimetic.foreign import READERS
from mimetic.records import BadData, ClipError
from mimetic.sheets import LARGEST, as_sheet

WHOLE = 1 << 33
"""Bytes of a file with all clips, which has to be read at once."""


class Source(Protocol):
    """Something with one entry a clip."""

    def names(self) -> list[str]:
        """List the entries."""

    def fingerprint(self, name: str) -> str:
        """Tell an entry's content from any other."""

    def read(self, name: str) -> Any:
        """Give an entry's content. ``ClipError`` if it cannot be read."""

    def __enter__(self) -> Source: ...

    def __exit__(self, *_: object) -> None: ...


def open_source(path: Path) -> Source:
    """Open what there is at a path.

    Raises
    ------
    BadData
        if it is nothing, or of no kind that is known.
    """
    known = f"A folder, a zip, or one of {', '.join(READERS)}."
    if path.is_dir():
        return _Folder(path)
    if not path.is_file():
        raise BadData(f"there is no {path}", remedy=known)
    if path.suffix.lower() in (".zip", ".npz"):  # of all clips: an .npz is a zip of .npy, read one at a time
        return _Archive(path)
    if path.suffix.lower() not in READERS:
        raise BadData(f"{path} is of no kind that is read", remedy=known)
    return _Whole(path)


def _decode(name: str, data: bytes) -> Any:
    """Read a file's bytes by the end of its name."""
    return READERS[PurePosixPath(name).suffix.lower()].load()(data)


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class _Files:
    """Entries that are files; the bytes of the last one are kept, since they are hashed, and then read."""

    def __init__(self) -> None:
        self._last: tuple[str, bytes] = ("", b"")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def bytes_of(self, name: str) -> bytes:
        """Give a file's bytes."""
        raise NotImplementedError

    def fingerprint(self, name: str) -> str:
        """Tell a file's content from any other."""
        return _hash(self._bytes(name))

    def read(self, name: str) -> Any:
        """Read a file by the end of its name."""
        return _decode(name, self._bytes(name))

    def _bytes(self, name: str) -> bytes:
        if self._last[0] != name:
            self._last = (name, self.bytes_of(name))
        return self._last[1]


def _is_read(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in READERS and not path.name.startswith((".", "__"))


class _Folder(_Files):
    """A folder with a file a clip, in folders of it too."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def names(self) -> list[str]:
        """List the files that can be read."""
        files = (file for file in self._path.rglob("*") if file.is_file())
        return sorted(name for file in files if _is_read(name := file.relative_to(self._path).as_posix()))

    def bytes_of(self, name: str) -> bytes:
        """Give a file's bytes."""
        file = self._path / name
        try:
            if file.stat().st_size > LARGEST:
                raise ClipError(f"is larger than {LARGEST >> 20} MB")
            return file.read_bytes()
        except OSError as error:
            raise ClipError(f"cannot be read ({error.strerror})") from None


class _Archive(_Files):
    """A zip with a file a clip. It is not unpacked: its names are names, and no paths."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            raise BadData(f"{path} is no zip ({error})", remedy="Fetch it again.") from None

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def names(self) -> list[str]:
        """List the members that can be read; macOS's doubles are none."""
        return sorted(n for n in self._zip.namelist() if _is_read(n) and not n.startswith("__MACOSX/"))

    def bytes_of(self, name: str) -> bytes:
        """Give a member's bytes, no more than it may have whatever it says."""
        try:
            with self._zip.open(name) as member:
                data = member.read(LARGEST + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, ValueError, EOFError) as error:
            raise ClipError(f"cannot be read ({error})") from None
        if len(data) > LARGEST:
            raise ClipError(f"is larger than {LARGEST >> 20} MB")
        return data


class _Whole:
    """One file with all clips: a mapping of ids to what each has."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size > WHOLE:
            remedy = "Give a folder or a zip with a file a clip, or an .npz: they are read entry by entry."
            raise BadData(f"{path} is larger than {WHOLE >> 30} GB", remedy=remedy)
        try:
            content = _decode(path.name, path.read_bytes())
        except ClipError as error:
            raise BadData(f"{path} {error}", remedy=f"It can be one of {', '.join(READERS)}.") from None
        if not isinstance(content, Mapping):
            remedy = "One file for all clips is a mapping of ids, or a table with a column of them; else give a folder."
            raise BadData(f"{path} does not say which clips its rows are of", remedy=remedy)
        self._content = content

    def __enter__(self) -> _Whole:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def names(self) -> list[str]:
        """List the ids."""
        return [str(name) for name in self._content]

    def fingerprint(self, name: str) -> str:
        """Tell an entry's content from any other."""
        try:
            sheet = as_sheet(self._content[name])
        except ClipError as error:
            return _hash(str(error).encode())
        parts = [sheet.values, sheet.valid, sheet.times, *(sheet.notes[note] for note in sorted(sheet.notes))]
        arrays = [np.ascontiguousarray(part) for part in parts if part is not None]
        return _hash(b"".join(f"{array.shape} {array.dtype} ".encode() + array.tobytes() for array in arrays))

    def read(self, name: str) -> Any:
        """Give an entry's content."""
        return self._content[name]

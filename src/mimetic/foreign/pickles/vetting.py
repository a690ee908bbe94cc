"""What ``torch.save`` wrote, before torch's own loader sees it: bytes in, the same without surprises out.

The weights-only loader runs no code, but it takes its time: a key that is a tuple of tuples of tuples is hashed for
longer than a life, a storage that claims a terabyte is made room for. So the same programs are run here first, on our
machine, with nothing behind the names; what that refuses torch never sees. An archive is written anew for it from what
was looked at, so that the two cannot read different members of one name.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from typing import Any

from mimetic.foreign.pickles.machine import Machine, Name
from mimetic.foreign.pickles.stand_ins import LEGACY, ZIPPED, check_keys, check_size, ordered
from mimetic.records import ClipError

PARTS = 4
"""Programs at the head of a file of before torch 1.6: the mark, the version, the system, the content."""


class Nothing:
    """Stands in for whatever a name would make."""

    def __init__(self, *_: Any) -> None:
        pass


class Rehearsal(Machine):
    """The small machine, with nothing behind torch's names."""

    def find_class(self, module: str, name: str) -> Any:
        """Let mappings pass, and torch's names, among which its own loader chooses; others may hash what they get."""
        if f"{module}.{name}" == "collections.OrderedDict":
            return Name(ordered)
        if module.partition(".")[0] == "torch":
            return Name(Nothing)
        raise ClipError(f"wants to run {module}.{name}, which is not done: save arrays as .npy or .npz")

    def persistent_load(self, told: Any) -> Any:
        """Look at what a storage claims: its name is hashed by torch, and its size made room for."""
        if not isinstance(told, tuple) or not all(isinstance(part, str | int | Name | None) for part in told):
            raise ClipError("points to something outside itself")
        check_size(max((part for part in told if isinstance(part, int)), default=0))
        return Nothing()

    def load_build(self) -> None:
        """Pass over a state."""
        self.stack.pop()


Rehearsal.dispatch = {**Machine.dispatch, b"b"[0]: Rehearsal.load_build}  # type: ignore[dict-item]


def vetted(data: bytes) -> bytes:
    """Give what torch may read.

    Raises
    ------
    ClipError
        for what would keep it busy, or fill the memory, or names anything but torch's own.
    """
    if data.startswith(ZIPPED):
        return _vetted_archive(data)
    if not data.startswith(LEGACY):
        raise ClipError("is no file that torch.save wrote")
    _rehearse_parts(io.BytesIO(data))
    return data


def _rehearse_parts(file: io.BytesIO) -> None:
    for _ in range(PARTS):
        Rehearsal(file).load()
    keys = Rehearsal(file).load()
    if not isinstance(keys, list):
        raise ClipError("does not name its storages")
    check_keys(keys)


def _vetted_archive(data: bytes) -> bytes:
    """Refuse an archive that unfolds (torch's own do not) or has two members of a name; rehearse its programs."""
    again = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(again, "w") as out:
        members = archive.infolist()
        if any(member.compress_type for member in members) or sum(member.file_size for member in members) > len(data):
            raise ClipError("unfolds to more than it is: torch.save does not write such files")
        if max(Counter(member.filename for member in members).values(), default=0) > 1:
            raise ClipError("has two members of one name")
        for member in members:
            content = archive.read(member)
            if member.filename.endswith(".pkl"):
                Rehearsal(io.BytesIO(content)).load()
            out.writestr(member.filename, content)
    return again.getvalue()

"""Which file came from which run, and which were sent: the challenge takes five.

``submissions.json`` lies beside the files. A file is known by the hash of its bytes, so one that was renamed is still
known, and one that was edited is not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mimetic.records import BadData, UsageError
from mimetic.store import write_atomically

NAME = "submissions.json"

TRIES = 5
"""Files that a team may send (ABAW's rules)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """One file: what it is, where it came from, and when it was sent, if it was."""

    sha256: str
    file: str
    run: str
    recipe: str
    split: str
    seed: int
    data: str
    written: str
    sent: str | None = None


class Ledger:
    """The submissions of a folder.

    Raises
    ------
    BadData
        if the ledger cannot be read: it is never begun anew over tries that were counted.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        try:
            lines = json.loads(self._path.read_text("utf-8")) if self._path.is_file() else []
            self._entries = {line["sha256"]: Submission(**line) for line in lines}
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            remedy = "Mend it, or move it away: it counts the tries."
            raise BadData(f"{self._path} cannot be read ({error})", remedy=remedy) from None

    @property
    def sent(self) -> tuple[Submission, ...]:
        """The files that were sent, the earliest first."""
        return tuple(sorted((e for e in self._entries.values() if e.sent), key=lambda entry: entry.sent or ""))

    @property
    def tries_left(self) -> int:
        """How many more may be sent."""
        return max(0, TRIES - len(self.sent))

    def origin(self, file: Path) -> Submission | None:
        """Give what is known of a file; ``None`` if it was not written here, or was changed since."""
        return self._entries.get(_hash(file))

    def record(self, file: Path, *, run: Path, recipe: str, split: str, seed: int, data: str) -> Submission:
        """Note which run a file was written from. The same bytes, written again, keep their first entry."""
        entry = Submission(
            sha256=_hash(file),
            file=file.name,
            run=str(run),
            recipe=recipe,
            split=split,
            seed=seed,
            data=data,
            written=_now(),
        )
        entry = self._entries.setdefault(entry.sha256, entry)
        self._write()
        return entry

    def send(self, file: Path) -> Submission:
        """Count a file as one of the tries; one that was sent before is not counted twice.

        Raises
        ------
        UsageError
            if the ledger does not know the file, or all tries are spent.
        """
        entry = self.origin(file)
        if entry is None:
            remedy = "Only what `mimetic submit` wrote, as it wrote it, can be told from which run it is."
            raise UsageError(f"{self._path} does not know {file}", remedy=remedy)
        if entry.sent is None:
            if not self.tries_left:
                names = ", ".join(sent.file for sent in self.sent)
                raise UsageError(f"all {TRIES} tries are spent ({names})", remedy=f"{self._path} has the dates.")
            entry = self._entries[entry.sha256] = replace(entry, sent=_now())
            self._write()
        return entry

    def _write(self) -> None:
        lines = [asdict(entry) for entry in self._entries.values()]
        write_atomically(self._path, (json.dumps(lines, indent=1, ensure_ascii=False) + "\n").encode())


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

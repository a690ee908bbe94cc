"""Coverage-guided fuzzing of our parsers with atheris: a target's name in; it stops at the first fault.

    python tools/fuzz.py TARGET [-max_total_time=60] [-atheris_runs=N] ...

Starts from ``tests/corpus/TARGET``; what it finds on the way is kept in ``.fuzz/TARGET``. Everything after the name is
libFuzzer's. Any error that is not one of ours is a fault, and so is what hangs, or takes too much memory.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

with atheris.instrument_imports(include=["mimetic", "zipfile", "json", "csv", "tomllib", "pickle"]):
    import hostile
    from mimetic.records import MimeticError


def main() -> None:
    """Fuzz one target. The first byte of an input chooses which kind of file it is."""
    target, *rest = sys.argv[1:]
    names = sorted({path.name for path in hostile.seeds(target)})
    folder = Path(tempfile.mkdtemp(prefix="mimetic-fuzz-"))
    kept = ROOT / ".fuzz" / target
    kept.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(hostile.seeds(target)):
        (kept / f"seed-{path.name}").write_bytes(bytes([number]) + path.read_bytes())
        hostile.TARGETS[target](_put(folder, path.name, path.read_bytes()))

    def one(data: bytes) -> None:
        if not data:
            return
        with contextlib.suppress(MimeticError):
            hostile.TARGETS[target](_put(folder, names[data[0] % len(names)], data[1:]))

    atheris.Setup([sys.argv[0], str(kept), "-timeout=10", "-rss_limit_mb=4096", *rest], one)
    atheris.Fuzz()


def _put(folder: Path, name: str, data: bytes) -> Path:
    for old in folder.glob("*"):
        if old.is_file():
            old.unlink()
    (folder / name).write_bytes(data)
    return folder / name


if __name__ == "__main__":
    main()

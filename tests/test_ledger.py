"""Which file came from which run is known by its bytes, and five may be sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from mimetic.ledger import NAME, TRIES, Ledger
from mimetic.records import BadData, UsageError


def write(folder: Path, text: str, name: str = "submission.csv") -> Path:
    file = folder / name
    file.write_text(text)
    Ledger(folder).record(file, run=Path("runs/F3/seed-0"), recipe="F3", split="2:1", seed=0, data="vidmimic")
    return file


def test_a_file_is_known_by_its_bytes_wherever_it_goes(tmp_path: Path) -> None:
    file = write(tmp_path, "a")
    moved = file.rename(tmp_path / "final.csv")
    origin = Ledger(tmp_path).origin(moved)
    assert origin is not None
    assert (origin.run, origin.recipe, origin.sent) == ("runs/F3/seed-0", "F3", None)
    moved.write_text("a ")
    assert Ledger(tmp_path).origin(moved) is None


def test_a_file_that_is_overwritten_leaves_its_line(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b")
    (tmp_path / "old.csv").write_text("a")
    assert Ledger(tmp_path).origin(tmp_path / "old.csv") is not None


def test_five_files_can_be_sent_and_a_sixth_cannot(tmp_path: Path) -> None:
    files = [write(tmp_path, str(i), f"{i}.csv") for i in range(TRIES + 1)]
    for i, file in enumerate(files[:TRIES]):
        assert Ledger(tmp_path).tries_left == TRIES - i
        assert Ledger(tmp_path).send(file).sent
        Ledger(tmp_path).send(file)  # the same once more is no other try
    with pytest.raises(UsageError, match=r"all 5 tries are spent \(0.csv, "):
        Ledger(tmp_path).send(files[-1])
    assert len(Ledger(tmp_path).sent) == TRIES


def test_a_file_of_unknown_origin_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "strange.csv").write_text("x")
    with pytest.raises(UsageError, match=r"does not know .*strange\.csv"):
        Ledger(tmp_path).send(tmp_path / "strange.csv")


@pytest.mark.parametrize("text", ["{", "[{}]", '[{"sha256": "a", "other": 1}]', "3"])
def test_a_spoilt_ledger_is_told_and_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(BadData, match=r"submissions\.json cannot be read"):
        Ledger(tmp_path)
    assert (tmp_path / NAME).read_text() == text

"""A training can be followed while it goes on, and leaves nothing behind once it is done."""

from __future__ import annotations

import json
from pathlib import Path

from mimetic.journal import FOLDER, Journal, underway
from mimetic.recipes import RECIPES


def line(epoch: int) -> dict[str, float]:
    return {"epoch": epoch, "loss": 1.0, "rate": 0.1, "mean_pearson": 0.2}


def test_epochs_are_seen_as_they_end_and_gone_when_the_run_is_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.note(RECIPES["light"], 3, line(1))
    journal.note(RECIPES["light"], 3, line(2))
    (found,) = underway([tmp_path])
    assert (found.recipe, found.seed, found.epochs) == ("light", 3, RECIPES["light"].fit.epochs)
    assert [epoch["epoch"] for epoch in found.history] == [1, 2]
    assert found.age < 60
    journal.close()
    assert underway([tmp_path]) == []
    assert not (tmp_path / FOLDER).exists()


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    Journal(tmp_path).note(RECIPES["light"], 0, line(1))
    (path,) = (tmp_path / FOLDER).iterdir()
    with path.open("a") as file:
        file.write(json.dumps(line(2))[:10])
    assert len(underway([tmp_path])[0].history) == 1


def test_a_training_that_starts_again_begins_anew(tmp_path: Path) -> None:
    Journal(tmp_path).note(RECIPES["light"], 0, line(1))  # killed
    Journal(tmp_path).note(RECIPES["light"], 0, line(1))
    assert len(underway([tmp_path])[0].history) == 1

"""Raters' own numbers: what is read of a table, and what is said of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mimetic.cli import main
from mimetic.ratings import agreement_of, read_ratings
from mimetic.records import BadData, UnknownName, UsageError


def test_the_limit_is_what_a_system_that_knows_the_truth_reaches() -> None:
    draw = np.random.default_rng(3)
    truth = draw.normal(size=20_000)
    ratings = truth[:, None] + 1.5 * draw.normal(size=(20_000, 4)) + np.array([0.0, 2.0, -1.0, 5.0])
    found = agreement_of(ratings, "abcd")
    assert found.limit == pytest.approx(np.corrcoef(truth, ratings.mean(axis=1))[0, 1], abs=0.01)


def test_gaps_count_for_alpha_and_not_for_the_complete_table(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("clip,A,B,C\na,1,2,1\nb,4,5,NA\nc,8,7,8\nd,,3,\n")
    found = agreement_of(read_ratings(path, ["A", "B", "C"]), ["A", "B", "C"])
    assert (found.clips, found.complete) == (3, 2)


@pytest.mark.parametrize(
    ("columns", "error", "told"),
    [
        (["A"], UsageError, "agrees with nobody"),
        (["A", "Z"], UnknownName, "no column 'Z'"),
        (["A", "word"], BadData, "line 2: word is 'high', not a number"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, columns: list[str], error: type[Exception], told: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text("clip,A,B,word\na,1,2,high\n")
    with pytest.raises(error, match=told):
        read_ratings(path, columns)


def test_crema_d_s_levels_agree_a_little(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Voice alone, face alone, both: each a mean of several people, tied levels (``30.67:51.00``) left out."""
    table = shared_data / "labels" / "cremad_ratings" / "summaryTable.csv"
    if not table.is_file():
        pytest.skip("no ratings there")
    known = tmp_path / "levels.csv"
    known.write_text(re.sub(r'"[^"]*:[^"]*"', '""', table.read_text()))
    words = ["agreement", str(known), "--raters", "VoiceLevel,FaceLevel,MultiModalLevel", "--json"]
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["clips"] > 7_000
    assert -1 < found["alpha"] < found["limit"] < 1

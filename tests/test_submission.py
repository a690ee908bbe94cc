"""A good submission passes, and every way to spoil one is told with its row or id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mimetic.records import BadData, Clip, Dataset, Scores, UnknownName
from mimetic.submission import check_submission, write_submission

TARGETS = ("Admiration", "Empathic Pain")
IDS = ("00007", "00010", "00009", "00008")


@pytest.fixture
def dataset() -> Dataset:
    clips = (Clip(id="00001", part="train"), *(Clip(id=id_, part="test") for id_ in IDS))
    return Dataset(name="d", clips=clips, targets=TARGETS, labels=np.full((5, 2), np.nan))


@pytest.fixture
def scores() -> Scores:
    values = np.array([[0.1, 0.2], [1.4, 0.0], [0.3, -0.2], [0.5, 0.9]])
    return Scores(clips=IDS, targets=TARGETS, values=values)


@pytest.fixture
def good(dataset: Dataset, scores: Scores, tmp_path: Path) -> Path:
    return write_submission(scores, dataset, tmp_path / "submission.csv")


def test_what_is_written_is_good_sorted_and_clipped(dataset: Dataset, good: Path) -> None:
    assert check_submission(good, dataset) == []
    lines = good.read_text().splitlines()
    assert lines[0] == "Filename,Admiration,Empathic Pain"
    assert [line.split(",")[0] for line in lines[1:]] == sorted(IDS)
    assert lines[4] == "00010,1.000000,0.000000"


SPOILT: dict[str, tuple[Callable[[str], str], str]] = {
    "another header": (lambda t: t.replace("Empathic Pain", "EmpathicPain"), "the header is"),
    "columns swapped": (lambda t: t.replace("Admiration,Empathic Pain", "Empathic Pain,Admiration"), "the header is"),
    "empty": (lambda t: "", "the header is nothing"),
    "a row is gone": (lambda t: t.replace("00008,0.500000,0.900000\n", ""), "the test clip 00008 has no row"),
    "a row twice": (lambda t: t + "00010,0.1,0.1\n", "the id 00010 stands 2 times"),
    "a stranger": (lambda t: t + "99999,0.1,0.1\n", "'99999' is no test clip"),
    "ids without zeros": (lambda t: t.replace("\n0000", "\n"), "'7' is no test clip"),
    "another order": (lambda t: _moved(t), "not in ascending order of ids"),
    "nan": (lambda t: t.replace("0.900000", "nan"), "clip 00008: Empathic Pain is 'nan', not a finite number"),
    "infinite": (lambda t: t.replace("0.900000", "inf"), "not a finite number"),
    "not a number": (lambda t: t.replace("0.900000", "high"), "is 'high', not a number"),
    "above one": (lambda t: t.replace("0.900000", "1.01"), "outside 0 to 1"),
    "below zero": (lambda t: t.replace("0.900000", "-0.1"), "outside 0 to 1"),
    "a field too few": (lambda t: t.replace(",0.900000", ""), "line 3 has 2 fields, not 3"),
    "a field too many": (lambda t: t.replace("0.900000", "0.9,0.9"), "line 3 has 4 fields, not 3"),
    "a constant column": (lambda t: _constant(t), "the column Empathic Pain is constant"),
}


def _moved(text: str) -> str:
    header, first, *rest = text.splitlines()
    return "\n".join([header, *rest, first]) + "\n"


def _constant(text: str) -> str:
    header, *rows = text.splitlines()
    return "\n".join([header, *(row.rpartition(",")[0] + ",0.5" for row in rows)]) + "\n"


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_submission_is_told(name: str, dataset: Dataset, good: Path) -> None:
    spoil, message = SPOILT[name]
    good.write_text(spoil(good.read_text()))
    faults = check_submission(good, dataset)
    assert any(message in fault for fault in faults), faults


def test_a_file_that_is_no_text_is_told(dataset: Dataset, good: Path) -> None:
    good.write_bytes(b"\xff\xfe\x00binary")
    assert "cannot be read" in check_submission(good, dataset)[0]


def test_scores_that_lack_a_test_clip_are_not_written(dataset: Dataset, tmp_path: Path) -> None:
    some = Scores(clips=IDS[:2], targets=TARGETS, values=np.zeros((2, 2)))
    with pytest.raises(BadData, match=r"2 test clips have no scores \(the first is 00009\)"):
        write_submission(some, dataset, tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()


def test_a_data_set_without_test_clips_has_no_submission(scores: Scores, tmp_path: Path) -> None:
    dataset = Dataset(name="d", clips=(Clip(id="a", part="train"),), targets=TARGETS, labels=np.zeros((1, 2)))
    with pytest.raises(BadData, match="d has no test clips"):
        write_submission(scores, dataset, tmp_path / "x.csv")


def test_ids_can_be_written_without_zeros_and_are_then_expected_so(
    dataset: Dataset, scores: Scores, tmp_path: Path
) -> None:
    file = write_submission(scores, dataset, tmp_path / "plain.csv", ids="plain")
    assert [line.split(",")[0] for line in file.read_text().splitlines()[1:]] == ["7", "8", "9", "10"]
    assert check_submission(file, dataset, ids="plain") == []
    assert any("'7' is no test clip" in fault for fault in check_submission(file, dataset))
    with pytest.raises(UnknownName, match="padded, plain"):
        write_submission(scores, dataset, tmp_path / "x.csv", ids="roman")

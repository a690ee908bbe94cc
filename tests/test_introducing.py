"""A folder of clips and a CSV are looked at; what is guessed is said, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimetic.automatic import group_column
from mimetic.datasets import open_dataset
from mimetic.introducing import write_introduction
from mimetic.records import BadData, UsageError


def folder(root: Path, table: str, media: tuple[str, ...] = ("clips/a.mp4", "clips/b.mp4")) -> Path:
    for name in media:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    (root / "labels.csv").write_text(table)
    return root


def test_columns_are_told_by_what_is_in_them(tmp_path: Path) -> None:
    table = (
        ",Video,Actor_ID,said,joy,fear\n1,a,7,what a very good day,1,2:3\n"
        "2,b,8,it is not so good,2,4\n3,c,8,oh my oh my oh,2,5\n"
    )
    path, found = write_introduction(folder(tmp_path, table))
    taken = {kind: name for kind, (name, _) in found.columns.items()}
    assert taken == {"path": "Video", "text": "said", "group": "Actor_ID"}
    dataset = open_dataset(tmp_path)
    assert open_dataset(path).targets == dataset.targets == ("joy", "fear")
    assert [clip.path for clip in dataset.clips[:2]] == [tmp_path / "clips" / "a.mp4", tmp_path / "clips" / "b.mp4"]
    assert dataset.clips[0].text == "what a very good day"
    np.testing.assert_array_equal(dataset.labels, [[1, np.nan], [2, 4], [2, 5]])
    assert dataset.columns["group"] == ("7", "8", "8")
    assert group_column(dataset) == "group"
    assert dataset.store == tmp_path / "features"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path, _ = write_introduction(folder(tmp_path, "path,x\nclips/a.mp4,1\nclips/b.mp4,2\n"))
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write_introduction(tmp_path)
    assert path.read_text() == "mine"


def test_a_column_that_counts_is_no_target(tmp_path: Path) -> None:
    rows = "".join(f"{i},text number {i},{i % 3},5\n" for i in range(20))
    _, found = write_introduction(folder(tmp_path, f"nr,text,mood,same\n{rows}", media=()))
    assert found.targets == ("mood",)
    assert dict(found.left) == {"nr": "it counts the rows", "same": "it is constant"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,x\nq,1\nr,2\n", "no column whose cells name media files"),
        ("path,x\na.mp4,low\nb.mp4,high\n", "no column of numbers"),
    ],
)
def test_what_is_no_data_set_is_told(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(BadData, match=message):
        write_introduction(folder(tmp_path, table))


def test_several_tables_are_asked_about(tmp_path: Path) -> None:
    folder(tmp_path, "path,x\na.mp4,1\nb.mp4,2\n")
    (tmp_path / "other.csv").write_text("path,y\na.mp4,3\nb.mp4,4\n")
    with pytest.raises(UsageError, match=r"labels.csv, other.csv.*--table"):
        write_introduction(tmp_path)
    assert write_introduction(tmp_path, tmp_path / "other.csv")[1].targets == ("y",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("table = 1", "describes no data set"),
        ("table = 'labels.csv'\n[columns]\npath = 'path'\ntargets = ['z']\n", "there is no column 'z'"),
        ("table = 'labels.csv'\n[columns]\nfile = 'path'\ntargets = ['x']\n", "there is no column 'file'"),
        ("table = 'labels.csv'\nunreadable = 'so'\n[columns]\npath = 'path'\ntargets = ['x']\n", "unreadable is 'so'"),
    ],
)
def test_a_bad_description_is_told(tmp_path: Path, text: str, message: str) -> None:
    folder(tmp_path, "path,x\na.mp4,1\nb.mp4,2\n")
    (tmp_path / "dataset.toml").write_text(text)
    with pytest.raises(BadData, match=message):
        open_dataset(tmp_path)


def test_ratings_with_ties_are_imported(shared_data: Path, tmp_path: Path) -> None:
    ratings = shared_data / "labels" / "cremad_ratings" / "summaryTable.csv"
    folder(tmp_path, ratings.read_text("utf-8"), media=("clips/1001_IEO_NEU_XX.flv",))
    write_introduction(tmp_path)
    dataset = open_dataset(tmp_path)
    assert dataset.targets == ("VoiceLevel", "FaceLevel", "MultiModalLevel")
    assert np.isnan(dataset.labels).sum(axis=0).tolist() == [644, 470, 420]
    assert dataset.clips[0].path == tmp_path / "clips" / "1001_IEO_NEU_XX.flv"

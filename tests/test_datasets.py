"""Data sets are read as they are, and what is wrong with one is told with file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimetic.datasets import open_dataset, open_datasets, with_words
from mimetic.records import BadData, UnknownName
from mimetic.splits import split_dataset

HEADER = "Filename,Admiration,Empathic Pain"


def layout(root: Path, *, train: str = "00000,0.5,0.0\n1,1.0,0.25\n2.0,0,0\n", valid: str = "00012,0.3,0.1\n") -> Path:
    root.mkdir(exist_ok=True)
    (root / "train_split.csv").write_text(f"{HEADER}\n{train}")
    (root / "valid_split.csv").write_text(f"{HEADER}\n{valid}")
    (root / "raw").mkdir()
    for name in ("00000.mp4", "00001.webm", "Thumbs.db"):
        (root / "raw" / name).write_bytes(b"")
    (root / "text").mkdir()
    (root / "text" / "00000.txt").write_text("words")
    (root / "text" / "00000.srt").write_text("")
    (root / "test_data" / "raw").mkdir(parents=True)
    for name in ("00021.mp4", "00020.mp4", "Thumbs.db"):
        (root / "test_data" / "raw" / name).write_bytes(b"")
    (root / "face_images" / "00001").mkdir(parents=True)
    return root


def test_the_challenge_s_layout_is_read_whole(tmp_path: Path) -> None:
    dataset = open_dataset(layout(tmp_path / "data"))
    assert dataset.targets == ("Admiration", "Empathic Pain")
    assert [(clip.id, clip.part) for clip in dataset.clips] == [
        ("00000", "train"),
        ("00001", "train"),
        ("00002", "train"),
        ("00012", "valid"),
        ("00020", "test"),
        ("00021", "test"),
    ]
    np.testing.assert_array_equal(dataset.labels[:4], [[0.5, 0.0], [1.0, 0.25], [0, 0], [0.3, 0.1]])
    assert np.isnan(dataset.labels[4:]).all()
    assert dataset.store == tmp_path / "data" / "features"


def test_every_listed_clip_is_there_with_what_is_known_of_it(tmp_path: Path) -> None:
    root = layout(tmp_path / "data")
    clips = {clip.id: clip for clip in open_dataset(root).clips}
    assert clips["00001"].path == root / "raw" / "00001.webm"
    assert clips["00002"].path == root / "raw" / "00002.mp4"  # it is not there, and will say so when it is read
    assert clips["00000"].words == root / "text" / "00000.txt"
    assert clips["00001"].faces == root / "face_images" / "00001"
    assert clips["00021"].path == root / "test_data" / "raw" / "00021.mp4"


def test_the_zeros_of_the_organisers_test_list_are_no_labels(tmp_path: Path) -> None:
    root = layout(tmp_path / "data")
    (root / "test_data" / "test_split.csv").write_text(f"{HEADER}\n00021,0,0\n20,0,0\n")
    dataset = open_dataset(root)
    assert [clip.id for clip in dataset.clips if clip.part == "test"] == ["00020", "00021"]
    assert np.isnan(dataset.labels[dataset.indices("test")]).all()


def test_files_are_found_by_id_however_they_spell_it_and_junk_is_none(tmp_path: Path) -> None:
    root = layout(tmp_path / "data")
    (root / "raw" / "2.mp4").write_bytes(b"")
    for name in ("9.mp4", "desktop.ini"):
        (root / "test_data" / "raw" / name).write_bytes(b"")
    clips = {clip.id: clip for clip in open_dataset(root).clips}
    assert clips["00002"].path == root / "raw" / "2.mp4"
    assert [id_ for id_, clip in clips.items() if clip.part == "test"] == ["00009", "00020", "00021"]


def test_a_table_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "train_split.csv").write_bytes("Filename,Mitgefühl\n1,0\n".encode("latin-1"))
    with pytest.raises(BadData, match="Save it as CSV in UTF-8"):
        open_dataset(tmp_path)


def test_what_else_is_known_of_clips_stands_in_a_table_of_its_own(tmp_path: Path) -> None:
    root = layout(tmp_path / "data")
    (root / "clips.csv").write_text("Filename,person,script\n12,p1,s1\n0,p2,\n00021,p1,s2\n77,p9,s9\n")
    dataset = open_dataset(root)
    assert dataset.column("person") == ("p2", "", "", "p1", "", "p1")
    assert dataset.column("script") == ("", "", "", "s1", "", "s2")
    with pytest.raises(UnknownName, match=r"persn.*person"):
        dataset.column("persn")
    (root / "clips.csv").write_text("clip,person\n12,p1\n")
    with pytest.raises(BadData, match="Filename"):
        open_dataset(root)


def test_columns_are_joined_by_name(tmp_path: Path) -> None:
    root = layout(tmp_path / "data")
    (root / "valid_split.csv").write_text("Filename,Empathic Pain,Admiration\n00012,0.1,0.3\n")
    dataset = open_dataset(root)
    np.testing.assert_array_equal(dataset.labels[3], [0.3, 0.1])


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("00000,0.5,many\n", r"train_split.csv, line 2: Empathic Pain is 'many', not a number"),
        ("00000,0.5,0\n00000,0.1,0\n", r"the id 00000 stands twice in train"),
        ("00012,0.5,0\n", r"the id 00012 stands in train and in valid"),
        (",0.5,0\n", r"line 2: there is no Filename"),
        ("00000,0,5,0\n", r"line 2 has 4 cells, the header 3"),
        ("00000,0.5\n", r"line 2 has 2 cells, the header 3"),
        ("00000,inf,0\n", r"line 2: Admiration is 'inf', not a number"),
    ],
)
def test_a_bad_table_is_told_with_its_line(tmp_path: Path, train: str, message: str) -> None:
    with pytest.raises(BadData, match=message):
        open_dataset(layout(tmp_path / "data", train=train))


def test_a_table_without_targets_or_ids_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train_split.csv").write_text("Filename\n00000\n")
    with pytest.raises(BadData, match="has no target column"):
        open_dataset(tmp_path)
    (tmp_path / "train_split.csv").write_text("Name,Joy\n00000,1\n")
    with pytest.raises(BadData, match="has no column 'Filename'"):
        open_dataset(tmp_path)


def test_nothing_and_not_a_data_set_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"there is no .*nowhere"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(BadData, match="is no data set"):
        open_dataset(tmp_path)


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_any_csv_with_paths_and_numbers_is_a_data_set(tmp_path: Path) -> None:
    text = "video,split,warmth,pride,rater\na.mp4,train,1,,anna\nsub/b.mp4,dev,2.5,0,ben\n"
    dataset = open_dataset(table(tmp_path / "mine.csv", text))
    assert dataset.targets == ("warmth", "pride")
    assert [(c.id, c.path, c.part) for c in dataset.clips] == [
        ("a.mp4", tmp_path / "a.mp4", "train"),
        ("sub/b.mp4", tmp_path / "sub" / "b.mp4", "valid"),
    ]
    np.testing.assert_array_equal(dataset.labels, [[1, np.nan], [2.5, 0]])
    assert dataset.store == tmp_path / "mine.features"


def test_what_tells_people_apart_is_no_target(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text("path,Speaker_ID,ActorID,age,joy,mood\na.mp4,7,1001,33,0.5,fine\nb.mp4,8,1002,,0.1,\n")
    dataset = open_dataset(table)
    assert dataset.targets == ("joy",)
    assert dict(dataset.columns) == {
        "Speaker_ID": ("7", "8"),
        "ActorID": ("1001", "1002"),
        "age": ("33", ""),
        "mood": ("fine", ""),
    }


def test_texts_alone_are_clips_too(tmp_path: Path) -> None:
    dataset = open_dataset(table(tmp_path / "t.csv", 'id,text,V\n007,"a\nb",1\n8,,2\n'))
    assert [(clip.id, clip.text, clip.path) for clip in dataset.clips] == [("007", "a\nb", None), ("8", "", None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,x\na.mp4,\n", "has no target column"),
        ("name,x\na.mp4,1\n", "has no column with paths or texts"),
        ('text,x\n"two\nlines",1\nb,2\nc,high\n', r"line 5: x is 'high', not a number"),
        ("path,x\na.mp4,1\na.mp4,2\n", r"line 3: the id 'a.mp4' stands twice"),
        ("path,part,x\na.mp4,training,1\n", r"line 2: there is no part 'training'"),
        ("path,x\n", "has no rows"),
        ("path,x\na.mp4,0,5\n", r"line 2 has more or fewer cells"),
        ("path,x,y\na.mp4,0\n", r"line 2 has more or fewer cells"),
        ("path,x,x\na.mp4,0,1\n", r"has two columns of one name"),
        ("path,x\na.mp4,1\nb.mp4,2\nc.mp4,1e999\n", r"line 4: x is '1e999', not a number"),
    ],
)
def test_a_bad_csv_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadData, match=message):
        open_dataset(table(tmp_path / "t.csv", text))


def test_files_and_folders_are_clips_without_labels(tmp_path: Path) -> None:
    for name in ("a/x.mp4", "a/x.wav", "a/notes.txt", "b/x.mp4", "b/deep/y.MKV"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [clip.id for clip in open_dataset(tmp_path / "a").clips] == ["x.mp4", "x.wav"]
    both = open_datasets([tmp_path / "a", tmp_path / "b"])
    assert [clip.id for clip in both.clips] == ["a/x.mp4", "x.wav", "deep/y.MKV", "b/x.mp4"]
    assert both.labels.shape == (4, 0)


def test_one_table_of_words_serves_all_clips(tmp_path: Path) -> None:
    dataset = with_words(open_dataset(layout(tmp_path / "data")), {"00001": "hello"})
    assert [clip.text for clip in dataset.clips[:2]] == [None, "hello"]


def test_splits_are_official_or_cut_anew_and_test_clips_stay_out(tmp_path: Path) -> None:
    rows = "".join(f"{i:05d},{i / 100},0\n" for i in range(100, 140))
    dataset = open_dataset(layout(tmp_path / "data", train=rows))
    official, recut = split_dataset(dataset, "2:1"), split_dataset(dataset, "4:1")
    assert (len(official.train), len(official.valid), len(official.test)) == (40, 1, 2)
    assert (len(recut.train), len(recut.valid)) == (33, 8)
    assert set(recut.train) | set(recut.valid) == set(official.train) | set(official.valid)
    assert not set(recut.train) & set(recut.valid)
    np.testing.assert_array_equal(recut.train, split_dataset(dataset, "4:1").train)
    with pytest.raises(UnknownName, match="there is no split '5:1'"):
        split_dataset(dataset, "5:1")


def test_a_split_without_validation_clips_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(table(tmp_path / "t.csv", "text,x\na,1\nb,2\n"))
    with pytest.raises(BadData, match="has no training clips at split 2:1"):
        split_dataset(dataset, "2:1")
    with pytest.raises(BadData, match=r"has no validation clips at split 4:1\..* cut it anew with --set split=1/2"):
        split_dataset(dataset, "4:1")

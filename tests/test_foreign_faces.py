"""OpenFace's and Py-Feat's tables, real ones and made ones: which rows, of whom, and when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from mimetic.foreign import READERS
from mimetic.foreign.arrays import read_safetensors
from mimetic.foreign.tables import OPENFACE, PYFEAT, read
from mimetic.records import ClipError
from mimetic.sheets import Sheet


def table(names: tuple[str, ...], rows: list[dict[str, object]], known: tuple[str, ...]) -> bytes:
    """Write a CSV; of the features a cell is the row's ``"all"``."""
    header = [*names, *known]
    lines = [
        ", ".join(header),
        *(", ".join(str(row.get(name, row.get("all", 0.5))) for name in header) for row in rows),
    ]
    return "\n".join(lines).encode()


def openface(rows: list[dict[str, object]]) -> Sheet:
    sheet = read(table(("frame", "face_id", "timestamp", "confidence", "success"), rows, OPENFACE))
    assert isinstance(sheet, Sheet)
    return sheet


def pyfeat(rows: list[dict[str, object]], *more: str) -> Sheet:
    sheet = read(table(("frame", "FaceScore", *more), rows, PYFEAT))
    assert isinstance(sheet, Sheet)
    return sheet


def face(frame: int, who: object = 0, **more: object) -> dict[str, object]:
    return {"frame": frame, "face_id": who, "timestamp": frame / 30, "confidence": 0.9, "success": 1, **more}


# ----------------------------------------------------------------------------------------------- real


def test_every_table_of_the_shared_data_is_read_or_told(shared_data: Path) -> None:
    files = sorted((shared_data / "face_features").rglob("*.csv"))
    assert len(files) == 8
    for file in files:
        if file.name == "clip_attrs.csv":  # phrases, and no column that names a clip as any tool does
            assert isinstance(read(file.read_bytes()), Sheet)
            continue
        sheet = read(file.read_bytes())
        assert isinstance(sheet, Sheet)
        assert sheet.values.shape[1] == (23 if "OpenFace" in file.name else 30), file
        assert sheet.valid is not None
        assert sheet.valid.all()


def test_frames_that_py_feat_skipped_are_counted(shared_data: Path) -> None:
    sheet = read((shared_data / "face_features/pyfeat_news_sample/001.csv").read_bytes())
    assert isinstance(sheet, Sheet)
    assert sheet.notes["frame"].tolist() == list(range(0, 40, 2))  # every second one was looked at


def test_openface_counts_frames_from_one(shared_data: Path) -> None:
    sheet = read((shared_data / "face_features/pyfeat_tests/OpenFace_Test.csv").read_bytes())
    assert isinstance(sheet, Sheet)
    assert sheet.notes["frame"].tolist() == list(range(100))
    assert openface([face(0), face(1)]).notes["frame"].tolist() == [0, 1]


# ------------------------------------------------------------------------------------------------ whom


def test_of_several_faces_the_one_that_is_measured_most_is_taken() -> None:
    unseen = [face(i, 0, success=0, confidence=0.0, all=1) for i in range(9)]
    seen = [face(i, 1, all=2) for i in range(5)]
    sheet = openface([*unseen, *seen])
    assert sheet.valid is not None
    assert (set(sheet.values.ravel()), sheet.valid.tolist()) == ({2.0}, [True] * 5)


def test_of_faces_that_are_measured_alike_the_surer_is_taken() -> None:
    sheet = openface([*(face(i, 0, confidence=0.5, all=1) for i in range(3)), *(face(i, 1, all=2) for i in range(3))])
    assert set(sheet.values.ravel()) == {2.0}


def test_py_feat_stays_with_its_main_person() -> None:
    rows: list[dict[str, object]] = []
    for frame in range(6):
        rows.append({"frame": frame, "FaceScore": 0.8, "Identity": "Person_0", "all": 1})
        if frame < 3:  # somebody passes, nearer to the camera
            rows.append({"frame": frame, "FaceScore": 0.99, "Identity": "Person_1", "all": 2})
    rows.append({"frame": 6, "FaceScore": 0.9, "Identity": "Person_2", "all": 3})  # as a lost face is named anew
    assert pyfeat(rows, "Identity").values[:, 0].tolist() == [1] * 6 + [3]


def test_py_feat_without_people_takes_the_surest_face_of_each_frame() -> None:
    sheet = pyfeat([{"frame": f, "FaceScore": s, "all": s} for f, s in ((0, 0.5), (0, 0.9), (4, 0.7), (2, 0.6))])
    assert sheet.values[:, 0].tolist() == [0.9, 0.6, 0.7]
    assert sheet.notes["frame"].tolist() == [0, 2, 4]


def test_a_frame_without_a_face_is_no_measurement() -> None:
    sheet = pyfeat([{"frame": 0, "FaceScore": 0.9}, {"frame": 1, "FaceScore": "", "all": ""}, {"frame": 2}])
    assert sheet.valid is not None
    assert sheet.valid.tolist() == [True, False, True]


# ------------------------------------------------------------------------------------------ other tables


def test_one_table_of_all_clips_faces_is_taken_apart_by_clip() -> None:
    rows = [{**face(frame), "filename": clip, "all": clip} for clip in (7, 12) for frame in range(4)]
    found = read(table(("filename", "frame", "timestamp", "confidence", "success"), rows, OPENFACE))
    assert isinstance(found, dict)
    assert sorted(found) == ["12", "7"]
    assert isinstance(found["12"], Sheet)
    assert (set(found["12"].values.ravel()), len(found["12"].values)) == ({12.0}, 4)
    assert found["12"].times is not None


def test_timestamps_of_a_table_of_all_clips_are_kept() -> None:
    found = read(b"id,timestamp,a\nx,0.0,1\nx,0.5,2\ny,0.0,3\n")
    assert isinstance(found, dict)
    assert isinstance(found["x"], Sheet)
    assert found["x"].times is not None
    assert (found["x"].times.tolist(), found["x"].values.tolist()) == ([0.0, 0.5], [[1.0], [2.0]])


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"0.5,1.5\n2.5,3.5\n", [[0.5, 1.5], [2.5, 3.5]]),  # np.savetxt
        (b"0,1\n2.5,3.5\n", [[2.5, 3.5]]),  # pandas' numbers of columns
        (b",0,1\n0,2.5,3.5\n", [[2.5, 3.5]]),  # and its index
        (b"Unnamed: 0,a\n0,2.5\n", [[2.5]]),  # and its index, written twice
    ],
)
def test_no_row_is_lost_to_a_header_that_is_none(data: bytes, values: list[list[float]]) -> None:
    sheet = read(data)
    assert isinstance(sheet, Sheet)
    assert sheet.values.tolist() == values


def test_bfloat16_is_read_from_safetensors_to_the_bit() -> None:
    tensor = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3))).to(torch.bfloat16)
    found = read_safetensors(save({"x": tensor, "y": tensor.half(), "n": tensor.to(torch.int32)}))
    np.testing.assert_array_equal(found["x"], tensor.float().numpy())
    np.testing.assert_array_equal(found["y"], tensor.half().numpy())
    assert found["n"].dtype == np.int32
    with pytest.raises(ClipError, match="F8_E4M3"):
        read_safetensors(save({"x": tensor.to(torch.float8_e4m3fn)}))


def test_pickled_tables_of_pandas_are_told_with_the_remedy() -> None:
    with pytest.raises(ClipError, match="write it with to_csv"):
        READERS[".xz"].load()(b"\xfd7zXZ")

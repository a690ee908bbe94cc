"""Files that others made: what is data is read to the number, and nothing is ever run."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save as save_safetensors

from mimetic.foreign.arrays import read_npy, read_npz, read_safetensors
from mimetic.foreign.pickles import read as read_pickle
from mimetic.foreign.tables import OPENFACE, PYFEAT
from mimetic.foreign.tables import read as read_table
from mimetic.records import ClipError
from mimetic.sheets import Sheet, as_sheet

DRAW = np.random.default_rng(0)
ARRAY = DRAW.normal(size=(38, 12)).astype(np.float32)


def torch_saved(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


# --------------------------------------------------------------------------------------------- pickles


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["<f4", ">f8", "<f2", "<i8", "|u1", "|b1"])
def test_pickled_arrays_are_read_at_every_protocol(protocol: int, kind: str) -> None:
    array = (ARRAY * 50).astype(kind)
    for given in (array, np.asfortranarray(array), array[::2], array[0]):
        np.testing.assert_array_equal(read_pickle(pickle.dumps(given, protocol)), given)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_lists_numbers_and_mappings_are_read(protocol: int) -> None:
    rows = ARRAY.tolist()
    assert read_pickle(pickle.dumps(rows, protocol)) == rows
    np.testing.assert_allclose(as_sheet(read_pickle(pickle.dumps(rows, protocol))).values, ARRAY)
    scalars = [np.float32(0.5), np.float64(2.0), 3]
    assert read_pickle(pickle.dumps(scalars, protocol)) == [0.5, 2.0, 3]
    found = read_pickle(pickle.dumps(OrderedDict(a=ARRAY, b={"c": ARRAY}), protocol))
    np.testing.assert_array_equal(found["b"]["c"], ARRAY)
    rows_of_arrays = read_pickle(pickle.dumps(list(ARRAY), protocol))
    np.testing.assert_array_equal(as_sheet(rows_of_arrays).values, ARRAY)


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.int64])
def test_plain_tensors_are_read(kind: torch.dtype) -> None:
    tensor = (torch.from_numpy(ARRAY) * 50).to(kind)
    expected = tensor.float().numpy()
    for given in (tensor, tensor[3:9, 2:5], tensor.T):
        found = read_pickle(pickle.dumps(given))
        np.testing.assert_array_equal(np.asarray(found, np.float32), given.float().numpy())
    np.testing.assert_array_equal(read_pickle(torch_saved(tensor)).astype(np.float32), expected)
    np.testing.assert_array_equal(read_pickle(torch_saved({"x": tensor}))["x"].astype(np.float32), expected)


class Runs:
    """What an attacker writes."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._told = function, arguments

    def __reduce__(self) -> Any:
        return self._told


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrapped", [lambda x: x, lambda x: [1, x], lambda x: {"a": x}, lambda x: (ARRAY, x)])
def test_a_pickle_that_wants_to_run_something_is_refused_by_name_and_runs_nothing(
    tmp_path: Path, protocol: int, wrapped: Any
) -> None:
    proof = tmp_path / "proof"
    for function, arguments in (
        (os.system, (f"touch {proof}",)),
        (eval, (f"open({str(proof)!r}, 'w')",)),
        (open, (str(proof), "w")),
        (np.save, (str(proof), ARRAY)),
        (getattr, (ARRAY, "tofile")),
        (torch.load, (str(proof),)),
    ):
        with pytest.raises(ClipError, match="wants to run"):
            read_pickle(pickle.dumps(wrapped(Runs(function, *arguments)), protocol))
    assert not list(tmp_path.iterdir())


def test_code_inside_a_tensor_s_storage_is_not_run(tmp_path: Path) -> None:
    inner = pickle.dumps(Runs(os.system, f"touch {tmp_path / 'proof'}"))
    outer = pickle.dumps(Runs(torch.storage._load_from_bytes, inner))
    with pytest.raises(ClipError, match="no file that torch"):
        read_pickle(outer)
    with pytest.raises(ClipError, match="wants to run"):
        read_pickle(torch_saved({"x": Runs(os.system, f"touch {tmp_path / 'proof'}")}))
    assert not list(tmp_path.iterdir())


def test_object_arrays_and_strings_are_no_numbers() -> None:
    for content in (np.array([1, "a", None], dtype=object), np.array(["a", "b"]), "text", {"a"}, np.datetime64("2020")):
        with pytest.raises(ClipError):
            as_sheet(read_pickle(pickle.dumps(content)))


def state(shape: Any, kind: str, data: bytes, *, fortran: bool = False) -> bytes:
    """Write the pickle of an array with any state."""

    class Fake:
        def __reduce__(self) -> Any:
            return np.core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), (1, shape, np.dtype(kind), fortran, data)

    return pickle.dumps(Fake())


@pytest.mark.parametrize(
    "made_up",
    [
        state((10**6, 10**6), "f4", b"1234"),
        state((-1,), "f4", b"1234"),
        state((1.5,), "f4", b"1234"),
        state("ab", "f4", b"1234"),
        state((1,), "f4", [1.0]),
        state((1,), "O", b"12345678"),
        state((1,), "M8[s]", b"12345678"),
        b"",
        b"junk",
        b"\x80\x05",
        pickle.dumps(ARRAY)[:-20],
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"(" * 10_000 + b"." * 10,
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62),
        b"\x80\x02U\x01aQ.",
        b"\x80\x02]\x85R.",
        b"\x80\x05\x97.",
    ],
)
def test_damaged_and_made_up_pickles_are_told(made_up: bytes) -> None:
    with pytest.raises(ClipError):
        as_sheet(read_pickle(made_up))


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_a_tensor_that_reaches_beyond_its_storage_is_refused() -> None:
    good = torch.arange(4.0)
    for size, stride, offset in (
        ((5,), (1,), 0),
        ((4,), (1,), 1),
        ((2, 2), (100, 1), 0),
        ((4,), (-1,), 3),
        ((2,), (1, 1), 0),
    ):
        fake = Runs(torch._utils._rebuild_tensor_v2, good.storage(), offset, size, stride, False, OrderedDict())
        with pytest.raises(ClipError):
            read_pickle(pickle.dumps(fake))


def test_lists_that_share_rows_do_not_unfold_without_end() -> None:
    row = [0.0] * 100_000
    with pytest.raises(ClipError, match="unfolds"):
        as_sheet(read_pickle(pickle.dumps([row] * 100_000)))


def test_every_flipped_byte_of_a_pickle_ends_well() -> None:
    whole = pickle.dumps(ARRAY[:2, :3])
    assert len(list(pickletools.genops(whole))) > 10
    for place in range(len(whole)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            spoilt = bytearray(whole)
            spoilt[place] ^= flip
            try:
                as_sheet(read_pickle(bytes(spoilt)))
            except ClipError:
                continue


# ---------------------------------------------------------------------------------------------- arrays


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_npy_npz_and_safetensors_are_read() -> None:
    np.testing.assert_array_equal(read_npy(npy(ARRAY)), ARRAY)
    file = io.BytesIO()
    np.savez(file, embeddings=ARRAY.astype(np.float16), valid=np.arange(38) % 3 > 0, timestamps_sec=np.arange(38) / 5)
    sheet = as_sheet(read_npz(file.getvalue()))
    np.testing.assert_array_equal(sheet.values, ARRAY.astype(np.float16))
    assert sheet.valid is not None
    assert sheet.times is not None
    assert (sheet.valid.sum(), sheet.times[5]) == (25, 1.0)
    np.testing.assert_array_equal(read_safetensors(save_safetensors({"x": ARRAY}))["x"], ARRAY)


def test_the_rival_s_face_cache_is_understood() -> None:
    arrays = {
        "embeddings": ARRAY,
        "face_found": np.arange(38) > 3,
        "face_prob": np.linspace(0, 1, 38),
        "bbox_xyxy": np.zeros((38, 4)),
        "frame_numbers": np.arange(38),
        "timestamps_sec": np.arange(38) / 30,
        "emotion_logits": np.zeros((38, 8)),
    }
    sheet = as_sheet(arrays)
    assert sheet.valid is not None
    assert (sheet.values.shape, sheet.valid.sum(), sheet.notes["confidence"][-1]) == ((38, 12), 34, 1.0)


def test_arrays_of_objects_bombs_and_damage_are_refused() -> None:
    huge = npy(ARRAY).replace(b"(38, 12)", b"(2**9,1)")
    file = io.BytesIO()
    np.save(file, np.array([1, "a"], dtype=object), allow_pickle=True)
    claims = npy(ARRAY).replace(b"'shape': (38, 12), }", b"'shape': (999999999,)")
    for data in (huge, file.getvalue(), claims, b"", npy(ARRAY)[:50], npy(ARRAY)[:-8]):
        with pytest.raises(ClipError):
            read_npy(data)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("embeddings.npy", npy(np.zeros(100_000_000)))
    with pytest.raises(ClipError, match="unfolds"):
        read_npz(bomb.getvalue())
    for data in (b"PK", bomb.getvalue()[:100], b""):
        with pytest.raises(ClipError):
            read_npz(data)
    with pytest.raises(ClipError):
        read_safetensors(b"\xff" * 100)


def test_a_file_with_several_arrays_and_no_name_that_is_known_is_told() -> None:
    with pytest.raises(ClipError, match="has the arrays a, b"):
        as_sheet({"a": ARRAY, "b": ARRAY})


# ---------------------------------------------------------------------------------------------- tables


def test_openface_s_23_columns_are_found_by_name(shared_data: Path) -> None:
    data = (shared_data / "face_features/pyfeat_tests/OpenFace_Test.csv").read_bytes()
    sheet = read_table(data)
    assert isinstance(sheet, Sheet)
    assert sheet.values.shape == (100, 23) == (100, len(OPENFACE))
    header = [name.strip() for name in data.split(b"\n")[0].decode().split(",")]
    first = data.split(b"\n")[1].decode().split(",")
    np.testing.assert_allclose(sheet.values[0], [float(first[header.index(name)]) for name in OPENFACE])
    assert sheet.times is None  # its timestamps claim a thousand frames a second
    tidy = data.replace(b", ", b",")
    np.testing.assert_array_equal(read_table(tidy).values, sheet.values)  # type: ignore[union-attr]


def openface(rows: list[dict[str, float]]) -> bytes:
    names = ["frame", "face_id", "timestamp", "confidence", "success", *OPENFACE]
    lines = [", ".join(names), *(", ".join(str(row.get(name, 0.5)) for name in names) for row in rows)]
    return "\n".join(lines).encode()


def test_openface_s_frames_without_success_or_confidence_are_no_measurement() -> None:
    rows = [{"frame": i, "face_id": 0, "timestamp": i / 25, "confidence": 0.9, "success": 1} for i in range(6)]
    rows[1]["success"], rows[2]["confidence"] = 0, 0.0
    sheet = read_table(openface([*rows, {"frame": 0, "face_id": 1, "timestamp": 0.0, "AU01_r": 5.0}]))
    assert isinstance(sheet, Sheet)
    assert sheet.valid is not None
    assert sheet.valid.tolist() == [True, False, False, True, True, True]
    assert sheet.values.max() == 0.5  # of the other face nothing
    assert sheet.times is not None
    assert sheet.times[-1] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "name", ["pyfeat_tests/001", "pyfeat_tests/002", "pyfeat_tests/Feat_Test", "pyfeat_news_sample/003"]
)
def test_py_feat_s_columns_are_found_by_name_in_old_and_new_tables(shared_data: Path, name: str) -> None:
    sheet = read_table((shared_data / "face_features" / f"{name}.csv").read_bytes())
    assert isinstance(sheet, Sheet)
    assert sheet.values.shape[1] == len(PYFEAT) == 30
    emotions = sheet.values[:, -7:]
    np.testing.assert_allclose(emotions.sum(axis=1), 1.0, atol=0.02)
    assert sheet.notes["confidence"].min() > 0.9


def test_other_tables_are_rows_or_clips() -> None:
    sheet = read_table(b"frame,a,b,who\n0,1,2,x\n1,3,,x\n")
    assert isinstance(sheet, Sheet)
    assert sheet.valid is not None
    assert (sheet.values.shape, sheet.valid.tolist()) == ((2, 2), [True, False])
    found = read_table(b"Filename,m1,m2\n00012,1,2\n13,3,4\n13,5,6\n")
    assert isinstance(found, dict)
    assert (found["00012"].tolist(), found["13"].tolist()) == ([1, 2], [[3, 4], [5, 6]])


@pytest.mark.parametrize("data", [b"", b"a,b\n", b"a,b\n1\n", b"a,b\nx,y\n", b"\0\0\0"])
def test_what_is_no_table_of_numbers_is_told(data: bytes) -> None:
    with pytest.raises(ClipError):
        read_table(data)

"""Pickles made to harm: refused by name, in little time and memory, and the next file is read as ever."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mimetic.foreign.pickles import read
from mimetic.foreign.pickles.machine import MOST, WORDS
from mimetic.foreign.pickles.stand_ins import STAND_INS
from mimetic.records import ClipError
from mimetic.sheets import as_sheet

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
ORDERED = b"ccollections\nOrderedDict\n"
LITTLE = 64 << 20


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def short(text: bytes) -> bytes:
    """Push a short text."""
    return b"U" + bytes([len(text)]) + text


def torch_saved(content: Any, *, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def rewritten(data: bytes, program: bytes | None = None, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Write a torch file again, with another program in it, or packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, program if program and name.endswith("data.pkl") else old.read(name))
    return out.getvalue()


# ------------------------------------------------------------------------------------------ what runs


@pytest.mark.parametrize(
    "program",
    [
        b"cposix\nsystem\n(S'touch {}'\ntR.",  # protocol 0
        b"(S'touch {}'\niposix\nsystem\n.",  # INST
        b"(cposix\nsystem\nS'touch {}'\no.",  # OBJ
        b"\x80\x02cposix\nsystem\nS'touch {}'\n\x85\x81.",  # NEWOBJ
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93S'touch {}'\n\x85R.",  # STACK_GLOBAL
        b"\x80\x02cposix\nsystem\nq\x00h\x00S'touch {}'\n\x85R.",  # from the memo
        b"]" + ORDERED + b"q\x000(cposix\nsystem\nh\x00S'touch {}'\n\x85RtR.",  # as an argument of what is known
        b"\x80\x02cnumpy\nndarray.tofile\n)R.",
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93)R.",
        b"\x80\x02cbuiltins\ngetattr\n" + ORDERED + short(b"__init__") + b"\x86R.",
        b"\x80\x02\x82\x01.",  # EXT1
        b"Psomewhere\n.",
    ],
)
def test_no_word_of_the_machine_runs_anything(program: bytes, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with pytest.raises(ClipError):
        read(program.replace(b"{}", str(proof).encode()))
    assert not proof.exists()


def test_the_forbidden_name_is_told() -> None:
    for program in (b"cos\nsystem\n(S'x'\ntR.", b"(S'x'\nios\nsystem\n.", b"\x80\x04\x8c\x02os\x8c\x06system\x93."):
        with pytest.raises(ClipError, match=r"wants to run os\.system"):
            read(program)


@pytest.mark.parametrize("name", sorted(STAND_INS))
@pytest.mark.parametrize("attribute", ["__defaults__", "__init__", "__setstate__", "anything"])
def test_a_file_cannot_change_how_the_next_one_is_read(name: str, attribute: str) -> None:
    module, _, last = name.rpartition(".")
    named = f"c{module}\n{last}\n".encode()
    pair = b"}" + short(attribute.encode()) + short(b"junk") + b"\x85s"
    for program in (b"\x80\x02" + named + b"N" + pair + b"\x86b.", b"\x80\x02" + named + pair + b"b."):
        with pytest.raises(ClipError, match="gives a state to what has none"):
            read(program)
    assert not hasattr(STAND_INS[name], "anything")
    np.testing.assert_array_equal(read(pickle.dumps(torch.from_numpy(ROWS))), ROWS)
    np.testing.assert_array_equal(read(pickle.dumps(ROWS)), ROWS)


def test_what_a_stand_in_returns_is_not_called() -> None:
    inner = rewritten(torch_saved({}), b"\x80\x02cbuiltins\nbytearray\n.")
    taken = b"\x80\x03ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(inner)) + inner + b"\x85R"
    for program in (
        taken + b"J\x00\x00\x00\x40\x85R.",
        b"\x80\x02" + ORDERED + b")R)R.",
        b"\x80\x02]K\x01\x85R.",
        b"\x80\x02" + ORDERED + b"]R.",
    ):
        with little_memory(), pytest.raises(ClipError):
            read(program)


def test_the_machine_knows_no_word_that_makes_objects() -> None:
    assert not {"OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "EMPTY_SET", "FROZENSET", "NEXT_BUFFER"} & {
        *WORDS
    }
    for content in ({1, 2}, frozenset([1]), complex(1, 2), slice(1), Path("x")):
        with pytest.raises(ClipError):
            as_sheet(read(pickle.dumps(content)))


# --------------------------------------------------------------------------------------- what has no end


def nested_pairs(depth: int) -> tuple[Any, ...]:
    pair: tuple[Any, ...] = ()
    for _ in range(depth):
        pair = (pair, pair)
    return pair


def ring() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pickle.dumps(ring()), "holds itself"),
        (pickle.dumps({"a": ring()}), "holds itself"),
        (pickle.dumps([[0.0]] + [[0.0] * 100_000] * 3_000), "unfolds"),
        (pickle.dumps(nested_pairs(60)), "unfolds"),
        (pickle.dumps([np.zeros((100, 1000), np.float32)] * 1_000), "unfolds"),
        (b"\x80\x02}" + pickle.dumps(nested_pairs(60), 2)[2:-1] + b"K\x01s.", "neither text nor numbers"),
        (b"\x80\x02}(" + pickle.dumps(nested_pairs(60), 2)[2:-1] + b"K\x01u.", "neither text nor numbers"),
        (b"(" + pickle.dumps(nested_pairs(60), 2)[2:-1] + b"K\x01d.", "neither text nor numbers"),
        (b"\x80\x05\x96" + struct.pack("<Q", 3 << 30) + b".", "is no pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 3 << 30) + b".", "is no pickle"),
        (torch_saved(torch.zeros(1).expand(20_000, 20_000)), "unfolds"),
        (pickle.dumps(torch.zeros(1).expand(20_000, 20_000)), "unfolds"),
        (rewritten(torch_saved(torch.zeros(4_000_000)), compression=zipfile.ZIP_DEFLATED), "unfolds"),
    ],
)
def test_a_small_file_does_not_unfold_without_end(data: bytes, told: str) -> None:
    read(pickle.dumps(torch.zeros(1)))  # what torch imports is no part of it
    with little_memory(), pytest.raises(ClipError, match=told):
        as_sheet(read(data))


def in_a_storages_place(key: bytes) -> bytes:
    return b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + key + b"X\x03\x00\x00\x00cpuK\x01tQ."


def legacy(program: bytes, keys: bytes = b"\x80\x02].") -> bytes:
    """Write a file as torch before 1.6 did."""
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    return head + program + keys


ENDLESS = pickle.dumps(nested_pairs(60), 2)[2:-1]


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02}" + ENDLESS + b"K\x01s.",
        b"\x80\x02}(" + ENDLESS + b"K\x01u.",
        b"\x80\x02" + ORDERED + b"](" + ENDLESS + b"K\x01\x86e\x85R.",
        b"\x80\x02ccollections\nCounter\n](" + ENDLESS + b"e\x85R.",
        b"\x80\x02c__builtin__\nset\n](" + ENDLESS + b"e\x85R.",
        in_a_storages_place(ENDLESS),
        in_a_storages_place(b"X\x01\x00\x00\x000").replace(
            b"K\x01t", b"\x8a\x06" + (1 << 42).to_bytes(6, "little") + b"t"
        ),
    ],
)
def test_no_torch_file_keeps_torchs_own_loader_busy(program: bytes) -> None:
    for data in (
        rewritten(torch_saved({}), program),
        legacy(program),
        legacy(b"\x80\x02}.", b"\x80\x02](" + ENDLESS + b"e."),
    ):
        with little_memory(), pytest.raises(ClipError):
            read(data)


def test_an_archive_with_two_members_of_a_name_is_refused() -> None:
    data = io.BytesIO(torch_saved(torch.ones(3)))
    with zipfile.ZipFile(data, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    with pytest.raises(ClipError, match="two members of one name"):
        read(data.getvalue())


def test_more_lists_than_anybody_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST > 5_000_000  # all rows of the challenge in one file of lists
    monkeypatch.setattr("mimetic.foreign.pickles.machine.MOST", 1_000)
    for word in (b"]", b"(", b"}", b"N\x85"):
        with pytest.raises(ClipError, match="more than 1,000 lists"):
            read(b"\x80\x02" + word * 1_001 + b".")


class Part:
    """Pickles as a large tensor of one number."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __reduce__(self) -> Any:
        size, stride = (1000, 1000), (0, 0)
        return torch._utils._rebuild_tensor_v2, (self._storage, 0, size, stride, False, OrderedDict())


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_many_tensors_of_one_number_take_the_memory_of_one_number() -> None:
    storage = torch.zeros(1).storage()
    data = pickle.dumps({str(number): Part(storage) for number in range(200)})
    with little_memory():
        assert read(data)["199"].shape == (1000, 1000)


# ------------------------------------------------------------------------------------------- what is read


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(3, 2, device="meta"),
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.ones(3, 2).to(torch.float8_e4m3fn),
        lambda: torch.nn.Linear(2, 2),
        lambda: [torch.float32],
    ],
)
def test_torch_files_of_other_things_cost_their_clip_alone(make: Any) -> None:
    with pytest.raises(ClipError):
        as_sheet(read(torch_saved(make())))


def test_torch_files_of_both_ages_are_read() -> None:
    tensor = torch.from_numpy(ROWS)
    for zipped in (True, False):
        np.testing.assert_array_equal(read(torch_saved(tensor, zipped=zipped)), ROWS)
        found = read(torch_saved(OrderedDict(a=tensor.half(), b=[tensor]), zipped=zipped))
        np.testing.assert_array_equal(found["a"], ROWS)
        np.testing.assert_array_equal(as_sheet(found["b"]).values[0], ROWS)


def test_an_empty_tensor_keeps_its_shape() -> None:
    assert read(pickle.dumps(torch.zeros(0, 768))).shape == (0, 768)


def test_every_name_is_a_way_in_that_arrays_and_tensors_need() -> None:
    assert all(name.split(".")[0] in ("numpy", "torch", "_codecs", "collections") for name in STAND_INS)
    assert os.system not in STAND_INS.values()

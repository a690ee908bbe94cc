"""Other backends than torch give what torch gives; in int8, as near as they say; and a store keeps to its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mimetic.converting
from mimetic.backends import BACKENDS, RECORD, Converted, check_backend, put_in
from mimetic.backends.packed import Packed, is_there, pack
from mimetic.benching.films import make_clip
from mimetic.cli import main
from mimetic.computed import read_computed
from mimetic.computing import Models
from mimetic.converting import Order, convert, distance
from mimetic.extraction import extract
from mimetic.features import feature, features
from mimetic.models import Inputs
from mimetic.records import Clip, MissingExtra, StoreError, UnknownName, UsageError
from mimetic.stocktaking import merge
from mimetic.store import Store
from tiny_speech import make_speech
from tiny_text import make_text
from tiny_vision import make_vision

needs_speed = pytest.mark.skipif(
    not all(find_spec(name) for entry in BACKENDS.values() for name in entry.needs), reason="needs the extra speed"
)
TEXTS = ("so it goes", "and on it goes, and on", "nobody knows", "why it went so well until it did not", "she laughs")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name the feature of a tiny text encoder."""
    return f"gte+model={make_text(tmp_path_factory.mktemp('models') / 'text')}"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory, texts: str) -> dict[str, str]:
    """Name a feature of each kind of network."""
    place = tmp_path_factory.mktemp("others")
    vision, speech = make_vision(place / "vision", "dinov2"), make_speech(place / "speech")
    return {"vision": f"dinov2-face+model={vision}", "speech": f"wav2vec2+model={speech}", "text": texts}


def spoken(count: int) -> list[Clip]:
    return [Clip(id=f"{i:05d}", text=f"{TEXTS[i % len(TEXTS)]} {'again ' * (i // 3)}") for i in range(count)]


def inputs(kind: str, sizes: Sequence[int]) -> list[Inputs]:
    """Give what a network of a kind takes of some clips."""
    draw = np.random.default_rng(0)
    if kind == "vision":
        pictures = [draw.integers(0, 256, (size, 32, 32, 3), np.uint8) for size in sizes]
        return [Inputs(arrays={"pictures": each}, cost=len(each)) for each in pictures]
    if kind == "speech":
        sounds = [draw.standard_normal(4_000 * size).astype(np.float32) for size in sizes]
        return [Inputs(arrays={"samples": each}, cost=len(each)) for each in sounds]
    tokens = [draw.integers(5, 30, 3 * size).astype(np.int32) for size in sizes]
    return [Inputs(arrays={"tokens": each}, cost=len(each), weight=float(len(each))) for each in tokens]


def order(name: str, backend: str, place: Path, clips: Sequence[Clip] = ()) -> Order:
    wanted = feature(name)
    return Order(
        features=(wanted,), backends={wanted.key: backend}, places={wanted.key: place / "it"}, clips=tuple(clips)
    )


def converted(name: str, backend: str, place: Path, clips: Sequence[Clip] = ()) -> mimetic.converting.Ready:
    (ready,) = convert(order(name, backend, place, clips)).values()
    return ready


def rows(name: str, by: Converted, batch: Sequence[Inputs]) -> list[np.ndarray]:
    model = feature(name).exact.make().load("cpu")
    put_in(model, by)
    return [each.values for each in model(batch)]


# ---------------------------------------------------------------------------------------------------- torch


def test_a_packed_layer_gives_what_the_layer_gives() -> None:
    assert is_there()
    linear = nn.Linear(96, 80)
    packed = Packed(linear)
    values = torch.randn(3, 7, 96)
    with torch.inference_mode():
        torch.testing.assert_close(packed(values), linear(values), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(packed(values)[1, 2], packed(values[1, 2]), rtol=0, atol=0)
    torch.testing.assert_close(packed.weight, linear.weight, rtol=0, atol=0)


def test_a_layer_that_somebody_listens_to_stays() -> None:
    network = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8).to(torch.bfloat16))
    network.append(network[0])
    network[1].register_forward_pre_hook(lambda *_: None)
    pack(network)
    assert [type(part) for part in network] == [Packed, nn.Linear, nn.Linear, Packed]
    assert network[0] is network[3]


# ------------------------------------------------------------------------------------------------ converted


@needs_speed
@pytest.mark.parametrize("backend", ["openvino", "onnx"])
@pytest.mark.parametrize("kind", ["vision", "speech", "text"])
def test_a_converted_network_gives_what_torch_gives(
    kind: str, backend: str, names: dict[str, str], tmp_path: Path
) -> None:
    ready = converted(names[kind], backend, tmp_path)
    assert ready.told["backend"] == ready.converted.backend == backend, ready.told
    batch = inputs(kind, (2, 5, 1))
    for ours, known in zip(
        rows(names[kind], ready.converted, batch), rows(names[kind], Converted(), batch), strict=True
    ):
        np.testing.assert_allclose(ours, known, rtol=0, atol=1e-4 * max(1.0, float(np.abs(known).max())))


@needs_speed
@pytest.mark.parametrize("kind", ["vision", "speech"])
def test_in_int8_a_row_does_not_depend_on_its_company(kind: str, names: dict[str, str], tmp_path: Path) -> None:
    name = f"{names[kind]}+precision=int8"
    wanted = feature(name)
    model = wanted.make().load("cpu")
    feeds = list(model.feeds(inputs(kind, (2, 3, 1))))
    made = BACKENDS["openvino"].load()("int8")
    made.write(model.graph, model.examples(), feeds, tmp_path / "it")
    by = Converted("openvino", "int8", tmp_path / "it")
    batch = inputs(kind, (2, 5, 1))
    together, alone = rows(name, by, batch), [rows(name, by, [each])[0] for each in batch]
    for ours, others in zip(together, alone, strict=True):
        np.testing.assert_allclose(ours, others, rtol=0, atol=1e-5)
    exact = rows(name, Converted(), batch)
    assert np.abs(np.concatenate(together) - np.concatenate(exact)).max() > 1e-4  # 8 bits are not 32


@needs_speed
def test_how_far_reduced_rows_are_is_told(texts: str, tmp_path: Path) -> None:
    told = converted(f"{texts}+precision=bf16", "openvino", tmp_path, spoken(24)).told
    assert told["precision"] == "bf16"
    assert told["distance"]["rows"] == 12
    assert 0.9 < told["distance"]["fifth"] <= told["distance"]["median"] <= 1.0


def test_the_distance_leaves_out_what_all_rows_share() -> None:
    draw = np.random.default_rng(0)
    known = (1000 + draw.standard_normal((50, 8))).astype(np.float32)
    noisy = (known + draw.standard_normal((50, 8))).astype(np.float32)
    far = distance(iter([(noisy[:20], known[:20]), (noisy[20:], known[20:])]))
    centred, other = known - known.mean(axis=0), noisy - known.mean(axis=0)
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(centred, other, strict=True)]
    assert far["median"] == pytest.approx(np.median(cosines), abs=1e-4)
    assert far["median"] < 0.9
    assert distance(iter([])) == {"rows": 0, "median": None, "fifth": None, "lowest": None}


@needs_speed
def test_a_network_that_does_not_convert_stays_with_torch(
    texts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mimetic.converting, "_check_equal", lambda *_: (_ for _ in ()).throw(ValueError("no")))
    ready = converted(texts, "openvino", tmp_path)
    assert ready.converted == Converted()
    assert "openvino does not convert it" in ready.told["reason"]


@needs_speed
def test_auto_takes_the_fastest_that_it_has_measured(texts: str, tmp_path: Path) -> None:
    ready = converted(texts, "auto", tmp_path, spoken(4))
    measured = ready.told["measured"]
    assert set(measured) == set(BACKENDS)
    assert ready.told["backend"] == min(measured, key=measured.__getitem__)


# --------------------------------------------------------------------------------------------------- stores


@needs_speed
def test_a_store_keeps_to_the_backend_that_it_began_with(texts: str, tmp_path: Path) -> None:
    store, wanted = Store(tmp_path / "store"), features([texts])
    (key,) = (each.key for each in wanted)
    first = extract(spoken(8), wanted, store, workers=0, backend="openvino")
    assert first[key].computed["backend"] == read_computed(store, key)["backend"] == "openvino"
    known = {clip: store[key][clip].values.copy() for clip in store[key]}

    with pytest.raises(UsageError, match="computed with openvino"):
        extract(spoken(40), wanted, store, workers=0, backend="onnx")
    extract(spoken(40), wanted, store, workers=1)
    assert len(store[key]) == 40
    for clip, values in known.items():
        np.testing.assert_allclose(store[key][clip].values, values, atol=1e-5)
    assert not list(store.path.glob(".converted*"))


@needs_speed
def test_in_int8_a_store_keeps_its_network(texts: str, tmp_path: Path) -> None:
    name = f"{texts}+precision=int8"
    store, wanted = Store(tmp_path / "store"), features([name])
    (key,) = (each.key for each in wanted)
    extract(spoken(32), wanted, store, workers=0)
    told = read_computed(store, key)
    assert (told["backend"], told["precision"]) == ("openvino", "int8")
    network = store.folder(key) / "int8" / "model.xml"
    stamp = network.stat().st_mtime_ns
    extract(spoken(64), wanted, store, workers=0)
    assert network.stat().st_mtime_ns == stamp
    assert read_computed(store, key) == told
    (weights,) = network.parent.glob("*.bin")
    weights.write_bytes(bytes([weights.read_bytes()[0] ^ 1]) + weights.read_bytes()[1:])
    with pytest.raises(StoreError, match="not as it was written"):
        extract(spoken(70), wanted, store, workers=0)


@pytest.mark.parametrize("content", ['{"backend": ', "[]", "[" * 100_000])
def test_a_record_that_is_none_is_refused(content: str, texts: str, tmp_path: Path) -> None:
    (wanted,) = features([texts])
    store = Store(tmp_path)
    store.folder(wanted.key).mkdir()
    (store.folder(wanted.key) / RECORD).write_text(content)
    with pytest.raises(StoreError, match=r"computed\.json"):
        extract(spoken(3), [wanted], store, workers=0, backend="openvino")


@needs_speed
def test_merged_stores_were_computed_alike(texts: str, tmp_path: Path) -> None:
    wanted, clips = features([texts]), spoken(6)
    (key,) = (each.key for each in wanted)
    ours, more, other = (Store(tmp_path / name) for name in ("ours", "more", "other"))
    for store, some, backend in ((ours, clips[:3], "openvino"), (more, clips[3:], "openvino"), (other, clips, "torch")):
        extract(some, wanted, store, workers=0, backend=backend)
    merge([ours, more], into := Store(tmp_path / "into"))
    assert len(into[key]) == 6
    assert read_computed(into, key) == read_computed(ours, key)
    with pytest.raises(UsageError, match=r"computed by openvino .* and by torch"):
        merge([ours, other], Store(tmp_path / "elsewhere"))


def test_raw_clips_are_computed_in_float32_where_a_store_is_in_int8(names: dict[str, str]) -> None:
    models = Models(features([f"{names['vision']}+precision=int8"]), "cpu")
    assert models.budgets
    known = rows(names["vision"], Converted(), inputs("vision", (2,)))
    given = rows(f"{names['vision']}+precision=int8", Converted(), inputs("vision", (2,)))
    np.testing.assert_array_equal(known[0], given[0])


def test_what_is_no_backend_is_refused(texts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = features([texts])
    with pytest.raises(UnknownName, match="tensorflow"):
        extract(spoken(2), wanted, Store(tmp_path), workers=0, backend="tensorflow")
    with pytest.raises(UsageError, match="onnx does not compute in int8"):
        check_backend("onnx", "int8")
    monkeypatch.setattr("mimetic.backends.find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match="speed"):
        extract(spoken(2), wanted, Store(tmp_path), workers=0, backend="openvino")
    assert not (tmp_path / RECORD).exists()


def test_where_the_time_went_is_told(texts: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (summary,) = extract(spoken(3), features([texts]), Store(tmp_path), workers=0).values()
    assert 0 < summary.computing < summary.seconds
    assert summary.decoding == 0
    clip = tmp_path / "a.mp4"
    make_clip(clip, 1.0, height=64, width=64)
    call = ["extract", str(clip), "--with", "motion-blocks,logmel", "--store", str(tmp_path / "s"), "--workers", "0"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*call, "--profile"])
    assert "decoding, its share" in capsys.readouterr().out


def test_torch_in_float32_leaves_no_record(texts: str, tmp_path: Path) -> None:
    (summary,) = extract(spoken(3), features([texts]), Store(tmp_path), workers=0).values()
    assert summary.computed == {}
    assert not list(tmp_path.rglob(RECORD))
    assert "computed" in json.dumps(summary.as_json())

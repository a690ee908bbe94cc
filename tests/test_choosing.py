"""``mimetic train`` on stored features: the table that can be trained, what is taken for what, and going on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mimetic.cli import main
from mimetic.features import feature
from mimetic.recipes import RECIPES
from mimetic.records import Track, UsageError
from mimetic.runs import Run
from mimetic.store import Row, Store, write_shard
from mimetic.training.choosing import on_features, read_taken

CLIPS = 40
SIZES = {"gte": 1, "wav2vec2-affect+rate=5": 6, "dinov2-face": 3}
"""Features that lie in the store, and rows of a clip."""


def features_only(root: Path, keys: dict[str, int]) -> Path:
    """Write the challenge's layout with labels and stored features, but without any media."""
    draw = np.random.default_rng(0)
    latent = draw.normal(size=(CLIPS, 2))
    for part, rows in (("train", range(24)), ("valid", range(24, CLIPS))):
        lines = [f"{i:05d},{0.5 + 0.1 * latent[i, 0]},{0.5 + 0.1 * latent[i, 1]}" for i in rows]
        (root / f"{part}_split.csv").write_text("\n".join(["Filename,Joy,Empathic Pain", *lines]) + "\n")
    store = Store(root / "features")
    for key, length in keys.items():
        made = feature(key)
        rows = [
            Row(clip=f"{i:05d}", source="s", track=_track(latent[i], key, length, draw), reason=None)
            for i in range(CLIPS)
        ]
        write_shard(store.folder(made.key), 0, {**made.identity, "made": "simulated"}, rows, made.dtype)
    return root


def _track(latent: np.ndarray, key: str, length: int, draw: np.random.Generator) -> Track:
    values = draw.normal(size=(length, feature(key).dim)).astype(np.float32)
    values[:, : len(latent)] += 3 * latent
    return Track(values=values, rate=feature(key).rate, valid=np.ones(length, bool))


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return features_only(tmp_path_factory.mktemp("stored"), SIZES)


def call(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run the command; give its code and what it wrote."""
    code = 0
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    told = capsys.readouterr()
    return code, told.out, " ".join(told.err.split())


def test_a_feature_that_is_stored_under_another_spelling_is_named_with_how_to_take_it(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, told = call("train", layout, "wav2vec2-affect.mlp", "--out", tmp_path, capsys=capsys)
    assert code == 2
    assert "has no wav2vec2-affect, but wav2vec2-affect+rate=5.0" in told
    assert "--feature wav2vec2-affect=wav2vec2-affect+rate=5.0" in told


def test_all_trains_what_the_store_has_tells_what_it_lacks_and_trains_nothing_twice(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = ("--feature", "wav2vec2-affect=wav2vec2-affect+rate=5")
    words = ("train", layout, "all", *taken, "--set", "fit.epochs=1", "--out", tmp_path, "--json")
    code, out, told = call(*words, capsys=capsys)
    trained = [run["recipe"] for run in json.loads(out)]
    audio = [f"wav2vec2-affect.{encoder}" for encoder in ("mlp", "meanstd", "attention")]
    rows = ["dinov2-face.gru", "dinov2-face.attention", *audio, "gte.lstm", "gte.mlp", "wav2vec2-affect.bilstm"]
    ours = [f"ours.{name}" for name in ("text", "audio", "face", "fusion", "fusion-4:1", "tokens")]
    assert (code, trained) == (0, [*rows, "F1", "F3", "F5", *ours])
    assert "motion-openface is not in" in told
    assert "left out: F2, F4, motion-openface.attention, ours.motion, ours.fusion+motion" in told
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert call(*words, capsys=capsys)[1] == out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_is_taken_for_what_stands_in_the_run(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = ("--feature", "wav2vec2-affect=wav2vec2-affect+rate=5")
    _, out, _ = call("train", layout, "wav2vec2-affect.mlp", *taken, "--out", tmp_path, "--json", capsys=capsys)
    run = Run(json.loads(out)[0]["run"])
    told = run.config["recipe"]["parts"][0]
    assert (told["feature"], told["instead_of"]) == ("wav2vec2-affect+rate=5.0", "wav2vec2-affect")
    assert run.config["features"][0]["rate"] == 5.0
    assert run.recipe.published == RECIPES["wav2vec2-affect.mlp"].published


def test_the_table_prints_ours_beside_the_published(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = call("train", layout, "gte.mlp,gte.lstm", "--set", "fit.epochs=1", "--out", tmp_path, capsys=capsys)
    assert "published" in out
    _, out, _ = call("train", layout, "gte.mlp", "--out", tmp_path / "whole", capsys=capsys)
    assert ".408" in out


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("wav2vec2", r"does not say which feature to take"),
        ("wav2vec2+rate=5=wavlm", r"does not say which feature to take"),
        ("wav2vec=wavlm", r"no extractor 'wav2vec'. Did you mean wav2vec2"),
    ],
)
def test_a_wrong_feature_is_told(told: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_taken([told])


def test_a_feature_of_another_modality_is_refused() -> None:
    with pytest.raises(UsageError, match="gte is text, and cannot be taken for dinov2-face, which is vision"):
        on_features(RECIPES["F1"], read_taken(["dinov2-face=gte"]))

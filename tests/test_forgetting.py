"""A clip or a person is forgotten: no byte of its rows, nor its id, is left; what cannot be undone is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from clips import write_layout
from mimetic.cli import main
from mimetic.datasets import open_dataset
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.forgetting import clips_of_person, forget
from mimetic.recipes import get_recipe
from mimetic.recipes.settings import with_settings
from mimetic.records import Clip, UsageError
from mimetic.runs import Run
from mimetic.soundness import DAMAGED
from mimetic.store import Store
from mimetic.training import train

GONE = "00001"
KEPT = ("00000", "00004", "00009")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    dataset = open_dataset(write_layout(root / "data"))
    store = Store(root / "store")
    extract(dataset.clips, features(["motion-blocks", "words-hashed"]), store, workers=0)
    recipe = with_settings(get_recipe("motion-blocks.meanstd"), {"fit.epochs": 2})
    train(dataset, recipe, store, root / "runs")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "x")
    return tmp_path / "x"


def everything(folder: Path) -> bytes:
    return b"\n".join(str(path).encode() + path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_no_byte_of_a_forgotten_clip_is_left_in_a_store(root: Path) -> None:
    place = root / "store"
    store = Store(place)
    traces = [GONE.encode(), *(store[key].source(GONE).encode() for key in store.keys())]  # noqa: SIM118
    for key in store.keys():  # noqa: SIM118
        values = store[key][GONE].values
        assert len(values)
        traces += [row.tobytes() for row in values if np.count_nonzero(row) > 3]
    before = {(key, clip): store[key][clip].values.tobytes() for key in store.keys() for clip in KEPT}  # noqa: SIM118
    assert all(trace in everything(place) for trace in traces)
    done = forget(place, [GONE])
    assert done.rows == {"motion-blocks": 1, "words-hashed": 1}
    assert not done.named
    left = everything(place)
    assert not [trace for trace in traces if trace in left]
    again = Store(place)
    assert {(key, clip): again[key][clip].values.tobytes() for key, clip in before} == before
    assert GONE not in again["motion-blocks"]


def test_no_score_of_a_forgotten_clip_is_left_in_a_run_and_its_weights_are_named(root: Path) -> None:
    (path,) = (root / "runs").glob("*/seed-0")
    outcome = Run(path).outcome
    score = outcome.predicted[outcome.clips.index(GONE)].tobytes()
    done = forget(root / "runs", [GONE])
    left = everything(root / "runs")
    assert score not in left
    assert GONE.encode() not in left
    (trained,) = done.trained
    assert "weights were trained on 00001" in trained
    after = Run(path).outcome
    assert after.clips == tuple(clip for clip in outcome.clips if clip != GONE)
    np.testing.assert_array_equal(after.predicted[0], outcome.predicted[0])


def test_what_was_made_in_passing_goes_whole_and_what_names_the_clip_is_told(root: Path) -> None:
    place = root / "store"
    (shard,) = (place / "motion-blocks").glob("*.arrow")
    for name in (shard.name + DAMAGED, f".{shard.name}.77.part"):
        shutil.copyfile(shard, shard.with_name(name))
    (place / "report.html").write_text(f"<td>{GONE}</td>")
    done = forget(place, [GONE])
    assert len(done.removed) == 2
    assert done.named == [str(place / "report.html")]
    (place / "report.html").unlink()
    assert GONE.encode() not in everything(place)


def test_what_an_encoder_learned_from_loses_the_id_and_is_named(root: Path) -> None:
    told = root / "store" / "motion-blocks" / "tuned.json"
    told.write_text(json.dumps({"format": 1, "clips": {GONE: "aa", "00000": "bb"}}))
    done = forget(root / "store", [GONE])
    assert json.loads(told.read_text())["clips"] == {"00000": "bb"}
    assert "learned from 00001" in done.trained[0]


def test_words_that_a_kept_clip_says_too_are_no_trace(root: Path) -> None:
    """Two clips with one text have one fingerprint: what still holds it may mean the other."""
    place = root / "same"
    twins = [Clip(id=name, path=None, text="the same words") for name in (GONE, KEPT[0])]
    extract(twins, features(["words-hashed"]), Store(place), workers=0)
    source = Store(place)["words-hashed"].source(GONE)
    note = place / "words-hashed" / "note.json"
    note.write_text(json.dumps(source))

    assert forget(place, {GONE}).named == []
    assert forget(place, {KEPT[0]}).named == [str(note)]


def test_a_person_is_all_of_their_clips(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = root / "people.csv"
    table.write_text("id,text,person,Joy\n" + "".join(f"{n:05d},x,{'ann' if n < 3 else 'bob'},.5\n" for n in range(8)))
    assert clips_of_person(open_dataset(table), "ann") == {"00000", "00001", "00002"}
    with pytest.raises(UsageError, match="does not know the person 'eve'"):
        clips_of_person(open_dataset(table), "eve")
    with pytest.raises(SystemExit) as ended:
        main(["forget", str(root / "store"), str(root / "runs"), "--person", "ann", "--data", str(table), "--json"])
    assert ended.value.code == 1  # weights were trained on them
    told = json.loads(capsys.readouterr().out)
    assert told["places"][str(root / "store")]["rows"]["motion-blocks"] == 3
    assert not {b"00000", b"00001", b"00002"} & set(everything(root / "store").split())


def test_what_is_to_be_forgotten_has_to_be_clear(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--person", "ann"], ["--clip", "a", "--person", "b"]):
        with pytest.raises(SystemExit) as ended:
            main(["forget", str(root / "store"), *words])
        assert ended.value.code == 2
    with pytest.raises(UsageError, match="is no run"):
        forget(root / "data" / "text", [GONE])

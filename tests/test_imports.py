"""Features that others made: joined by id alone, as the feature that they stand for, in whatever they were kept."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import mimetic.imports
from clips import write_layout
from mimetic.cli import main
from mimetic.datasets import open_dataset
from mimetic.extraction import extract
from mimetic.features import feature, features
from mimetic.foreign.tables import OPENFACE
from mimetic.imports import import_features
from mimetic.prediction import predict
from mimetic.recipes import Fit, Part, Recipe, stage_one
from mimetic.records import BadData, Clip, UnknownName, UsageError
from mimetic.store import Store
from mimetic.training import train

CLIPS = [Clip(id=f"{number:05d}") for number in range(10)]
WANTED = feature("own-audio+name=mine+dim=4+fps=5")


def rows(number: int, count: int = 6, dim: int = 4) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(count, dim)).astype(np.float32)


def folder(root: Path, write: Any, suffix: str, clips: range = range(10)) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for number in clips:
        write(root / f"{number:05d}{suffix}", rows(number, 3 + number))
    return root


def pickled(path: Path, array: Any) -> None:
    path.write_bytes(pickle.dumps(array))


WRITERS: dict[str, Any] = {
    ".pkl": pickled,
    ".npy": lambda path, array: np.save(path, array),
    ".npz": lambda path, array: np.savez(path, embeddings=array),
    ".safetensors": lambda path, array: save_file({"x": array}, path),
    ".csv": lambda path, array: np.savetxt(path, array, delimiter=",", header="a,b,c,d", comments="", fmt="%.9g"),
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_a_clip_in_a_folder_or_a_zip(tmp_path: Path, suffix: str, zipped: bool) -> None:
    place = folder(tmp_path / "made", WRITERS[suffix], suffix)
    if zipped:
        with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
            for file in sorted(place.iterdir(), reverse=True):
                archive.write(file, f"some/where/{file.name}")
        place = tmp_path / "made.zip"
    summary = import_features(CLIPS, place, WANTED, Store(tmp_path / "store"))
    assert (summary.clips, summary.absent, summary.strangers, summary.failures) == (10, [], [], [])
    stored = Store(tmp_path / "store")[WANTED.key]
    for number, clip in enumerate(CLIPS):
        np.testing.assert_array_equal(stored[clip.id].values, rows(number, 3 + number))
        assert (stored[clip.id].rate, stored[clip.id].valid.all()) == (5.0, True)


def test_one_file_with_all_clips(tmp_path: Path) -> None:
    content = {f"{number}": rows(number) for number in range(10)}
    pickled(tmp_path / "all.pkl", content)
    np.savez(tmp_path / "all.npz", **content)  # type: ignore[arg-type]
    for name in ("all.pkl", "all.npz"):
        import_features(CLIPS, tmp_path / name, WANTED, Store(tmp_path / name[-3:]))
        np.testing.assert_array_equal(Store(tmp_path / name[-3:])[WANTED.key]["00007"].values, rows(7))


def test_a_table_with_a_vector_a_clip(tmp_path: Path) -> None:
    lines = ["video_id,a,b", *(f"{number}.mp4,{number},{-number}" for number in range(10))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    wanted = feature("own-motion+name=t+dim=2")
    import_features(CLIPS, tmp_path / "t.csv", wanted, Store(tmp_path / "store"))
    np.testing.assert_array_equal(Store(tmp_path / "store")[wanted.key]["00007"].values, [[7, -7]])


def test_the_challenge_s_zips_stand_for_their_extractors(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "data")
    clips = open_dataset(layout).clips
    with zipfile.ZipFile(tmp_path / "wav2vec2.zip", "w") as archive:
        for number, _ in enumerate(clips):
            archive.writestr(f"wav2vec2/{number:05d}.pkl", pickle.dumps(rows(number, 294, 768), 4))
        archive.writestr("wav2vec2/Thumbs.db", b"x")
        archive.writestr("__MACOSX/wav2vec2/._00000.pkl", b"x")
    store = Store(layout / "features")
    wanted = feature("wav2vec2")
    summary = import_features(clips, tmp_path / "wav2vec2.zip", wanted, store)
    assert (summary.clips, summary.rows, summary.strangers) == (10, 2940, [])
    track = store["wav2vec2"]["00003"]
    np.testing.assert_array_equal(track.values, rows(3, 294, 768).astype(np.float16))
    assert wanted.matches({**track.provenance, "source": None} | {}) is False  # a source is no part of it
    assert wanted.matches(store["wav2vec2"].newest("00003").identity)
    assert extract(clips, [wanted], store, workers=0)["wav2vec2"].clips == 10  # nothing is missing: no weights needed


def test_clips_are_joined_by_id_and_never_by_order(tmp_path: Path) -> None:
    place = folder(tmp_path / "made", WRITERS[".npy"], ".npy", range(2, 6))
    np.save(place / "00099.npy", rows(99))
    np.save(place / "notes.npy", rows(0))
    summary = import_features(CLIPS, place, WANTED, Store(tmp_path / "store"))
    assert summary.absent == ["00000", "00001", "00006", "00007", "00008", "00009"]
    assert summary.strangers == ["00099.npy", "notes.npy"]
    stored = Store(tmp_path / "store")[WANTED.key]
    np.testing.assert_array_equal(stored["00004"].values, rows(4, 7))
    assert stored.reason("00000") == "not among what was imported"


def test_two_files_of_one_clip_are_told(tmp_path: Path) -> None:
    place = folder(tmp_path / "made", WRITERS[".npy"], ".npy")
    np.save(place / "7.npy", rows(7))
    with pytest.raises(BadData, match=r"two entries for the clip '00007'"):
        import_features(CLIPS, place, WANTED, Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_a_source_of_other_clips_is_told(tmp_path: Path) -> None:
    place = folder(tmp_path / "made", WRITERS[".npy"], ".npy")
    with pytest.raises(BadData, match=r"has none of the 1 clips.*00000\.npy"):
        import_features([Clip(id="x")], place, WANTED, Store(tmp_path / "store"))
    for wrong, told in ((tmp_path / "nowhere", "there is no"), (Path(__file__), "of no kind that is read")):
        with pytest.raises(BadData, match=told):
            import_features(CLIPS, wrong, WANTED, Store(tmp_path / "store"))


def test_what_cannot_be_used_costs_its_clip_and_says_why(tmp_path: Path) -> None:
    place = folder(tmp_path / "made", WRITERS[".pkl"], ".pkl")
    proof = tmp_path / "proof"
    (place / "00001.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(proof).encode() + b"'\ntR.")
    (place / "00002.pkl").write_bytes(b"junk")
    pickled(place / "00003.pkl", rows(3, 5, 7))
    pickled(place / "00004.pkl", np.full((3, 4), 1e300))
    holes = rows(5, 5)
    holes[1, 2] = np.nan
    pickled(place / "00005.pkl", holes)
    pickled(place / "00006.pkl", rows(6, 0))
    summary = import_features(CLIPS, place, WANTED, Store(tmp_path / "store"))
    told = dict(summary.failures)
    assert sorted(told) == [f"0000{number}" for number in range(1, 7)]
    assert "00001.pkl: wants to run os.system" in told["00001"].replace("posix", "os")
    assert "5 by 7" in told["00003"]
    assert "not finite" in told["00004"]
    assert told["00005"] == "in part: 1 rows are not finite in float32"
    assert Store(tmp_path / "store")[WANTED.key]["00005"].valid.tolist() == [True, False, True, True, True]
    assert told["00006"].endswith("has no rows")
    assert not proof.exists()
    assert summary.clips == 10


def test_rows_are_put_where_they_belong_in_time(tmp_path: Path) -> None:
    place = folder(tmp_path / "made", WRITERS[".npy"], ".npy")
    import_features(CLIPS, place, WANTED, Store(tmp_path / "fast"), rate=10.0)
    track = Store(tmp_path / "fast")[WANTED.key]["00005"]
    np.testing.assert_allclose(track.values, rows(5, 8).reshape(4, 2, 4).mean(axis=1), atol=1e-6)
    import_features(CLIPS, place, WANTED, Store(tmp_path / "slow"), rate=2.5)
    track = Store(tmp_path / "slow")[WANTED.key]["00005"]
    assert track.valid.tolist() == [True, False] * 7 + [True]
    np.testing.assert_array_equal(track.measured, rows(5, 8))


def test_times_and_masks_of_a_file_are_followed(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    times = np.array([0.0, 0.1, 0.5, 1.25])
    np.savez(tmp_path / "made" / "3.npz", embeddings=rows(3, 4), timestamps_sec=times, valid=[True, True, False, True])
    import_features(CLIPS, tmp_path / "made", WANTED, Store(tmp_path / "store"))
    track = Store(tmp_path / "store")[WANTED.key]["00003"]
    assert track.valid.tolist() == [True, False, False, False, False, False, True]
    np.testing.assert_allclose(track.values[0], rows(3, 4)[:2].mean(axis=0), atol=1e-6)


def test_openface_tables_are_the_poster_s_motion(tmp_path: Path, shared_data: Path) -> None:
    (tmp_path / "made").mkdir()
    data = (shared_data / "face_features/pyfeat_tests/OpenFace_Test.csv").read_bytes()
    (tmp_path / "made" / "00003.csv").write_bytes(data)
    wanted = feature("motion-openface")
    summary = import_features(CLIPS, tmp_path / "made", wanted, Store(tmp_path / "store"), rate=30.0)
    assert (summary.clips, summary.rows, len(summary.absent)) == (1, 100, 9)
    track = Store(tmp_path / "store")["motion-openface"]["00003"]
    assert (track.values.shape, track.rate, track.values.dtype) == ((100, len(OPENFACE)), 30.0, np.float32)


def test_a_rerun_writes_nothing_and_a_changed_file_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mimetic.imports, "SHARD", 4)
    place = folder(tmp_path / "made", WRITERS[".npy"], ".npy")
    store = Store(tmp_path / "store")
    import_features(CLIPS, place, WANTED, store)
    before = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "store").rglob("*.arrow"))}
    import_features(CLIPS, place, WANTED, store)
    assert {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "store").rglob("*.arrow"))} == before
    np.save(place / "00009.npy", rows(100))
    import_features(CLIPS, place, WANTED, store)
    np.testing.assert_array_equal(store[WANTED.key]["00009"].values, rows(100))
    assert len(list((tmp_path / "store").rglob("*.arrow"))) == len(before) + 1


def test_what_was_imported_stays_when_the_rest_is_extracted(tmp_path: Path) -> None:
    clips = open_dataset(write_layout(tmp_path / "data")).clips
    (tmp_path / "made").mkdir()
    for number in (0, 2, 4):
        np.save(tmp_path / "made" / f"{number}.npy", rows(number, 20, 48))
    store, wanted = Store(tmp_path / "store"), features(["logmel"])
    summary = import_features(clips, tmp_path / "made", wanted[0], store)
    assert summary.clips == 3
    extract(clips, wanted, store, workers=0)
    assert len(store["logmel"]) == len(clips)
    np.testing.assert_array_equal(store["logmel"]["00004"].values, rows(4, 20, 48))
    assert store["logmel"].length("00003") != 20
    assert extract(clips, wanted, store, workers=0)["logmel"].seconds == 0.0


def test_wrong_calls_are_told(tmp_path: Path) -> None:
    place = folder(tmp_path / "made", WRITERS[".npy"], ".npy")
    with pytest.raises(UsageError, match="--rate -1 is no rate"):
        import_features(CLIPS, place, WANTED, Store(tmp_path / "s"), rate=-1)
    with pytest.raises(UsageError, match="has no rate"):
        import_features(CLIPS, place, feature("gte"), Store(tmp_path / "s"), rate=5)
    with pytest.raises(UnknownName, match="rows"):
        import_features(CLIPS, place, WANTED, Store(tmp_path / "s"), missing="row")


def test_the_command_counts_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = write_layout(tmp_path / "data")
    place = folder(tmp_path / "made", WRITERS[".npy"], ".npy", range(3, 12))
    call = ["import", str(layout), str(place), "--as", "own-audio+name=mine+dim=4+fps=5"]
    with pytest.raises(SystemExit) as ended:
        main([*call, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1
    assert (told["clips"], told["absent"], told["strangers"]) == (
        7,
        ["00000", "00001", "00002"],
        ["00010.npy", "00011.npy"],
    )
    with pytest.raises(SystemExit):
        main(call)
    text = capsys.readouterr().out
    assert "3 clips that it has nothing of: 00000, 00001, 00002" in text
    assert "2 names that are no clip's: 00010.npy, 00011.npy" in text
    assert any((layout / "features").iterdir())


def test_what_was_imported_trains_and_is_missing_in_a_raw_clip(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "data", train=12, valid=6)
    dataset = open_dataset(layout)
    store = Store(layout / "features")
    (tmp_path / "made").mkdir()
    for number, _ in enumerate(dataset.clips):
        np.save(tmp_path / "made" / f"{number}.npy", rows(number, 9, 768))
    import_features(dataset.clips, tmp_path / "made", feature("wav2vec2"), store)
    import_features(dataset.clips, tmp_path / "made", feature("own-motion+name=x+dim=768+fps=9"), store)
    parts = [Part(feature=key, encoder="meanstd") for key in ("wav2vec2", "own-motion+name=x+dim=768+fps=9")]
    recipe = Recipe(name="two", source="test", parts=tuple(parts), fit=Fit(epochs=2))
    run = train(dataset, recipe, store, tmp_path / "runs")
    assert run.dims == [768, 768]
    assert run.config["features"][0]["made"] == {"imported": True, "rate": None}
    motion = train(dataset, stage_one(recipe)[1], store, tmp_path / "runs")
    scores = predict(motion, [dataset.clips[0]])
    assert "imported features" in str(scores.errors[0])

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
from mimetic.media import Media
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


# ----------------------------------------------------------------------------------- parts, and in what order


def constant(root: Path, clips: range, value: float, shape: tuple[int, ...] = (6, 4)) -> Path:
    root.mkdir()
    for number in clips:
        np.save(root / f"{number:05d}.npy", np.full(shape, value, np.float32))
    return root


def test_a_second_part_takes_nothing_from_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    import_features(CLIPS, constant(tmp_path / "train", range(4), 1), WANTED, store)
    summary = import_features(CLIPS, constant(tmp_path / "valid", range(4, 8), 2), WANTED, store)
    stored = store[WANTED.key]
    assert [stored[clip.id].values[0, 0] for clip in CLIPS[:8]] == [1.0] * 4 + [2.0] * 4
    assert [stored.reason(clip.id) for clip in CLIPS[8:]] == ["not among what was imported"] * 2
    assert summary.absent == [clip.id for clip in (*CLIPS[:4], *CLIPS[8:])]


def test_the_last_import_counts_though_it_was_made_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first, second = constant(tmp_path / "a", range(10), 1), constant(tmp_path / "b", range(10), 2)
    for place, value in ((first, 1.0), (second, 2.0), (first, 1.0)):
        import_features(CLIPS, place, WANTED, store)
        assert store[WANTED.key]["00003"].values[0, 0] == value
    for rate, count in ((10.0, 3), (2.5, 11), (10.0, 3)):
        import_features(CLIPS, first, WANTED, store, rate=rate)
        assert store[WANTED.key].length("00003") == count


def test_a_killed_import_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetic.imports, "SHARD", 3)
    place = constant(tmp_path / "made", range(2, 9), 1)

    def stop(done: int, _: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    import_features(CLIPS, place, WANTED, Store(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        import_features(CLIPS, place, WANTED, Store(tmp_path / "killed"), progress=stop)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("*.arrow")}
    assert len(files) == 2
    import_features(CLIPS, place, WANTED, Store(tmp_path / "killed"))
    whole, killed = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.arrow")} for name in ("whole", "killed")
    )
    assert whole == killed
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_a_long_track_is_set_aside_and_is_the_same(tmp_path: Path) -> None:
    wanted = feature("own-audio+name=long+dim=64+fps=50")
    (tmp_path / "made").mkdir()
    long = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    np.save(tmp_path / "made" / "00001.npy", long)
    import_features(CLIPS, tmp_path / "made", wanted, Store(tmp_path / "store"))
    np.testing.assert_array_equal(Store(tmp_path / "store")[wanted.key]["00001"].values, long)


# -------------------------------------------------------------------------------------------- other features


@pytest.mark.parametrize(
    ("shape", "name", "told", "remedy"),
    [
        ((6, 9), WANTED.key, "is 6 by 9, and own-audio.* has 4 columns", r"own-audio\+name=NAME\+dim=9\+fps=HZ"),
        ((4,), WANTED.key, "is one vector, and own-audio.* has 5 rows a second", r"own-audio\+name=NAME\+dim=4\."),
        ((6, 2), "own-text+name=x+dim=2", "has 6 rows, and own-text.* is one vector", r"dim=2\+fps=HZ"),
        ((2, 3, 4), WANTED.key, "is 2 by 3 by 4", "dim=4"),
    ],
)
def test_what_is_another_feature_is_one_line_and_no_work(
    tmp_path: Path, shape: tuple[int, ...], name: str, told: str, remedy: str
) -> None:
    place = constant(tmp_path / "made", range(10), 1, shape)
    with pytest.raises(BadData, match=rf"00000\.npy {told}.*{remedy}"):
        import_features(CLIPS, place, feature(name), Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_one_vector_a_clip_has_no_rate(tmp_path: Path) -> None:
    wanted = feature("own-text+name=x+dim=2")
    for name, shape in (("flat", (2,)), ("row", (1, 2))):
        import_features(CLIPS, constant(tmp_path / name, range(10), 1, shape), wanted, Store(tmp_path / f"s-{name}"))
        track = Store(tmp_path / f"s-{name}")[wanted.key]["00004"]
        assert (track.values.shape, track.rate) == ((1, 2), 0.0)


# ------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["s1/01", "s2/01"], ["s1/01.npy", "s2/01.npy"]),
        (["s1/01", "s2/01"], ["made/s1/01.npy", "made/s2/01.npy"]),
        (["a.mp4", "a.wav"], ["a.mp4.npy", "a.wav.npy"]),
        (["00012", "00013"], ["12.mp4.npy", "13.0.npy"]),
        (["video.1", "video.2"], ["video.1.npy", "video.2.npy"]),
        (["1", "01"], ["1.npy", "01.npy"]),
        (["00012", "00013"], ["w\\00012.npy", "w\\00013.npy"]),
    ],
)
def test_names_are_known_in_all_their_spellings(tmp_path: Path, ids: list[str], names: list[str]) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        for value, name in enumerate(names):
            np.save(tmp_path / "one.npy", np.full((6, 4), value, np.float32))
            archive.write(tmp_path / "one.npy", name)
    store = Store(tmp_path / "store")
    summary = import_features([Clip(id=name) for name in ids], tmp_path / "made.zip", WANTED, store)
    assert (summary.absent, summary.strangers) == ([], [])
    assert [store[WANTED.key][name].values[0, 0] for name in ids] == [0.0, 1.0]


def test_a_name_that_could_be_either_clip_s_is_nobody_s(tmp_path: Path) -> None:
    place = constant(tmp_path / "made", range(2), 1)
    summary = import_features(
        [Clip(id="s1/00000"), Clip(id="s2/00000"), Clip(id="1")], place, WANTED, Store(tmp_path / "store")
    )
    assert summary.strangers == ["00000.npy"]
    assert summary.absent == ["s1/00000", "s2/00000"]
    clips = [Clip(id="00001"), Clip(id="s1/1"), Clip(id="00000")]
    assert import_features(clips, place, WANTED, Store(tmp_path / "other")).strangers == []
    np.save(place / "1.npy", rows(1))
    assert import_features(clips, place, WANTED, Store(tmp_path / "third")).strangers == ["1.npy"]


# ------------------------------------------------------------------------------------------------- time


def openface_table(times: list[str]) -> str:
    names = ["frame", "timestamp", "confidence", "success", *OPENFACE]
    told = [{"frame": n + 1, "timestamp": time, "confidence": 0.9, "success": 1} for n, time in enumerate(times)]
    return "\n".join(
        [", ".join(names), *(", ".join(str(row.get(name, n)) for name in names) for n, row in enumerate(told))]
    )


@pytest.mark.parametrize(("fps", "count"), [(30.0, 90), (29.97, 90), (25.0, 75), (60.0, 90), (15.0, 45)])
def test_openface_s_rounded_timestamps_lose_no_place(tmp_path: Path, fps: float, count: int) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "3.csv").write_text(openface_table([f"{n / fps:.3f}" for n in range(round(3 * fps))]))
    store = Store(tmp_path / "store")
    import_features(CLIPS, tmp_path / "made", feature("motion-openface"), store)
    track = store["motion-openface"]["00003"]
    assert int(track.valid.sum()) == count
    assert track.rate == 30.0
    middle = np.flatnonzero(track.valid)[1:-1]
    np.testing.assert_allclose(track.values[middle, 0] / fps, middle / 30, atol=0.5 / 30 + 1e-3)


@pytest.mark.filterwarnings("ignore:.*fast")
def test_py_feat_s_frames_are_as_fast_as_the_clip_s(tmp_path: Path, shared_data: Path) -> None:
    (tmp_path / "made").mkdir()
    data = (shared_data / "face_features/pyfeat_news_sample/001.csv").read_bytes()
    (tmp_path / "made" / "00003.csv").write_bytes(data)
    dataset = open_dataset(write_layout(tmp_path / "data"))
    claimed = next(media_rate(clip) for clip in dataset.clips if clip.id == "00003")
    spans = {}
    for name, clips, rate in (("own", dataset.clips, None), ("none", CLIPS, None), ("given", CLIPS, 60.0)):
        store = Store(tmp_path / name)
        import_features(clips, tmp_path / "made", feature("motion-pyfeat"), store, rate=rate)
        track = store["motion-pyfeat"]["00003"]
        assert track.valid.sum() == 20
        spans[name] = len(track.values)
    assert spans == {"own": round(38 * 30 / claimed) + 1, "none": 39, "given": 20}


def media_rate(clip: Clip) -> float:
    assert clip.path is not None
    with Media(clip.path) as media:
        assert media.claimed_rate is not None
        return media.claimed_rate

"""What is done to features and to clips, and what comes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clips import write_layout
from mimetic.batches import Ragged
from mimetic.datasets import open_dataset
from mimetic.evaluation import evaluate
from mimetic.evidence.disturbances import DISTURBANCES
from mimetic.evidence.stress import Stress, deviation, disturbed, noise, stresses
from mimetic.extraction import extract
from mimetic.features import features as read_features
from mimetic.pictures import save_losses
from mimetic.pieces import Item
from mimetic.prediction import read
from mimetic.recipes import get_recipe, with_settings
from mimetic.records import BadData, Clip, Dataset, Frames, Sound, Track, UsageError
from mimetic.runs import Run
from mimetic.store import Store
from mimetic.stressing import stress_features, stress_raw
from mimetic.training import train
from planted import fused, planted

IDS = tuple(f"c{i}" for i in range(6))


def ragged(*, dim: int = 3, scale: float = 1.0) -> Ragged:
    draw = np.random.default_rng(0)
    lengths = (4, 7, 0, 5, 1, 9)
    values = [np.column_stack([scale * draw.normal(size=(n, dim - 1)), np.ones(n)]).astype(np.float32) for n in lengths]
    tracks = [Track(values=v, rate=5.0, valid=np.ones(len(v), bool)) if len(v) else None for v in values]
    return Ragged(tracks, dim)


def done(name: str, parts: list[Ragged], rows: list[int], seed: int = 0) -> tuple[Ragged, ...]:
    plan = {one.name: one for one in stresses(["text", "audio"], [0.0, 5.0])}
    return disturbed(plan[name], parts, rows, IDS, [deviation(part) for part in parts], seed)


def values_of(part: Ragged, place: int) -> np.ndarray:
    track = part.values[place]
    assert track is not None
    return track


# -------------------------------------------------------------------------------------------- features


def test_each_stress_touches_what_its_name_says() -> None:
    text, audio = ragged(), ragged(scale=10.0)
    without, kept = done("without text", [text, audio], [0, 1, 2])
    assert without.lengths.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(values_of(kept, 1), values_of(audio, 1))
    same, thin = done("every second row", [text, audio], [1])
    np.testing.assert_array_equal(values_of(thin, 0), values_of(audio, 1)[::2])
    np.testing.assert_array_equal(values_of(same, 0), values_of(text, 1))  # one vector a clip has no frames
    _, half = done("first half", [text, audio], [1, 4])
    np.testing.assert_array_equal(values_of(half, 0), values_of(audio, 1)[:4])
    assert half.lengths.tolist() == [4, 1]
    other, _ = done("words of another clip", [text, audio], [0, 2, 5])
    assert any(np.array_equal(values_of(other, 0), values_of(text, row)) for row in (1, 3, 4, 5))
    assert other.lengths[1] == 0


def test_noise_is_in_deviations_of_each_column() -> None:
    part = ragged(scale=10.0)
    big = part.holding([np.concatenate([part.values[1]] * 3000) if i == 1 else None for i in range(6)])
    spread = deviation(big)
    assert spread[2] == 0
    (noisy,) = disturbed(Stress("x", (0,), noise(2.0)), [big], [1], IDS, [spread], 0)
    added = values_of(noisy, 0) - values_of(big, 1)
    np.testing.assert_allclose(added.std(axis=0), 2 * spread, rtol=0.03)


def test_a_clip_is_disturbed_alike_alone_and_in_company_and_by_its_seed() -> None:
    parts = [ragged(), ragged()]
    name = "noise of 1 deviations"
    together, alone = done(name, parts, [0, 1, 3]), done(name, parts, [3])
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(values_of(one, 2), values_of(other, 0))
    assert not np.array_equal(values_of(alone[0], 0), values_of(done(name, parts, [3], seed=1)[0], 0))
    assert not np.array_equal(values_of(alone[0], 0) - parts[0].values[3], values_of(alone[1], 0) - parts[1].values[3])


def test_deviations_are_those_of_all_rows() -> None:
    part = ragged(scale=3.0)
    rows = np.concatenate([track for track in part.values if track is not None])
    np.testing.assert_allclose(deviation(part), rows.astype(np.float64).std(axis=0), atol=1e-9)


@pytest.fixture(scope="module")
def planted_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Store, list[Run]]:
    folder = tmp_path_factory.mktemp("stressed")
    dataset, store = planted(folder, clips=300)
    return dataset, store, [train(dataset, fused(), store, folder / "runs", seed=seed) for seed in (0, 1)]


def test_what_carries_the_signal_is_missed(planted_runs: tuple[Dataset, Store, list[Run]]) -> None:
    dataset, store, runs = planted_runs
    found = stress_features(runs, dataset, store, resamples=1_000)
    losses = {loss.name: loss for loss in found.losses}
    assert (found.level, found.clips, found.seeds) == ("features", 90, (0, 1))
    assert losses["without audio"].verdict == losses["without motion"].verdict == "worse"
    assert losses["noise of 2 deviations"].change.difference < losses["noise of 0.5 deviations"].change.difference
    assert "words of another clip" not in losses
    assert found.undisturbed.value == pytest.approx(evaluate(runs, resamples=10).mean_pearson.value)
    again = stress_features(runs, dataset, store, resamples=1_000)
    assert again.as_json() == found.as_json()


def test_a_sample_is_drawn_by_its_seed(planted_runs: tuple[Dataset, Store, list[Run]]) -> None:
    dataset, store, runs = planted_runs
    one, same, other = (stress_features(runs[:1], dataset, store, clips=30, seed=s, resamples=50) for s in (0, 0, 1))
    assert one.clips == 30
    assert one.undisturbed == same.undisturbed != other.undisturbed
    with pytest.raises(BadData, match="has none of the run's valid clips"):
        stress_features(runs, replace(dataset, clips=(), labels=dataset.labels[:0]), store)


def test_a_target_without_a_score_is_named_and_nothing_is_claimed(
    planted_runs: tuple[Dataset, Store, list[Run]],
) -> None:
    dataset, store, runs = planted_runs
    run = Run(runs[0].path)
    true = run.outcome.true.copy()
    true[:, 2] = 0.25
    run.outcome = replace(run.outcome, true=true)
    found = stress_features([run], dataset, store, resamples=50)
    assert found.undefined == {"Joy": "all its labels are 0.25"}
    assert {loss.verdict for loss in found.losses} == {"undefined"}


def test_the_picture_is_a_file_of_its_name_s_kind(
    planted_runs: tuple[Dataset, Store, list[Run]], tmp_path: Path
) -> None:
    dataset, store, runs = planted_runs
    found = stress_features(runs[:1], dataset, store, clips=30, resamples=50)
    save_losses(found, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    for name in ("b.svg", "c.svg"):
        save_losses(found, tmp_path / name)
    assert (tmp_path / "b.svg").read_bytes() == (tmp_path / "c.svg").read_bytes()
    with pytest.raises(UsageError, match="is no picture's name"):
        save_losses(found, tmp_path / "d.pdf")


# ----------------------------------------------------------------------------------------------- clips


def pieces(*, frames: int = 7, cut: int = 3) -> list[Item]:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 255, (frames, 32, 32, 3), dtype=np.uint8)
    times = np.arange(frames) / 5.0
    whole = [
        Frames(images=images[rows], times=times[rows], valid=np.ones(len(times[rows]), bool))
        for rows in (slice(0, cut), slice(cut, frames))
    ]
    sound = draw.uniform(-0.5, 0.5, 16_000).astype(np.float32)
    return [
        (5.0, whole[0]),
        (None, Sound(samples=sound[:9_000])),
        (5.0, whole[1]),
        (None, Sound(samples=sound[9_000:])),
    ]


def through(name: str, items: list[Item]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give images, times and samples behind a disturbance."""
    out = list(DISTURBANCES[name].through(Clip(id="x"), iter(items)))
    shown = [piece for _, piece in out if isinstance(piece, Frames)]
    heard = [piece.samples for _, piece in out if isinstance(piece, Sound)]
    return np.concatenate([p.images for p in shown]), np.concatenate([p.times for p in shown]), np.concatenate(heard)


def plain(items: list[Item]) -> tuple[np.ndarray, np.ndarray]:
    shown = np.concatenate([piece.images for _, piece in items if isinstance(piece, Frames)])
    return shown, np.concatenate([piece.samples for _, piece in items if isinstance(piece, Sound)])


@pytest.mark.parametrize("cut", [0, 1, 3, 4])
def test_half_the_frames_shows_every_second_one_twice_however_it_is_cut(cut: int) -> None:
    items = pieces(cut=cut)
    images, _ = plain(items)
    found, times, samples = through("half the frames", items)
    np.testing.assert_array_equal(found, images[[0, 0, 2, 2, 4, 4, 6]])
    assert len(times) == 7
    np.testing.assert_array_equal(samples, plain(items)[1])


def test_sound_is_silenced_or_hissed_at_and_pictures_are_left_alone() -> None:
    items = pieces()
    images, samples = plain(items)
    found, _, quiet = through("silence", items)
    assert (len(quiet), np.abs(quiet).max()) == (16_000, 0)
    np.testing.assert_array_equal(found, images)
    noisy = through("white noise at -20 dB", items)[2]
    assert (noisy - samples).std() == pytest.approx(0.1, rel=0.05)
    assert noisy.dtype == np.float32
    np.testing.assert_array_equal(noisy, through("white noise at -20 dB", items)[2])


def test_what_nobody_looks_at_need_not_be_tried() -> None:
    views = {name: set(one.views) for name, one in DISTURBANCES.items()}
    assert views["silence"] == views["white noise at -20 dB"] == {"audio"}
    assert views["blur"] == views["half the frames"] == {"frames", "faces"}
    assert views["first half"] == {"audio", "frames", "faces"}


def test_hiss_stays_within_full_scale() -> None:
    loud = Sound(samples=np.full(4_000, 0.99, np.float32))
    ((_, noisy),) = DISTURBANCES["white noise at -20 dB"].through(Clip(id="x"), iter([(None, loud)]))
    assert isinstance(noisy, Sound)
    assert noisy.samples.max() == 1.0


def test_blur_takes_detail_away() -> None:
    items = pieces()
    images, samples = plain(items)
    found, _, heard = through("blur", items)
    assert found.shape == images.shape
    assert found.astype(float).std() < images.astype(float).std()
    np.testing.assert_array_equal(heard, samples)


def test_the_first_half_ends_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mimetic.evidence.disturbances._middle", lambda clip: 0.7)
    found, times, samples = through("first half", pieces())
    assert (len(found), len(times), len(samples)) == (4, 4, 11_200)
    assert times.max() == pytest.approx(0.6)
    monkeypatch.setattr("mimetic.evidence.disturbances._middle", lambda clip: float("inf"))
    assert [len(part) for part in through("first half", pieces())] == [7, 7, 16_000]


def test_what_is_known_of_pictures_ends_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mimetic.evidence.disturbances._middle", lambda clip: 3 / 5)  # when the last one begins
    valid, sure = np.array([True, False, True, False]), np.arange(4, dtype=np.float32)
    whole = Frames(images=np.zeros((4, 8, 8, 3), np.uint8), times=np.arange(4) / 5, valid=valid, notes={"sure": sure})
    ((_, kept),) = DISTURBANCES["first half"].through(Clip(id="x"), iter([(5.0, whole)]))
    assert isinstance(kept, Frames)
    assert (kept.valid.tolist(), kept.notes["sure"].tolist()) == ([True, False, True], [0.0, 1.0, 2.0])


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, list[Run]]:
    folder = tmp_path_factory.mktemp("filmed")
    dataset = open_dataset(write_layout(folder / "data", train=6, valid=5, test=1))
    recipe = with_settings(get_recipe("light"), {"fit.epochs": 3})
    store = Store(folder / "features")
    features = [part.feature for part in recipe.parts]
    extract(dataset.clips, read_features(features), store, workers=0)
    return dataset, [train(dataset, recipe, store, folder / "runs")]


def test_clips_themselves_are_disturbed_and_read_again(filmed: tuple[Dataset, list[Run]]) -> None:
    dataset, runs = filmed
    seen: list[tuple[int, int]] = []
    found = stress_raw(runs, dataset, clips=4, resamples=50, progress=lambda done, total: seen.append((done, total)))
    assert [loss.name for loss in found.losses] == [*DISTURBANCES, "words of another clip"]
    assert (found.level, found.clips) == ("clips", 4)
    assert seen[-1] == (32, 32)
    with pytest.raises(BadData, match="has no media files"):
        stress_raw(runs, replace(dataset, clips=tuple(replace(clip, path=None) for clip in dataset.clips)))


def test_a_disturbance_reaches_the_features_of_its_view_alone(filmed: tuple[Dataset, list[Run]]) -> None:
    dataset, runs = filmed
    clips = dataset.clips[6:8]
    before = read(runs[0], clips)
    names = [feature.entry.view for feature in runs[0].features]
    for name, one in DISTURBANCES.items():
        after = read(runs[0], clips, through=one.through)
        changed = {
            view
            for view, old, new in zip(names, before.parts, after.parts, strict=True)
            if not np.array_equal(values_of(old, 0), values_of(new, 0))
        }
        assert changed
        assert changed <= one.views, name

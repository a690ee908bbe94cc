"""The twin is like the real data where that is known, shows what it says it shows, and nobody can beat its ceilings."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mimetic.batches import load_tracks
from mimetic.datasets import open_dataset
from mimetic.datasets.simulated import LAYOUTS, NOTE, SIZES, Studio, make, world
from mimetic.datasets.simulated.ceilings import best_predictor, ceilings, subsets
from mimetic.datasets.simulated.crowd import MISSING, Cast, gather, strangers
from mimetic.datasets.simulated.tracks import directions, render, spectrum
from mimetic.features import feature
from mimetic.records import UsageError
from mimetic.scores import pearson
from mimetic.store import Store

REAL = {
    "mean": [0.1785, 0.1253, 0.0968, 0.0215, 0.1420, 0.1157],
    "deviation": [0.2497, 0.2180, 0.1876, 0.0957, 0.2284, 0.2125],
    "above 0": [0.447, 0.364, 0.325, 0.101, 0.382, 0.325],
}
"""What is known of the real training labels."""

CORRELATED = {(4, 5): 0.229, (2, 5): -0.143, (2, 4): -0.132, (0, 2): -0.121, (1, 2): -0.106, (3, 4): -0.097}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twin") / "small"
    make(root, size="small", workers=2)
    return root


@pytest.fixture(scope="module")
def cast() -> Cast:
    return gather(SIZES["full"].clips, 0)


def test_the_same_seed_gives_the_same_bytes(twin: Path, tmp_path: Path) -> None:
    make(tmp_path / "again", size="small", workers=0)
    files = {path.relative_to(twin): path.read_bytes() for path in twin.rglob("*") if path.is_file()}
    again = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*") if p.is_file()}
    assert files == again
    assert sum(map(len, files.values())) < 50_000_000


def test_a_folder_of_another_twin_is_left_alone(twin: Path) -> None:
    with pytest.raises(UsageError, match="another size or seed"):
        make(twin, size="small", seed=1)
    with pytest.raises(UsageError, match="not empty"):
        make(twin / "truth", size="small")


def test_it_is_a_data_set_in_the_challenge_s_layout_without_test_labels(twin: Path) -> None:
    dataset = open_dataset(twin)
    parts = [clip.part for clip in dataset.clips]
    assert {part: parts.count(part) for part in ("train", "valid", "test")} == SIZES["small"].clips
    assert dataset.targets == world.EMOTIONS
    assert np.isnan(dataset.labels[dataset.indices("test")]).all()
    assert dataset.note == NOTE
    assert set(dataset.columns) == {"person", "script", "raters"}
    assert set(_labels(twin / "truth" / "test_split.csv")) == {clip.id for clip in dataset.clips if clip.part == "test"}


@pytest.mark.parametrize("key", LAYOUTS)
def test_every_feature_is_there_for_every_clip_or_has_a_reason(twin: Path, key: str) -> None:
    dataset, store = open_dataset(twin), Store(twin / "features")
    ragged = load_tracks(store, feature(key), dataset)
    assert ragged.dim == LAYOUTS[key].dim
    reasons = {store[key].reason(clip.id) for clip in dataset.clips}
    assert len(reasons - {None}) == 1
    assert (ragged.lengths == 0).sum() == sum(store[key].reason(clip.id) is not None for clip in dataset.clips)
    assert store[key].newest("00000").identity["made"] == "simulated"


def test_labels_are_like_the_real_ones(cast: Cast) -> None:
    labels = cast.crowd.labels[cast.parts == "train"]
    np.testing.assert_allclose(labels.mean(axis=0), REAL["mean"], atol=0.012)
    np.testing.assert_allclose(labels.std(axis=0), REAL["deviation"], atol=0.016)
    np.testing.assert_allclose((labels > 0).mean(axis=0), REAL["above 0"], atol=0.025)
    found = np.corrcoef(cast.crowd.labels[cast.parts != "test"].T)
    for one in range(6):
        for other in range(one):
            expected = CORRELATED.get((other, one), 0.0)
            assert abs(found[one, other] - expected) < (0.025 if expected else 0.03)


def test_labels_are_shares_of_few_raters(cast: Cast) -> None:
    seen = cast.crowd.labels * cast.crowd.raters[:, None]
    np.testing.assert_allclose(seen, np.round(seen), atol=1e-9)
    assert set(cast.crowd.raters) == set(world.RATERS)


def test_lengths_people_scripts_and_what_is_missing_are_like_the_real_ones(cast: Cast) -> None:
    assert cast.seconds.mean() == pytest.approx(6.9, abs=0.1)
    assert np.percentile(cast.seconds, 95) == pytest.approx(11.5, abs=0.2)
    assert cast.seconds.max() == pytest.approx(1249.92)
    people = {part: set(cast.crowd.people[cast.parts == part]) for part in ("train", "valid", "test")}
    assert len(set.union(*people.values())) == pytest.approx(557, abs=2)
    assert not people["train"] & people["valid"] | people["train"] & people["test"] | people["valid"] & people["test"]
    test, train = cast.crowd.scripts[cast.parts == "test"], cast.crowd.scripts[cast.parts == "train"]
    assert np.isin(test, train).mean() == pytest.approx(0.55, abs=0.005)
    assert np.isin(test, cast.crowd.scripts[cast.parts != "test"]).mean() == pytest.approx(0.70, abs=0.005)
    for modality, rates in MISSING.items():
        for part, rate in rates.items():
            assert cast.crowd.missing[modality][cast.parts == part].mean() == pytest.approx(rate, abs=2e-4)


# -------------------------------------------------------------------------------------------- ceilings


SETS = [("gte",), ("wav2vec2",), ("dinov2-face", "motion-openface"), subsets()["text+audio+vision+motion"]]


@pytest.mark.parametrize("features", SETS)
def test_the_best_predictor_is_the_mean_of_labels_given_the_features(features: tuple[str, ...]) -> None:
    """What is written down is what fresh clips show: in every bin of predictions the labels' mean is the bin's."""
    true, best = [], []
    for crowd in strangers(200_000, 3):
        true.append(crowd.labels)
        best.append(best_predictor(crowd, features, np.zeros(len(crowd.labels), np.bool_)))
    labels, predicted = np.concatenate(true), np.concatenate(best)
    for column in range(6):
        edges = np.quantile(predicted[:, column], np.linspace(0, 1, 9))
        bins = np.clip(np.searchsorted(edges, predicted[:, column]) - 1, 0, 7)
        for number in range(8):
            of = bins == number
            error = labels[of, column].std() / np.sqrt(of.sum())
            assert abs(labels[of, column].mean() - predicted[of, column].mean()) < 4.5 * error + 1e-4


def test_no_linear_head_beats_the_ceiling_and_more_modalities_are_better(cast: Cast) -> None:
    table = ceilings(cast, draws=50_000, seed=0)["sets"]
    for name, of in table.items():
        assert of["learnable"]["mean"] < of["test"]["noisy"]["mean"] + 0.005, name
        assert of["test"]["noisy"]["mean"] == pytest.approx(of["population"]["noisy"]["mean"], abs=0.02)
        assert of["test"]["clean"]["mean"] > of["test"]["noisy"]["mean"]
        assert of["test"]["remembering"]["mean"] >= of["test"]["noisy"]["mean"]
    mean = {name: of["population"]["noisy"]["mean"] for name, of in table.items()}
    assert mean["text"] < mean["text+audio"] < mean["text+audio+vision"]
    assert mean["motion"] < mean["vision"] < mean["audio"] < mean["text"]
    assert mean["text+audio+vision+motion"] - mean["text+audio+vision"] < 0.002  # motion is a shadow of the face


def test_single_modalities_have_ceilings_near_the_published_scores(cast: Cast) -> None:
    table = ceilings(cast, draws=10_000, seed=0)["sets"]
    published = {"text": 0.4076, "audio": 0.3650, "vision": 0.1535, "motion": 0.13, "bert-large-cls": 0.34}
    for name, score in published.items():
        assert 1.0 < table[name]["test"]["noisy"]["mean"] / score < 1.2, name


def test_the_written_table_is_that_of_the_data(twin: Path) -> None:
    told = json.loads((twin / "truth" / "ceilings.json").read_text())
    assert told["simulated"] is True
    assert set(told["sets"]) == set(subsets())
    labels = {
        part: _labels(twin / name) for part, name in (("test", "truth/test_split.csv"), ("valid", "valid_split.csv"))
    }
    chances = _labels(twin / "truth" / "probabilities.csv")
    for part, of in labels.items():
        rows = np.array([[chances[id_][i] for i in range(6)] for id_ in of])
        expected = pearson(np.array(list(of.values())), rows)
        np.testing.assert_allclose([told["limit"][part][e] for e in world.EMOTIONS], expected, atol=1e-3)


def _labels(path: Path) -> dict[str, list[float]]:
    rows = csv.DictReader(path.read_text().splitlines())
    return {row["Filename"]: [float(row[emotion]) for emotion in world.EMOTIONS] for row in rows}


# ---------------------------------------------------------------------------------------------- tracks


@pytest.mark.parametrize("key", LAYOUTS)
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_the_frames_that_show_something_show_the_statistic_at_any_rate(key: str, share: float) -> None:
    layout = LAYOUTS[key]
    draw = np.random.default_rng(5)
    dims = world.DIMS[world.MODALITY[key]]
    statistic = draw.normal(size=dims).astype(np.float32)
    count = max(1, int(9.0 * layout.rate * share))
    own = draw.normal(size=layout.nuisance).astype(np.float32)
    coordinates, seen = render(key, statistic, own, count, layout.rate * share, draw)
    found = (coordinates @ directions(key)) @ directions(key).T  # what a model sees, read back
    gain = found[:, 0] / layout.offset
    marks = found[:, 1] / gain > layout.mark / 2 if layout.mark else np.ones(count, bool)
    assert seen[marks].all()
    content = (found[marks, 2 : 2 + dims] / gain[marks, None] / spectrum(key)).mean(axis=0)
    np.testing.assert_allclose(content, statistic, atol=2e-4)
    if layout.mark and count > 10:
        assert 0.3 < marks.sum() / seen.sum() < 0.5
        others = (found[seen & ~marks, 2 : 2 + dims] / gain[seen & ~marks, None] / spectrum(key)).mean(axis=0)
        assert abs(np.corrcoef(others, statistic)[0, 1]) < 0.6


def test_the_same_script_is_the_same_words(twin: Path) -> None:
    dataset, store = open_dataset(twin), Store(twin / "features")
    by_script: dict[str, list[str]] = {}
    for clip, script in zip(dataset.clips, dataset.column("script"), strict=True):
        if store["gte"].length(clip.id):
            by_script.setdefault(script, []).append(clip.id)
    pairs = [clips[:2] for clips in by_script.values() if len(clips) > 1]
    alike = [np.corrcoef(*(store["gte"][clip].values[0].astype(float) for clip in pair))[0, 1] for pair in pairs]
    different = [
        np.corrcoef(*(store["gte"][clip].values[0].astype(float) for clip in (one[0], other[0])))[0, 1]
        for one, other in pairwise(pairs)
    ]
    assert min(alike) > 0.95
    assert max(different) < 0.9


def test_motion_is_missing_where_the_face_is(twin: Path) -> None:
    store = Store(twin / "features")
    lacking = {key: {clip for clip in store[key] if store[key].reason(clip)} for key in ("vit-face", "motion-openface")}
    assert lacking["vit-face"] == lacking["motion-openface"] != set()


def test_a_clip_s_track_depends_on_nothing_but_its_number(twin: Path, tmp_path: Path) -> None:
    studio = Studio(tmp_path, "small", 0)
    number = next(n for n in range(20, 40) if not studio.cast.crowd.lacks("audio")[n])
    alone = studio.track("wav2vec2", number, 5.0)
    stored = Store(twin / "features")["wav2vec2"][studio.cast.ids[number]]
    np.testing.assert_array_equal(alone.values, stored.values)

"""Runs become numbers: seeds together, systems apart, differences paired."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mimetic.comparing import Contest, named_systems, rank
from mimetic.evaluation import compare_runs, evaluate, spearman, systems
from mimetic.evidence.intervals import Comparison, holm, interval
from mimetic.records import BadData, BadRun, Dataset, UnknownName, UsageError
from mimetic.runs import Run
from mimetic.scores import mean_pearson, pearson
from mimetic.sharing import grouping
from mimetic.training import train
from planted import TARGETS, fused, planted, single


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("evaluated")
    dataset, store = planted(folder)
    return [
        train(dataset, recipe, store, folder / "runs", seed=seed) for recipe in (single(), fused()) for seed in (0, 1)
    ]


def test_a_score_is_the_mean_over_its_seeds_with_an_interval_around_it(runs: list[Run]) -> None:
    parts = [run.outcome.part("valid") for run in runs[:2]]
    evaluation = evaluate(runs[:2], resamples=500)
    expected = np.mean([mean_pearson(part.true, part.predicted) for part in parts])
    assert evaluation.mean_pearson.value == pytest.approx(expected)
    assert evaluation.mean_pearson.low < expected < evaluation.mean_pearson.high
    assert (evaluation.seeds, evaluation.clips, tuple(evaluation.targets)) == ((0, 1), 45, TARGETS)
    first = np.mean([pearson(part.true[:, 0], part.predicted[:, 0]) for part in parts])
    assert evaluation.targets[TARGETS[0]].pearson.value == pytest.approx(first)


def test_the_json_has_the_documented_shape(runs: list[Run]) -> None:
    told = evaluate(runs[:1], resamples=200).as_json()
    assert {"data", "split", "clips", "seeds", "mean_pearson", "targets"} <= set(told)
    assert set(told["mean_pearson"]) >= {"value", "low", "high"}
    assert {"pearson", "ccc", "mae", "spearman", "limit"} <= set(told["targets"]["Joy"])


def test_a_comparison_is_paired_and_signed(runs: list[Run]) -> None:
    there, back = (compare_runs(*pair, resamples=500) for pair in ((runs[2:], runs[:2]), (runs[:2], runs[2:])))
    assert there.difference == pytest.approx(-back.difference)
    assert 0 < there.low < there.difference
    assert there.wins > 0.95


def test_runs_that_differ_by_seed_alone_are_one_system(runs: list[Run]) -> None:
    mixed = [runs[3], runs[0], runs[2], runs[1]]
    assert [[run.seed for run in group] for group in systems(mixed)] == [[0, 1], [0, 1]]
    with pytest.raises(BadRun, match="are not one system"):
        evaluate(mixed)


def test_a_part_without_labels_is_told(runs: list[Run]) -> None:
    with pytest.raises(BadRun, match="has no labels on its test clips"):
        evaluate(runs[:1], part="test")


def test_runs_on_other_clips_cannot_be_compared(runs: list[Run], tmp_path: Path) -> None:
    dataset, store = planted(tmp_path, clips=120, seed=3)
    other = train(dataset, single(), store, tmp_path / "runs")
    with pytest.raises(BadRun, match="do not have the same valid clips"):
        compare_runs([other], runs[:1])


# ------------------------------------------------------------------------------- groups and what is known


def with_columns(folder: Path) -> tuple[Dataset, list[Run]]:
    """Train on clips of ten people each five clips, who all show much the same; one target never varies."""
    dataset, store = planted(folder)
    people = tuple(f"p{row // 5}" for row in range(150))
    labels = dataset.labels.copy()
    labels[:, 2] = 0.25
    dataset = replace(dataset, columns={"person": people, "raters": ("4",) * 150}, labels=labels)
    return dataset, [train(dataset, single(), store, folder / "runs", seed=seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, list[Run]]:
    return with_columns(tmp_path_factory.mktemp("known"))


def test_groups_are_drawn_whole_and_counted(known: tuple[Dataset, list[Run]]) -> None:
    dataset, runs = known
    evaluation = evaluate(runs, groups=grouping(dataset, "person"), resamples=300)
    assert evaluation.groups == {"person": 9}
    assert evaluation.warning == "valid has 9 groups by person: intervals over so few are too narrow"
    part = runs[0].outcome.part("valid")
    people = np.array([dataset.columns["person"][int(clip)] for clip in part.clips])
    predicted = np.stack([run.outcome.part("valid").predicted for run in runs])
    expected = interval(part.true, predicted, groups=people, resamples=300)
    assert evaluation.targets["Admiration"].pearson == expected.targets[0]
    assert expected.targets[0] != evaluate(runs, resamples=300).targets["Admiration"].pearson


def test_clips_that_share_people_are_warned_of_with_and_without_the_data(known: tuple[Dataset, list[Run]]) -> None:
    dataset, runs = known
    told = evaluate(runs, resamples=20).warning
    assert told.startswith("clips share a person: clip-wise intervals are too narrow; give --data DATA --groups person")
    assert "--data" not in evaluate(runs, dataset=dataset, resamples=20).warning
    assert runs[0].config["data"]["shared"]["columns"]["person"] == {"values": 30, "clips": 150}
    alone = replace(dataset, columns={"person": tuple(map(str, range(150)))})
    assert evaluate(runs, dataset=alone, resamples=20).warning == ""


def test_a_constant_column_has_no_score_and_is_named(known: tuple[Dataset, list[Run]]) -> None:
    _, runs = known
    told = evaluate(runs, resamples=20).as_json()
    assert math.isnan(evaluate(runs, resamples=20).mean_pearson.value)
    assert told["undefined"] == {"Joy": "all its labels are 0.25"}


def test_seeds_are_told_apart_from_the_interval(runs: list[Run]) -> None:
    evaluation = evaluate(runs[:2], resamples=20)
    alone = [evaluate([run], resamples=20).mean_pearson.value for run in runs[:2]]
    assert evaluation.by_seed == pytest.approx(alone)
    assert evaluation.seed_spread == pytest.approx(np.std(evaluation.by_seed, ddof=1))
    assert math.isnan(evaluate(runs[:1], resamples=20).seed_spread)


def test_labels_that_are_shares_of_raters_have_a_limit_and_others_none(runs: list[Run], tmp_path: Path) -> None:
    assert evaluate(runs[:1], resamples=20).targets["Joy"].limit is None
    dataset, store = planted(tmp_path)
    labels = np.round(np.clip(dataset.labels, 0, 1) * 5) / 5
    run = train(replace(dataset, labels=labels), single(), store, tmp_path / "runs")
    found = evaluate([run], resamples=20)
    column = run.outcome.part("valid").true
    noise = (column * (1 - column) / 4).mean(axis=0) / column.var(axis=0)
    limit = found.targets["Joy"].limit
    assert limit is not None
    assert limit.share == pytest.approx(max(0.0, 1 - noise[2]))
    more = replace(dataset, labels=labels, columns={"raters": ("20",) * len(labels)})
    told = evaluate([run], dataset=more, resamples=20).targets["Joy"].limit
    assert told is not None
    assert told.share > limit.share


def test_clips_that_the_data_set_lacks_are_told(known: tuple[Dataset, list[Run]]) -> None:
    dataset, runs = known
    fewer = replace(dataset, clips=dataset.clips[:100], columns={"person": dataset.columns["person"][:100]})
    with pytest.raises(BadData, match=r"20 of the run's 45 clips are not in the data set"):
        evaluate(runs, groups=grouping(fewer, "person"), resamples=20)


def test_spearman_is_scipys() -> None:
    draw = np.random.default_rng(0)
    target, predicted = draw.integers(0, 4, 50) / 4, draw.normal(size=50)
    assert spearman(target, predicted) == pytest.approx(stats.spearmanr(target, predicted).statistic)
    target[3] = np.nan
    assert spearman(target, predicted) == pytest.approx(stats.spearmanr(target, predicted, nan_policy="omit").statistic)


# ----------------------------------------------------------------------------------------- many systems


def test_many_systems_meet_the_first_or_the_best_and_are_corrected_together(runs: list[Run]) -> None:
    given = [("single", runs[:2]), ("fused", runs[2:]), ("again", runs[:1])]
    first, best = (rank(given, against=against, resamples=500) for against in ("first", "best"))
    assert (first.reference, best.reference) == ("single", "fused")
    assert [contest.name for contest in best.contests] == ["single", "again"]
    assert best.contests[0].comparison.difference == pytest.approx(-first.contests[0].comparison.difference)
    chances = [contest.comparison.chance for contest in first.contests]
    assert [contest.corrected for contest in first.contests] == holm(chances).tolist()
    assert (first.contests[0].verdict, best.contests[0].verdict) == ("fused is better", "the reference is better")
    assert first.contests[1].verdict == "no difference can be told at n = 45"


def test_what_one_look_would_claim_many_looks_do_not(runs: list[Run]) -> None:
    chance = Comparison(difference=0.1, low=0.01, high=0.2, wins=0.99, clips=45, chance=0.03)
    assert "reference is better" in Contest(name="other", comparison=chance, corrected=0.03).verdict
    assert "no difference" in Contest(name="other", comparison=chance, corrected=0.06).verdict


def test_a_folder_of_systems_is_each_of_them(runs: list[Run]) -> None:
    names = [name for name, _ in named_systems([("mine", runs[:2]), ("all", runs)])]
    assert names == ["mine", str(runs[0].path.parent), str(runs[2].path.parent)]
    with pytest.raises(UsageError, match="nothing to compare with"):
        rank([("one", runs[:1])])
    with pytest.raises(UnknownName, match="no reference 'worst'"):
        rank([("one", runs[:1]), ("two", runs[2:])], against="worst")

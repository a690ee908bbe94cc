"""Kinds of clips: how they are cut, what is said of them, and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mimetic.cutting import KINDS, Judged, cut_by
from mimetic.evidence.intervals import gap, gap_within, holm, interval
from mimetic.evidence.slices import FEWEST, MOST_KINDS, by_column, by_numbers, by_words, too_few
from mimetic.records import BadRun, Dataset, UnknownName
from mimetic.runs import Outcome, Run
from mimetic.sharing import grouping
from mimetic.slicing import Sliced, rescued, slice_scores
from mimetic.store import Store
from mimetic.training import train
from planted import fused, planted, single

# ------------------------------------------------------------------------------------------------ cuts


def test_numbers_are_cut_at_their_quantiles_and_unknown_ones_are_in_no_set() -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=400)
    values[:40] = np.nan
    cut = by_numbers("age", values, unit="years")
    assert [int(flags.sum()) for flags in cut.sets.values()] == [90, 90, 90, 90]
    np.testing.assert_array_equal(np.sum(list(cut.sets.values()), axis=0), cut.known)
    assert not cut.known[:40].any()
    assert next(iter(cut.sets)).startswith("up to -0.")


def test_numbers_that_pile_up_leave_no_set_empty() -> None:
    cut = by_numbers("x", [0.0] * 90 + list(range(1, 11)))
    assert all(flags.any() for flags in cut.sets.values())
    np.testing.assert_array_equal(np.sum(list(cut.sets.values()), axis=0), 1)
    top = by_numbers("x", [9.0] * 90 + list(range(8)))
    assert all(flags.any() for flags in top.sets.values())


def test_a_cut_just_below_the_largest_number_stays() -> None:
    cut = by_numbers("x", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.0, 7.0, 8.0])
    assert {name: int(flags.sum()) for name, flags in cut.sets.items()} == {
        "up to 3.25": 3,
        "3.25 to 5.5": 2,
        "5.5 to 7": 4,
        "above 7": 1,
    }


def test_a_column_is_numbers_only_if_all_of_it_is() -> None:
    assert list(by_column("age", ["3", "", "4", "3"]).sets) == ["3", "4"]
    assert list(by_column("sex", ["f", "", "m", "f"]).sets) == ["f", "m"]
    assert list(by_column("mixed", ["3", "m", "3"]).sets) == ["3", "m"]


def test_what_cannot_be_cut_has_a_reason() -> None:
    assert by_words("sex", ["f", "f", ""]).reason == "all are 'f'"
    assert by_words("sex", ["", ""]).reason == "nobody said"
    assert "tell clips apart" in by_words("person", [f"p{i}" for i in range(30)]).reason
    assert by_numbers("age", [3.0, 3.0]).reason == "all are 3"


def test_as_many_words_as_there_may_be_are_a_set_each() -> None:
    assert len(by_words("script", [f"s{i:02}" for i in range(MOST_KINDS)]).sets) == MOST_KINDS
    assert not by_words("script", [f"s{i:02}" for i in range(MOST_KINDS + 1)]).sets


def test_few_clips_or_few_groups_are_too_few_on_either_side() -> None:
    many, few = np.arange(60) < 40, np.arange(60) < FEWEST - 1
    assert too_few(many, ~many, None) == ""
    assert too_few(few, ~few, None) == "too few: 19 clips"
    assert too_few(~few, few, None) == "too few: 19 clips outside"
    assert too_few(many, ~many, np.arange(60) // 15) == "too few: 3 groups"


# ------------------------------------------------------------------------------------------------ gaps


def test_a_gap_within_is_the_difference_of_both_scores() -> None:
    draw = np.random.default_rng(0)
    true = draw.normal(size=(300, 3))
    said = true + draw.normal(size=true.shape) * np.where(np.arange(300) < 100, 0.5, 2.0)[:, None]
    inside = np.arange(300) < 100
    found = gap_within(true, said, inside, resamples=2_000)
    apart = gap((true[inside], said[inside]), (true[~inside], said[~inside]), resamples=2_000)
    first, second = (interval(true[rows], said[rows], resamples=10) for rows in (inside, ~inside))
    assert found.difference == pytest.approx(first.value - second.value)
    assert found.difference == pytest.approx(apart.difference)
    assert found.low == pytest.approx(apart.low, abs=0.02)
    assert found.clips == 300


def test_groups_on_both_sides_make_a_gap_narrower_than_if_they_were_others() -> None:
    draw = np.random.default_rng(1)
    group = np.repeat(np.arange(60), 6)
    inside = np.tile([True, True, True, False, False, False], 60)
    true = draw.normal(size=(360, 1))
    said = np.where(draw.random(60)[group] < 0.5, 1.0, -1.0)[:, None] * true  # right about half of the people
    together = gap_within(true, said, inside, groups=group, resamples=500)
    halves = [(true[rows], said[rows]) for rows in (inside, ~inside)]
    apart = gap(halves[0], halves[1], groups=(group[inside], group[~inside]), resamples=500)
    assert together.spread < 0.6 * apart.spread


# ---------------------------------------------------------------------------------------------- systems


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, list[Run], Store]:
    """Train on clips of which half say nothing: those are worse, whatever else they are."""
    folder = tmp_path_factory.mktemp("sliced")
    dataset, store = planted(folder, clips=600)
    draw = np.random.default_rng(5)
    sick = draw.random(600) < 0.5
    labels = dataset.labels.copy()
    labels[sick] = 0.5 + 0.15 * draw.normal(size=labels[sick].shape)
    columns = {
        "health": tuple("sick" if one else "well" for one in sick),
        "coin": tuple(draw.choice(["heads", "tails"], 600)),
        "person": tuple(f"p{row // 3}" for row in range(600)),
        "rare": tuple("yes" if row % 100 == 0 else "no" for row in range(600)),
        "script": tuple(f"s{row % 250}" for row in range(600)),
    }
    dataset = replace(dataset, labels=labels, columns=columns)
    return (
        dataset,
        [train(dataset, fused(), store, folder / "runs"), train(dataset, single(), store, folder / "runs")],
        store,
    )


def by_name(found: Sequence[Sliced]) -> dict[str, Sliced]:
    return {sliced.by: sliced for sliced in found}


def test_a_planted_gap_is_found_and_a_coin_makes_none(material: tuple[Dataset, list[Run], Store]) -> None:
    dataset, runs, store = material
    groups = grouping(dataset, "person")
    found = by_name(slice_scores(runs[:1], dataset, store, ["all"], groups=groups, resamples=2_000))
    sick, well = found["health"].slices
    assert (sick.name, sick.verdict, well.gap) == ("sick", "worse than the others", None)
    assert sick.clips + well.clips == 180
    assert found["coin"].slices[0].verdict == "no gap can be told"
    assert [one.verdict for one in found["rare"].slices] == ["", "too few: 2 clips"]
    assert found["rare"].slices[1].mean_pearson is None
    assert "tell clips apart" in found["person"].reason
    assert set(found) == {*dataset.columns, *KINDS}


def test_all_gaps_that_are_asked_for_are_corrected_together(material: tuple[Dataset, list[Run], Store]) -> None:
    dataset, runs, store = material
    found = slice_scores(runs[:1], dataset, store, ["health", "coin"], resamples=500)
    gaps = [one for sliced in found for one in sliced.slices if one.gap]
    assert [one.corrected for one in gaps] == holm([one.gap.chance for one in gaps if one.gap]).tolist()
    told = found[0].as_json()
    assert set(told["slices"][0]["gap"]) == {"difference", "low", "high", "chance", "corrected", "verdict"}


def test_the_score_of_a_slice_is_that_of_its_clips_alone(material: tuple[Dataset, list[Run], Store]) -> None:
    dataset, runs, store = material
    (sliced,) = slice_scores(runs[:1], dataset, store, ["health"], resamples=200)
    part = runs[0].outcome.part("valid")
    rows = np.array([dataset.columns["health"][int(clip)] == "sick" for clip in part.clips])
    expected = interval(part.true[rows], part.predicted[rows], resamples=200)
    assert sliced.slices[0].mean_pearson == expected


def test_length_missing_and_scripts_are_known_without_a_column(material: tuple[Dataset, list[Run], Store]) -> None:
    dataset, runs, store = material
    run, outcome = runs[0], runs[0].outcome.part("valid")
    rows = np.array([int(clip) for clip in outcome.clips])
    judged = Judged(run=run, outcome=outcome, dataset=dataset, store=store, rows=rows)
    length = cut_by("length", judged)
    seconds = [max(len(store[f.key][clip].values) / f.rate if store[f.key].length(clip) else 0 for f in run.features)
               for clip in outcome.clips]  # fmt: skip
    shortest = next(iter(length.sets.values()))
    assert max(np.array(seconds)[shortest]) <= min(np.array(seconds)[~shortest])
    missing = cut_by("missing", judged)
    np.testing.assert_array_equal(missing.sets["without audio"], ~outcome.presence[:, 0])
    seen = cut_by("seen", judged)
    trained = {dataset.columns["script"][row] for row, part in enumerate(run.outcome.parts) if part == "train"}
    expected = [dataset.columns["script"][row] in trained for row in rows]
    np.testing.assert_array_equal(seen.sets["script of training"], expected)
    assert "no stored feature of the run notes" in cut_by("confidence", judged).reason
    loud = cut_by("loudness", judged)
    assert len(loud.sets) == 4
    nothing = replace(judged, store=None)
    assert "tells time" in cut_by("length", nothing).reason
    assert "has no logmel" in cut_by("loudness", nothing).reason


def test_labels_of_zero_stand_apart_label_by_label(material: tuple[Dataset, list[Run], Store]) -> None:
    dataset, runs, _ = material
    outcome = runs[0].outcome.part("valid")
    true = np.where(outcome.true < 0.5, 0.0, outcome.true)
    shown = Outcome(
        clips=outcome.clips, parts=outcome.parts, true=true, predicted=outcome.predicted, presence=outcome.presence
    )
    rows = np.array([int(clip) for clip in outcome.clips])
    cut = cut_by("labels", Judged(run=runs[0], outcome=shown, dataset=dataset, store=None, rows=rows))
    np.testing.assert_array_equal(cut.sets["zero"], true == 0)
    assert cut.sets["not zero"].shape == true.shape


def test_a_slice_that_does_not_exist_is_told(material: tuple[Dataset, list[Run], Store]) -> None:
    dataset, runs, store = material
    with pytest.raises(UnknownName, match=r"no slice 'helth'\. Did you mean health"):
        slice_scores(runs[:1], dataset, store, ["helth"])


def test_clips_that_a_single_modality_gets_wrong_and_the_fusion_right(
    material: tuple[Dataset, list[Run], Store], tmp_path: Path
) -> None:
    _, runs, _ = material
    found = rescued(runs[:1], runs[1:])
    assert 0 < len(found) <= 10
    assert all(one.alone > one.fused for one in found)
    apart = [one.alone - one.fused for one in found]
    assert apart == sorted(apart, reverse=True)
    dataset, store = planted(tmp_path, clips=120, seed=3)
    with pytest.raises(BadRun, match="do not have the same valid clips"):
        rescued(runs[:1], [train(dataset, single(), store, tmp_path / "runs")])


def test_a_target_that_never_varies_in_a_slice_is_named(material: tuple[Dataset, list[Run], Store]) -> None:
    dataset, runs, _ = material
    run = Run(runs[0].path)
    outcome, sick = run.outcome, np.array(dataset.columns["health"]) == "sick"
    true = outcome.true.copy()
    true[sick[[int(clip) for clip in outcome.clips]], 1] = 0.0
    run.outcome = replace(outcome, true=true)
    (sliced,) = slice_scores([run], dataset, None, ["health"], resamples=50)
    assert sliced.slices[0].verdict == f"undefined: {run.targets[1]} never varies here"
    assert sliced.slices[0].as_json()["undefined"] == [run.targets[1]]
    assert sliced.slices[1].undefined == ()

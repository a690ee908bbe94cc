"""Splits: each clip in one part, the same for everybody, and groups never torn apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mimetic.records import BadData, Clip, Dataset, UnknownName
from mimetic.splits import TRANSCRIPT, Split, groups_of, split_dataset

SAID = ("so I told him to go home", "I have never been so happy in my life", "who would have thought of that")


def dataset(clips: int = 120, *, tests: int = 20) -> Dataset:
    """Make labelled clips and test clips; each of three sentences is said again and again, with a slip."""
    parts = ["train"] * 60 + ["valid"] * (clips - 60 - tests) + ["test"] * tests
    texts = [f"{SAID[i % 3]}{' uh' if i % 2 else ''}" if i % 4 else f"clip {i}" for i in range(clips)]
    labels = np.zeros((clips, 2))
    labels[clips - tests :] = np.nan
    people = tuple("" if i % 10 == 0 else f"p{i % 17}" for i in range(clips))
    members = tuple(Clip(id=str(i), text=texts[i], part=parts[i]) for i in range(clips))
    return Dataset(name="some", clips=members, targets=("a", "b"), labels=labels, columns={"person": people})


def check(split: Split, *, valid: int) -> None:
    """Check that labelled clips are in one part each, and test clips where they were."""
    assert sorted([*split.train, *split.valid]) == list(range(100))
    assert split.test.tolist() == list(range(100, 120))
    assert abs(len(split.valid) - valid) <= 1


def test_four_to_one_cuts_all_labelled_clips_anew_and_the_same_way_for_everybody() -> None:
    split = split_dataset(dataset(), "4:1")
    check(split, valid=20)
    again = split_dataset(dataset(), "4:1")
    np.testing.assert_array_equal(split.valid, again.valid)
    assert set(split.valid.tolist()) & set(range(60))
    assert set(split.valid.tolist()) & set(range(60, 100))


def test_the_real_sizes_are_cut_as_the_poster_s_reading_says() -> None:
    labels = np.zeros((12_660, 1))
    members = tuple(Clip(id=str(i), part="train" if i < 8_072 else "valid") for i in range(12_660))
    made = Dataset(name="real sizes", clips=members, targets=("a",), labels=labels)
    assert [len(split_dataset(made, name).valid) for name in ("2:1", "4:1")] == [4_588, 2_532]


@pytest.mark.parametrize("by", ["", ":person", ":transcript"])
def test_folds_validate_every_labelled_clip_once(by: str) -> None:
    splits = [split_dataset(dataset(), f"{number}/4{by}") for number in range(1, 5)]
    assert sorted(clip for split in splits for clip in split.valid) == list(range(100))
    for split in splits:
        assert sorted([*split.train, *split.valid]) == list(range(100))
        assert split.test.tolist() == list(range(100, 120))


@pytest.mark.parametrize("by", ["person", TRANSCRIPT])
def test_groups_are_never_torn_apart(by: str) -> None:
    made = dataset()
    groups = groups_of(made, by)
    assert len(set(groups.tolist())) < len(made.clips)
    for number in range(1, 5):
        split = split_dataset(made, f"{number}/4:{by}")
        assert not set(groups[split.train]) & set(groups[split.valid])


def test_near_duplicate_transcripts_are_one_group_and_short_or_unknown_ones_are_alone() -> None:
    texts = ("so I told him to go home", "So I told him: to go home, uh!", "thank you", "thank you", "")
    clips = tuple(Clip(id=str(i), text=text, part="train") for i, text in enumerate(texts))
    groups = groups_of(
        replace(dataset(), clips=(*clips, Clip(id="x", path=Path("nowhere.mp4"))), columns={}), TRANSCRIPT
    )
    assert groups[0] == groups[1]
    assert len(set(groups.tolist())) == len(groups) - 1


def test_a_clip_of_which_the_column_says_nothing_is_alone() -> None:
    groups = groups_of(dataset(), "person")
    assert len(set(groups[::10].tolist())) == 12


@pytest.mark.parametrize("name", ["3:1", "0/5", "6/5", "1/1", "1/5 person"])
def test_a_split_that_does_not_exist_is_told(name: str) -> None:
    with pytest.raises(UnknownName, match="no split"):
        split_dataset(dataset(), name)


def test_a_column_that_does_not_exist_and_too_few_groups_are_told() -> None:
    with pytest.raises(UnknownName, match=r"no column 'persn'. Did you mean person"):
        split_dataset(dataset(), "1/5:persn")
    with pytest.raises(BadData, match="has 1 groups of labelled clips, too few for 5 folds"):
        split_dataset(replace(dataset(), columns={"place": ("here",) * 120}), "1/5:place")

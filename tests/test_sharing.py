"""What clips share: who is grouped with whom, what is kept on record, and when somebody is warned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mimetic.records import BadData, Clip, Dataset, UnknownName, UsageError
from mimetic.sharing import caution, grouping, is_called, rows_of, shared

SAID = (
    "so I told him to go home",
    "so I told him, to go home uh",
    "nothing of that kind was ever said",
    "thank you",
    None,
)


def dataset() -> Dataset:
    clips = tuple(Clip(id=f"c{i}", text=text) for i, text in enumerate(SAID))
    columns = {"person": ("a", "a", "b", "", ""), "sex": ("f", "f", "f", "m", "")}
    return Dataset(name="x", clips=clips, targets=("Joy",), labels=np.zeros((5, 1)), columns=columns)


def test_clips_are_grouped_by_a_column_by_transcripts_or_by_both() -> None:
    ids = [f"c{i}" for i in (4, 3, 2, 1, 0)]
    people = grouping(dataset(), "person").of_clips(ids)[:, 0]
    assert people[3] == people[4]
    assert len(set(people.tolist())) == 4  # of whom nobody knows is alone
    both = grouping(dataset(), "person", "transcript")
    assert both.by == ("person", "transcript")
    assert both.of_clips(ids).shape == (5, 2)
    assert both.of_clips(["c0"])[0, 1] == both.of_clips(["c1"])[0, 1]


def test_wrong_groups_are_told() -> None:
    with pytest.raises(UnknownName, match="no column 'persons'"):
        grouping(dataset(), "persons")
    with pytest.raises(UsageError, match="there are 3 groupings"):
        grouping(dataset(), "person", "sex", "transcript")
    with pytest.raises(BadData, match="1 of the run's 2 clips are not in the data set"):
        grouping(dataset(), "person").of_clips(["c0", "gone"])
    with pytest.raises(BadData, match="gone"):
        rows_of(dataset(), ["gone"])


def test_what_is_shared_is_counted_and_nobody_is_named() -> None:
    told = shared(dataset())
    assert told["columns"] == {"person": {"values": 2, "clips": 3}, "sex": {"values": 2, "clips": 4}}
    assert told["scripts"] == {"groups": 2, "clips": 3}


def test_one_is_warned_of_people_and_scripts_and_not_of_other_columns() -> None:
    assert caution(shared(dataset())).endswith("give --groups person,transcript")
    sex = replace(dataset(), columns={"sex": ("f",) * 5}, clips=tuple(Clip(id=f"c{i}") for i in range(5)))
    assert caution(shared(sex)) == ""
    script = replace(sex, columns={"Script ID": ("s",) * 5})
    assert (
        caution(shared(script)) == "clips share a script: clip-wise intervals are too narrow; give --groups Script ID"
    )


def test_few_second_clips_are_no_reason_to_warn() -> None:
    few = {"columns": {"person": {"values": 99, "clips": 100}}, "scripts": {"groups": 0, "clips": 0}}
    assert caution(few) == ""


@pytest.mark.parametrize(("column", "told"), [("person_id", True), ("Person", True), ("personality", False)])
def test_a_column_is_known_by_its_name(column: str, told: bool) -> None:
    assert is_called(column, ("person",)) == told

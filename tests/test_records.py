"""Errors name the thing, the choices and the remedy, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest

from mimetic.records import Entry, MimeticError, MissingExtra, NoStream, UnknownName, UsageError, find


def test_an_unknown_name_tells_the_nearest_ones() -> None:
    with pytest.raises(UnknownName, match=r"there is no recipe 'ligth'. Did you mean light\?"):
        find({"light": 1, "f1": 2}, "ligth", "recipe")


def test_a_name_like_no_other_tells_all_choices() -> None:
    with pytest.raises(UnknownName, match=r"There are: light, f1."):
        find({"light": 1, "f1": 2}, "zzzzzz", "recipe")


@pytest.mark.parametrize(
    "error", [NoStream("no sound track"), MissingExtra("mediapipe", "face"), UnknownName("recipe", "a", ["b"])]
)
def test_errors_cross_processes_unchanged(error: MimeticError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_an_error_as_json_has_kind_message_and_remedy() -> None:
    assert UsageError("no", remedy="yes").as_json() == {
        "error": {"kind": "UsageError", "message": "no", "remedy": "yes"}
    }


def test_an_entry_loads_its_target_by_name() -> None:
    assert Entry(target="mimetic.records:Entry", about="").load() is Entry

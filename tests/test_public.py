"""The public names are a short list, each one there, none shadowing a module."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import mimetic

NAMES = [
    "Clip", "Modalities", "MultimodalRegressor", "Recipe", "Run", "Scores", "Store", "Track", "ccc", "compare",
    "evaluate", "extract", "interval", "load", "open_dataset", "pearson", "predict", "train",
]  # fmt: skip


def test_the_list_is_exact() -> None:
    assert mimetic.__all__ == ["__version__", *NAMES]
    assert all(callable(getattr(mimetic, name)) for name in NAMES)


def test_no_public_name_is_a_module_s() -> None:
    modules = {path.stem for path in Path(mimetic.__file__).parent.glob("*")}
    assert not modules & set(NAMES)


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="mimetic has no 'fit'"):
        _ = mimetic.fit  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["recipes", "features", "console", "scores"])
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    import doctest

    assert doctest.testmod(import_module(f"mimetic.{name}")).failed == 0

"""The examples run on small data, say what they promise, and are short enough to be read."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import tiny_text
from conftest import REPOSITORY

if TYPE_CHECKING:
    from served import Place

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


def example(name: str) -> ModuleType:
    """Load a script as a module, under its own name."""
    spec = spec_from_file_location(name, REPOSITORY / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_page_that_says_how_to_run_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) < 80
    assert f"``python examples/{path.name}" in text


def test_every_example_is_run_here() -> None:
    told = Path(__file__).read_text("utf-8")
    assert all(f'example("{path.stem}")' in told for path in EXAMPLES)


def test_own_data_finds_what_is_in_the_words_and_nothing_in_noise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example("own_data").main(tmp_path)
    told = capsys.readouterr().out
    joy, pride = (line.split() for line in told.splitlines() if line.startswith(("joy", "pride")))
    assert float(joy[2].strip("(")) > 0.3
    assert float(pride[2].strip("(")) < 0.3
    assert "person" in told.splitlines()[0]


def test_stacking_beats_one_modality_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    example("stacking").main()
    told = capsys.readouterr().out
    assert "first is better" in told
    assert "nine in ten" in told


def test_finetuning_trains_the_encoder_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = tiny_text.make_text(tmp_path / "bert")
    example("finetuning").main(tmp_path / "out", str(checkpoint), epochs=1)
    told = capsys.readouterr().out
    assert "tuned minus frozen" in told
    assert (tmp_path / "out" / "runs" / "encoders").is_dir()


def test_reading_scores_reads_runs_and_writes_a_page(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    example("reading_scores").main(place.runs)
    told = capsys.readouterr().out
    assert "light, 2 seeds" in told
    assert "minus voice" in told
    (place.runs / "report.html").unlink()


@pytest.mark.slow
def test_the_poster_s_rows_train_on_the_small_twin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["poster_on_the_twin.py"])
    example("poster_on_the_twin").main(tmp_path, "small", 1)
    told = capsys.readouterr().out
    assert "imulated" in told
    assert all(f"\n{name} " in told for name in ("gte.mlp", "F1", "F5"))

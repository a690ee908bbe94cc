"""Each choice switched alone: on and off again, told in words, resumable; and the table that comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mimetic.ablation import ablate, variants
from mimetic.cli import main
from mimetic.encoders import ENCODERS
from mimetic.fusions import FUSIONS
from mimetic.recipes import RECIPES, Recipe
from mimetic.records import Dataset, UnknownName, UsageError
from mimetic.store import Store
from mimetic.switching import CHOICES, switched, told_change
from mimetic.training.material import Shelf
from planted import fused, planted
from test_choosing import SIZES, call, features_only

TOGGLED = [name for name in CHOICES if "=" not in name]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Store]:
    return planted(tmp_path_factory.mktemp("planted"))


def quick() -> Recipe:
    base = fused()
    parts = tuple(replace(part, fit=replace(part.fit, epochs=3)) for part in base.parts)
    return replace(base, parts=parts, fit=replace(base.fit, epochs=3))


@pytest.mark.parametrize("name", TOGGLED)
def test_a_choice_switched_twice_is_as_it_was(name: str) -> None:
    base = fused()
    if name == "prior":
        parts = tuple(replace(part, feature="wav2vec2-affect+heads=true") for part in base.parts)
        base = replace(base, parts=parts)
    if name in ("unit", "standardise", "components", "differences"):
        base = replace(base, parts=tuple(replace(part, standardise=False) for part in base.parts))
    once = switched(base, name)
    assert once.content != base.content
    assert once.published == {}
    again = switched(once, name)
    if name not in ("frozen", "large-batch"):  # what is taken away goes back to what the fields do by themselves
        assert again.content == base.content


def test_every_fusion_and_encoder_of_the_tables_is_a_choice() -> None:
    assert {f"fusion={name}" for name in FUSIONS} | {f"encoder={name}" for name in ENCODERS} < set(CHOICES)


def test_the_whole_table_applies_to_a_recipe_or_says_why_not() -> None:
    found, passed_over = variants(RECIPES["F2"], ())
    assert set(found) | set(passed_over) == set(CHOICES)
    assert set(passed_over) == {"fusion=concat", "encoder=attention", "encoder=queried", "prior"}
    assert "changes nothing of F2" in passed_over["fusion=concat"]
    assert "learns nothing alone" in passed_over["encoder=queried"]
    assert found["encoder=gru"].parts[0] == RECIPES["F2"].parts[0]  # words have one row: nothing to see in time
    assert {part.encoder for part in found["encoder=gru"].parts[1:]} == {"gru"}


def test_a_change_is_told_setting_by_setting() -> None:
    base = fused()
    assert told_change(base, switched(base, "average")) == "parts.fit.average unset -> 0.99, fit.average unset -> 0.99"
    assert told_change(base, switched(base, "fusion=mean")).startswith("fusion concat -> mean")


def test_an_unknown_choice_and_one_that_does_not_apply_are_told(material: tuple[Dataset, Store]) -> None:
    with pytest.raises(UnknownName, match=r"no choice 'averages'. Did you mean average"):
        variants(fused(), ["averages"])
    with pytest.raises(UsageError, match="no choice applies to both"):
        ablate(Shelf(*material), fused(), Path("nowhere"), seeds=[0], names=["fusion=concat"])


def test_what_is_switched_is_compared_on_the_same_clips_and_nothing_is_trained_twice(
    material: tuple[Dataset, Store], tmp_path: Path
) -> None:
    shelf, names = Shelf(*material), ["average", "noise", "loss=mae", "fusion=concat"]
    first = ablate(shelf, quick(), tmp_path, seeds=[0, 1], names=names, device="cpu", resamples=500)
    assert [switch.choice for switch in first.switches] == names[:3]
    assert list(first.passed_over) == ["fusion=concat"]
    for switch in first.switches:
        assert switch.score - first.score == pytest.approx(switch.comparison.difference, abs=1e-9)
        assert switch.corrected >= switch.comparison.chance
        assert switch.verdict in ("switching it helps", "switching it harms", "no difference can be told at n = 45")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    trained: list[str] = []
    again = ablate(
        shelf,
        quick(),
        tmp_path,
        seeds=[0, 1],
        names=names,
        device="cpu",
        resamples=500,
        watch=lambda recipe, _seed, _line: trained.append(recipe.name),
    )
    assert again == first
    assert not trained
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_command_writes_the_table_three_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    data = features_only(tmp_path / "data", {key: SIZES[key] for key in ("gte",)})
    words = ("ablate", data, "gte.mlp", "--choices", "sigmoid,large-batch,encoder=gru", "--seeds", "0,1")
    quick_fit = ("--set", "fit.epochs=1", "--set", "parts.0.fit.epochs=1", "--out", tmp_path / "out")
    code, out, told = call(*words, *quick_fit, capsys=capsys)
    assert code == 0, told
    assert "sigmoid" in out
    assert "no difference can be told" in out
    assert "not tried: encoder=gru changes nothing of gte.mlp" in out
    content = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [switch["choice"] for switch in content["switches"]] == ["sigmoid", "large-batch"]
    assert content["seeds"] == [0, 1]
    markdown = (tmp_path / "out" / "ablation.md").read_text()
    assert markdown.startswith("# gte.mlp on ")
    assert "| sigmoid |" in markdown
    assert "Not tried: encoder=gru" in markdown
    assert "sigmoid" in (tmp_path / "out" / "ablation.txt").read_text()
    assert json.loads(call(*words, *quick_fit, "--json", capsys=capsys)[1]) == content


def test_ablating_without_features_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words.csv").write_text("text,Joy\nso,0.5\n")
    with pytest.raises(SystemExit):
        main(["ablate", str(tmp_path / "words.csv"), "gte.mlp"])
    assert "has no features" in capsys.readouterr().err

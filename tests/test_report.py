from __future__ import annotations

import html
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mimetic.evaluation import compare_runs, evaluate
from mimetic.features import feature
from mimetic.network import Network, count_parameters
from mimetic.plots import ABSENT, MINUS, number
from mimetic.recipes import RECIPES, Recipe, stage_one, with_settings
from mimetic.records import BadRun
from mimetic.report import score_systems, write_report
from mimetic.report.cells import SWITCH
from mimetic.runs import Outcome, Run, Signature, write_run
from mimetic.store import digest

TARGETS = ("Admiration", "Amusement", "Determination", "Empathic Pain", "Excitement", "Joy")
RATES = (0.45, 0.36, 0.33, 0.10, 0.38, 0.33)
"""Of labels that are not zero, as in the challenge's data."""

SKILL = {"text": 0.4, "audio": 0.3, "vision": 0.12, "motion": 0.1}
RESAMPLES = 300
PARTS = ("train",) * 240 + ("valid",) * 120 + ("test",) * 20
CLIPS = tuple(f"{i:05d}" for i in range(len(PARTS)))


def make_labels() -> np.ndarray:
    draw = np.random.default_rng(7)
    raters = draw.integers(2, 8, size=(len(PARTS), 1))
    chosen = draw.binomial(raters, 0.45, size=(len(PARTS), 6)).clip(1)
    labels = np.where(draw.random((len(PARTS), 6)) < RATES, chosen / raters, 0.0)
    labels[np.array(PARTS) == "test"] = np.nan
    return labels


def _skill(recipe: Recipe) -> float:
    return float(np.linalg.norm([SKILL[m] for m in recipe.modalities]))


def make_outcome(recipe: Recipe, seed: int, *, clips: Sequence[str] = CLIPS) -> Outcome:
    draw = np.random.default_rng([seed, len(recipe.parts)])
    labels = make_labels()
    skill = _skill(recipe)
    noise = np.random.default_rng(len(recipe.modalities[0])).normal(size=labels.shape) + 0.5 * draw.normal(
        size=labels.shape
    )
    predicted = 0.15 + skill * 0.3 * (np.nan_to_num(labels) - 0.15) + 0.06 * noise
    presence = np.random.default_rng(3).random((len(PARTS), 4)) > (0.02, 0.05, 0.04, 0.0)
    columns = [list(SKILL).index(m) for m in recipe.modalities]
    return Outcome(clips=tuple(clips), parts=PARTS, true=labels, predicted=predicted, presence=presence[:, columns])


def make_history(seed: int, skill: float, epochs: int = 24) -> list[dict[str, Any]]:
    draw = np.random.default_rng([seed, int(1000 * skill)])
    gain = 1 - np.exp(-np.arange(1, epochs + 1) / 5)
    scores = skill * gain - 0.004 * np.arange(epochs) + 0.01 * draw.normal(size=epochs)
    losses = 1 - 0.5 * gain + 0.01 * draw.normal(size=epochs)
    return [
        {"epoch": i + 1, "loss": float(loss), "rate": 1e-3, "mean_pearson": float(score), "pearson": {}}
        for i, (loss, score) in enumerate(zip(losses, scores, strict=True))
    ]


def make_run(
    folder: Path,
    recipe: Recipe,
    seed: int,
    *,
    outcome: Outcome | None = None,
    history: list[dict[str, Any]] | None = None,
    data: str = "drawn",
    split: str = "5p117",
) -> Run:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(recipe, [feature(part.feature).dim for part in recipe.parts], len(TARGETS))
    history = make_history(seed, _skill(recipe)) if history is None else history
    system = digest([recipe.content, data, split], size=16)
    scores = [line["mean_pearson"] or -1 for line in history]
    facts = {
        "targets": list(TARGETS),
        "features": [feature(part.feature).identity for part in recipe.parts],
        "data": {"name": data, "clips": len(PARTS), "fingerprint": digest(data)},
        "split": {"name": recipe.split, "fingerprint": split, "train": 240, "valid": 120, "test": 20},
        "best_epoch": 1 + int(np.argmax(scores)) if history else 0,
        "parameters": count_parameters(network, recipe),
    }
    return write_run(
        folder,
        recipe=recipe,
        signature=Signature(system=system, run=digest([system, seed], size=16), seed=seed),
        facts=facts,
        weights=network.state_dict(),
        history=history,
        outcome=outcome or make_outcome(recipe, seed),
    )


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    recipes = [*stage_one(RECIPES["light"]), RECIPES["light"]]
    return [make_run(folder, recipe, seed) for recipe in recipes for seed in (0, 1)]


@pytest.fixture(scope="session")
def page(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report(runs, path, note="Drawn faces only.", resamples=RESAMPLES).read_text("utf-8")


class Elements(HTMLParser):
    """Every element of a page, as (tag, attributes)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def words(page: str) -> str:
    """What a reader sees of a page: its text, with single spaces."""
    body = re.sub(r"(?s)<style>.*?</style>|<wbr>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def system(runs: Sequence[Run], name: str) -> list[Run]:
    return [run for run in runs if run.recipe.name == name]


# ------------------------------------------------------------------------------------------- the page


def test_nothing_is_fetched_and_nothing_is_run(page: str) -> None:
    elements = Elements(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & {tag for tag, _ in elements.found}
    for _, attributes in elements.found:
        assert not any(name.startswith("on") for name in attributes)
        assert all((attributes.get(name) or "#").startswith("#") for name in ("href", "src", "action", "xlink:href"))
    assert "http" not in page
    assert "@import" not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}


def test_every_place_that_is_pointed_at_is_there_once(page: str) -> None:
    elements = Elements(page)
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    wanted = {str(a["href"])[1:] for _, a in elements.found if "href" in a} | set(re.findall(r"url\(#(.*?)\)", page))
    assert len(ids) == len(set(ids))
    assert wanted <= set(ids)


def test_every_figure_has_a_text_in_its_place(page: str) -> None:
    drawings = Elements(page).named("svg")
    plots = [a for a in drawings if a.get("role") == "img"]
    assert len(plots) == 6 + 6 + 6 + 6 + 5  # parts, labels, predictions, calibration, learning
    assert all(len(a["aria-label"] or "") > 20 for a in plots)
    assert all(a.get("aria-hidden") == "true" for a in drawings if a not in plots)


def test_every_table_says_what_it_holds_and_every_row_what_it_is_of(page: str) -> None:
    elements = Elements(page)
    assert len(elements.named("table")) == len(elements.named("caption")) > 6
    assert all(heading.get("scope") in ("row", "col", "rowgroup") for heading in elements.named("th"))
    rows = [a for a in elements.named("th") if a["scope"] in ("row", "rowgroup")]
    assert len(elements.named("tr")) == len(rows) + len(elements.named("thead"))


def test_headings_go_down_one_step_at_a_time(page: str) -> None:
    levels = [int(tag[1]) for tag, _ in Elements(page).found if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_page_is_whole(page: str) -> None:
    assert page.startswith("<!doctype html>\n<html lang=")
    for tag in ("section", "table", "svg", "figure", "details", "div", "p", "td", "th", "tr", "g"):
        assert len(re.findall(rf"<{tag}[\s>]", page)) == page.count(f"</{tag}>") + len(
            re.findall(rf"<{tag}(?:\s[^<>]*)?/>", page)
        )


def test_the_numbers_are_those_of_evaluate(runs: list[Run], page: str) -> None:
    text = words(page)
    for name in {run.recipe.name for run in runs}:
        scores = evaluate(system(runs, name), resamples=RESAMPLES)
        mean = scores.mean_pearson
        assert f"{number(mean.value)} {number(mean.low)} to {number(mean.high)}" in text
        row = [mean, *(score.pearson for score in scores.targets.values())]
        assert " ".join(f"{number(s.value)} {number(s.low)} to {number(s.high)}" for s in row) in text


def test_the_headline_is_the_fusion_beside_the_best_single_modality(runs: list[Run], page: str) -> None:
    best, fusion = system(runs, "words-hashed.mlp"), system(runs, "light")
    versus = compare_runs(fusion, best, resamples=RESAMPLES)
    text = words(page)
    assert f"light, mean Pearson {number(evaluate(fusion, resamples=1).mean_pearson.value)} 95 % interval" in text
    assert "best single modality, Text" in text
    assert f"+{number(versus.difference)} 95 % interval {number(versus.low)} to {number(versus.high)}" in text
    assert "light is better" in text
    assert "120 validation clips of drawn, split 2:1, mean over 2 seeds (0, 1)" in text
    assert "chose the epoch" in text
    assert "Drawn faces only." in text


def test_single_modalities_come_first_in_the_field_s_order(runs: list[Run]) -> None:
    found = score_systems(list(reversed(runs)), resamples=2)
    assert [s.modalities[0] for s in found] == ["Text", "Audio", "Vision", "Motion", "Text"]
    assert [s.single for s in found] == [True] * 4 + [False]


def test_labels_are_counted_as_they_are(runs: list[Run], page: str) -> None:
    valid = runs[0].outcome.part("valid").true
    text = words(page)
    for column, target in enumerate(TARGETS):
        zero, mean = (valid[:, column] == 0).mean(), valid[:, column].mean()
        assert f"{target}, validation 120 {100 * zero:.1f} % {number(float(mean))} " in text


def test_the_worst_clip_is_the_one_with_the_largest_error(runs: list[Run], page: str) -> None:
    fusion = [run.outcome.part("valid") for run in system(runs, "light")]
    true, predicted = fusion[0].true, np.mean([outcome.predicted for outcome in fusion], axis=0)
    errors = (np.abs(true - predicted) / true.std(axis=0)).mean(axis=1)
    row = int(errors.argmax())
    expected = f"{fusion[0].clips[row]} {errors[row]:.2f} "
    assert words(page).partition("The worst: label → prediction")[2].partition("Joy")[2].strip().startswith(expected)
    shows = true.any(axis=1)
    best = np.flatnonzero(shows)[errors[shows].argmin()]
    expected = f"{fusion[0].clips[best]} {number(errors[best], 2)} "
    assert words(page).partition("The best: label → prediction")[2].partition("Joy")[2].strip().startswith(expected)


def test_clips_without_a_modality_are_counted(runs: list[Run], page: str) -> None:
    absent = ~system(runs, "light")[0].outcome.part("train").presence
    assert f"Text (words-hashed) {absent[:, 0].sum()} of 240" in words(page)


def test_every_run_can_be_found_again(runs: list[Run], page: str) -> None:
    assert all(run.signature in page for run in runs)
    assert "mimetic train DATA light --seeds 0,1" in page


def test_the_same_runs_give_the_same_bytes(runs: list[Run], tmp_path: Path) -> None:
    one, other = (
        write_report([Run(run.path) for run in runs[-2:]], tmp_path / name, resamples=20).read_bytes() for name in "ab"
    )
    assert one == other


def test_the_templates_are_in_the_package() -> None:
    folder = files("mimetic") / "templates"
    assert all((folder / name).is_file() for name in ("report.html.j2", "page.css"))


# ------------------------------------------------------------------------------------------ edges


def test_one_run_alone_makes_a_page(runs: list[Run], tmp_path: Path) -> None:
    text = words(write_report(runs[:1], tmp_path / "report.html", resamples=20).read_text("utf-8"))
    assert "words-hashed.mlp on drawn" in text
    assert "one seed (0)" in text
    assert "best single modality, Text" not in text
    assert "Each emotion with its interval" in text


def test_a_fusion_without_its_parts_makes_a_page(runs: list[Run], tmp_path: Path) -> None:
    text = words(write_report(system(runs, "light"), tmp_path / "report.html", resamples=20).read_text("utf-8"))
    assert "No single modality is among these runs to compare with." in text


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([], id="none"),
        pytest.param([{"epoch": 1, "loss": 0.8, "mean_pearson": None}], id="one epoch without a score"),
        pytest.param([{"epoch": i, "loss": 0.5, "mean_pearson": 0.3} for i in (1, 2)], id="nothing changes"),
    ],
)
def test_a_short_history_makes_a_page(history: list[dict[str, Any]], tmp_path: Path) -> None:
    run = make_run(tmp_path, RECIPES["logmel.meanstd"], 0, history=history)
    assert "Learning" in write_report([run], tmp_path / "report.html", resamples=20).read_text("utf-8")


def test_a_score_that_is_not_defined_is_a_dash(tmp_path: Path) -> None:
    outcome = make_outcome(RECIPES["logmel.meanstd"], 0)
    predicted, true = outcome.predicted.copy(), outcome.true.copy()
    predicted[:, 0] = 0.5
    true[np.array(PARTS) == "valid", 1] = 0.0
    true[np.array(PARTS) == "valid", 2] = np.nan
    run = make_run(tmp_path, RECIPES["logmel.meanstd"], 0, outcome=replace(outcome, predicted=predicted, true=true))
    text = words(write_report([run], tmp_path / "report.html", resamples=20).read_text("utf-8"))
    assert f"mean Pearson {ABSENT} 95 % interval {ABSENT} to {ABSENT}" in text


def test_labels_of_any_range_make_a_page(tmp_path: Path) -> None:
    outcome = make_outcome(RECIPES["logmel.meanstd"], 0)
    wide = replace(outcome, true=200 * outcome.true - 100, predicted=200 * outcome.predicted - 100)
    run = make_run(tmp_path, RECIPES["logmel.meanstd"], 0, outcome=wide)
    assert f"{MINUS}100.00" in write_report([run], tmp_path / "report.html", resamples=20).read_text("utf-8")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\"'&$x_{$"
    recipe = replace(RECIPES["light"], name="a$b_{<b>")
    outcome = make_outcome(recipe, 0, clips=[f"{hostile}{i}" for i in range(len(PARTS))])
    run = make_run(tmp_path, recipe, 0, outcome=outcome, data=hostile)
    page = write_report([run], tmp_path / "report.html", note=hostile, resamples=20).read_text("utf-8")
    assert not Elements(page).named("script")
    assert hostile in html.unescape(page)


def test_systems_of_one_name_are_told_apart(runs: list[Run], tmp_path: Path) -> None:
    changed = with_settings(RECIPES["light"], {"fit.epochs": 3, "parts.1.fit.rate": 0.01})
    found = score_systems([*runs, make_run(tmp_path, changed, 0)], resamples=2)
    names = [system.name for system in found]
    assert len(set(names)) == 6
    assert sum(name.startswith("light-") for name in names) == 2
    command = next(s.command for s in found if s.recipe.fit.epochs == 3)
    assert command == "mimetic train DATA light --set parts.1.fit.rate=0.01 --set fit.epochs=3 --seeds 0"


def test_a_recipe_of_one_s_own_is_trained_again_from_its_file(tmp_path: Path) -> None:
    own = replace(RECIPES["light"], name="mine", parts=RECIPES["light"].parts[:2])
    grown = replace(own, name="light")
    found = score_systems([make_run(tmp_path, own, 0), make_run(tmp_path, grown, 0, split="other")], resamples=2)
    assert {s.command for s in found} == {
        "mimetic train DATA mine.toml --seeds 0",
        "mimetic train DATA light.toml --seeds 0",
    }


def test_systems_on_other_clips_are_not_compared(runs: list[Run], tmp_path: Path) -> None:
    elsewhere = make_run(tmp_path, replace(RECIPES["light"], split="4:1"), 0, split="other")
    found = score_systems([*runs, elsewhere], resamples=2)
    assert {s.scores.split: s.versus is None for s in found if not s.single} == {"2:1": False, "4:1": True}
    text = words(write_report([*runs, elsewhere], tmp_path / "report.html", resamples=20).read_text("utf-8"))
    assert "fingerprint other" in text


def test_a_run_given_twice_counts_once(runs: list[Run]) -> None:
    assert [s.scores.seeds for s in score_systems([*runs[:2], *runs[:2]], resamples=2)] == [(0, 1)]


def test_a_published_score_stands_beside_ours(tmp_path: Path) -> None:
    recipe = replace(RECIPES["logmel.meanstd"], published={"validation": 0.3088})
    text = words(write_report([make_run(tmp_path, recipe, 0)], tmp_path / "r.html", resamples=20).read_text("utf-8"))
    assert "Published" in text
    assert " .309 " in text


def test_runs_of_two_data_sets_are_refused(runs: list[Run], tmp_path: Path) -> None:
    other = make_run(tmp_path, RECIPES["light"], 0, data="other")
    with pytest.raises(BadRun, match="one data set, and these runs are of: drawn, other"):
        write_report([*runs, other], tmp_path / "report.html")


def test_no_run_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="of: none"):
        write_report([], tmp_path / "report.html")


# ------------------------------------------------------------------------------------------ colours


def _linear(color: str) -> np.ndarray:
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _contrast(one: np.ndarray, other: np.ndarray) -> float:
    """WCAG's ratio of two linear RGB colours."""
    dark, light = sorted(float(np.clip(c, 0, 1) @ (0.2126, 0.7152, 0.0722)) + 0.05 for c in (one, other))
    return light / dark


def _mixed(low: str, high: str, share: float) -> np.ndarray:
    """Mix two colours in Oklab (Ottosson 2020), as CSS does: linear RGB."""
    to_cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    roots = [np.cbrt(to_cones @ _linear(color)) for color in (low, high)]
    return np.asarray(np.linalg.solve(to_cones, ((1 - share) * roots[0] + share * roots[1]) ** 3))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_number_of_the_heat_map_can_be_read(scheme: str) -> None:
    css = (files("mimetic") / "templates" / "page.css").read_text("utf-8")
    blocks = re.findall(r"(?s):root \{(.*?)\}", css)
    colors = dict(re.findall(r"--(\w+): (#\w{6});", blocks[0] if scheme == "light" else blocks[1]))
    for share in np.linspace(0, 1, 201):
        ink = colors["over"] if share > SWITCH else colors["under"]
        assert _contrast(_mixed(colors["paper"], colors["heat"], float(share)), _linear(ink)) >= 4.5
    for name in ("ink", "soft", "accent"):
        assert _contrast(_linear(colors[name]), _linear(colors["paper"])) >= 4.5


def test_the_floor_is_the_line_to_beat(runs: list[Run], tmp_path: Path) -> None:
    without = words(write_report(runs, tmp_path / "without.html", resamples=20).read_text("utf-8"))
    assert "The line to beat is not among these runs" in without
    recipe = replace(RECIPES["light"], name="floor", adapt=0.0)
    outcome = make_outcome(recipe, 5)
    blurred = outcome.predicted + np.random.default_rng(5).normal(scale=0.1, size=outcome.predicted.shape)
    floor = make_run(tmp_path, recipe, 0, outcome=replace(outcome, predicted=blurred))
    found = {s.name: s for s in score_systems([*runs, floor], resamples=50)}
    assert found["floor"].over is None
    light = found["light"].over
    assert light is not None
    paired = compare_runs(system(runs, "light"), [floor], part="valid", resamples=50)
    assert light.comparison.difference == pytest.approx(paired.difference)
    text = words(write_report([*runs, floor], tmp_path / "with.html", resamples=50).read_text("utf-8"))
    assert "The line to beat is not among these runs" not in text
    assert "Minus the floor" in text
    assert "above the floor: clip statistics, a ridge" in text

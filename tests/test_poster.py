"""The poster's table as it was printed, and every part to the parameter; the rivals' as their code counts them."""

from __future__ import annotations

import pytest

from mimetic.encoders import ENCODERS
from mimetic.fusions import FUSIONS
from mimetic.listings import rows
from mimetic.recipes import POSTER, RECIPES, RIVALS, Recipe, stage_one
from mimetic.recipes.poster import PICTURE
from mimetic.recipes.poster import POSTER as SOURCE

PRINTED = [
    ("vit-face.gru", "vision", "2:1", 0.1084, None),
    ("vit-face.lstm", "vision", "2:1", 0.1134, None),
    ("dinov2-frame.gru", "vision", "2:1", 0.1343, None),
    ("dinov2-frame.lstm", "vision", "2:1", 0.1260, None),
    ("dinov2-face.gru", "vision", "2:1", 0.1512, None),
    ("dinov2-face.attention", "vision", "2:1", 0.1535, None),
    ("wav2vec2.mean", "audio", "2:1", 0.1428, None),
    ("wav2vec2.lstm", "audio", "2:1", 0.3088, None),
    ("wav2vec2-affect.mlp", "audio", "2:1", 0.3500, None),
    ("wav2vec2-affect.meanstd", "audio", "2:1", 0.3600, None),
    ("wav2vec2-affect.attention", "audio", "2:1", 0.3600, None),
    ("gte.lstm", "text", "2:1", 0.4070, None),
    ("gte.mlp", "text", "2:1", 0.4076, None),
    ("bert-large-cls.mlp", "text", "2:1", 0.3400, None),
    ("wav2vec2-affect.bilstm", "audio", "2:1", 0.3650, None),
    ("F1", "text audio vision", "2:1", 0.4373, 0.506),
    ("F2", "text audio vision motion", "2:1", 0.4386, 0.506),
    ("F3", "text audio vision", "4:1", 0.4717, 0.570),
    ("F4", "text audio vision motion", "4:1", 0.4722, 0.562),
    ("F5", "text audio vision", "2:1", 0.4400, 0.491),
    ("motion-openface.attention", "motion", "2:1", None, None),
]
"""Name, modalities, split, validation and test, as the poster has them; the last row is ours."""

RIVAL_SIZES = {
    "taemi": 4_080_649,
    "semantic-matters": 30_553_828,
    "restudy.text": 396_806,
    "restudy.speech": 1_706_183,
}


def learned(name: str) -> int:
    """Add up a recipe's parameters, but for missing tokens, which the rivals of this table do not have."""
    return sum(count for part, count in RECIPES[name].parameters.items() if part != "missing tokens")


def test_the_table_is_the_poster_s_row_by_row() -> None:
    told = [
        (r.name, " ".join(r.modalities), r.split, r.published.get("validation"), r.published.get("test"))
        for r in POSTER
    ]
    assert told == PRINTED
    assert list(RECIPES)[: len(POSTER)] == [name for name, *_ in PRINTED]
    assert [r.source for r in POSTER] == [*[SOURCE] * 14, PICTURE, *[SOURCE] * 5, "ours"]


def test_the_listing_prints_each_row_with_its_figures() -> None:
    told = {row["name"]: row for row in rows("recipes")}
    assert told["F3"]["published"] == {"validation": 0.4717, "test": 0.570}
    assert told["F3"]["split"] == "4:1"
    assert told["motion-openface.attention"]["source"] == "ours"
    assert {row["source"] for row in told.values()} >= {"winner of 2026", "winner of 2025", "re-study", "HSEmotion"}


def test_every_part_of_the_poster_s_system_has_its_size() -> None:
    sizes = {"text": 297_600, "audio": 397_441, "vision": 298_369}
    without, with_motion = RECIPES["F1"].parameters, RECIPES["F2"].parameters
    assert {part: without[part] for part in sizes} == sizes
    assert {part: with_motion[part] for part in (*sizes, "motion")} == {**sizes, "motion": 3_398}
    assert (without["fusion"], with_motion["fusion"]) == (447_366, 496_774)


@pytest.mark.parametrize("name", RIVAL_SIZES)
def test_a_rival_has_the_size_that_its_code_gives(name: str) -> None:
    tokens = RECIPES[name].parameters["missing tokens"] if name == "taemi" else 0
    assert learned(name) + tokens == RIVAL_SIZES[name]


def test_the_gate_has_492_parameters() -> None:
    assert RECIPES["restudy.gate"].parameters["fusion"] == 492


@pytest.mark.parametrize("recipe", POSTER, ids=lambda recipe: recipe.name)
def test_the_poster_s_training_is_the_poster_s(recipe: Recipe) -> None:
    fits = [recipe.fit, *(part.fit for part in recipe.parts)]
    for fit in fits:
        assert dict(fit.loss) == {"ccc": 0.7, "mse": 0.3}
        assert (fit.epochs, fit.clips, fit.rate, fit.decay, fit.max_norm) == (50, 16, 2e-4, 1e-2, 1.0)
        assert (fit.schedule, fit.plateau, fit.patience) == ("plateau", 3, 10)


def test_dropout_and_adaptation_are_the_poster_s() -> None:
    assert {ENCODERS[name].options["dropout"] for name in ("mlp", "meanstd", "attention")} == {0.45}
    assert {FUSIONS[name].options["dropout"] for name in ("linear", "concat")} == {0.45}
    fusions = {name: RECIPES[name] for name in ("F1", "F2", "F3", "F4", "F5")}
    assert {name: r.adapt for name, r in fusions.items()} == {"F1": 0.05, "F2": 0.05, "F3": 0.05, "F4": 0.05, "F5": 0.0}
    assert {r.modality_dropout for r in fusions.values()} == {0.3}


def test_what_the_poster_leaves_open_is_ours_and_said() -> None:
    assert [ENCODERS[name].options["hidden"] for name in ("gru", "lstm", "bilstm")] == [128, 128, 128]
    assert [ENCODERS[name].options["layers"] for name in ("gru", "lstm", "bilstm")] == [1, 1, 3]
    assert all("stands for" in r.about for r in POSTER if r.name.startswith("wav2vec2-affect"))
    assert all("unlike theirs" in RECIPES[name].about for name in ("F1", "F2", "F3", "F4", "F5"))


def test_stage_one_of_the_fusions_is_the_table_s_own_rows() -> None:
    names = ["gte.mlp", "wav2vec2-affect.attention", "dinov2-face.attention", "motion-openface.attention"]
    assert [recipe.name for recipe in stage_one(RECIPES["F2"])] == names
    assert all(recipe == RECIPES[recipe.name] for recipe in stage_one(RECIPES["F2"]))
    assert all(recipe.split == "4:1" and not recipe.published for recipe in stage_one(RECIPES["F4"]))


@pytest.mark.parametrize("recipe", RIVALS, ids=lambda recipe: recipe.name)
def test_a_rival_says_who_it_is(recipe: Recipe) -> None:
    assert recipe.source not in ("ours", SOURCE, PICTURE)
    assert recipe.published

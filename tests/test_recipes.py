"""A recipe is one frozen record: named, changed by dotted settings, read from TOML, refused when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mimetic.features import EXTRACTORS, feature, features
from mimetic.network import Network, count_parameters
from mimetic.recipes import (
    RECIPES,
    Recipe,
    as_json,
    from_json,
    get_recipe,
    stage_one,
    with_features,
    with_settings,
)
from mimetic.records import UnknownName, UsageError

HUGE = 1280
"""Columns of google/vit-huge-patch14-224-in21k, whose configuration is not on every machine."""


def counted(recipe: Recipe) -> dict[str, int]:
    """Count the parameters of a recipe's network, for six targets, without its weights."""
    dims = [HUGE if "vit-huge" in part.feature else feature(part.feature).dim for part in recipe.parts]
    with torch.device("meta"):
        return count_parameters(Network(recipe, dims, 6), recipe)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_the_way_through_json(name: str) -> None:
    recipe = RECIPES[name]
    assert from_json(as_json(recipe), where="here") == recipe
    assert recipe.name == name


@pytest.mark.parametrize("name", RECIPES)
def test_the_table_s_parameters_are_those_of_the_network(name: str) -> None:
    recipe = RECIPES[name]
    assert counted(recipe) == dict(recipe.parameters)


def test_settings_change_one_field_and_drop_what_was_published() -> None:
    changed = with_settings(RECIPES["light"], {"fit.epochs": 3, "parts.1.encoder": "gru", "parts.1.options": {}})
    assert (changed.fit.epochs, changed.parts[1].encoder) == (3, "gru")
    assert changed.parameters == {}
    assert RECIPES["light"].fit.epochs != 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fit.epoch": 3}, r"no setting 'fit.epoch'. Here are: epochs"),
        ({"parts.9.encoder": "gru"}, r"numbered 0 to 3"),
        ({"fit.epochs": "many"}, r"epochs is 'many'. It has to be a whole number"),
        ({"parts.0.encoder": "grue"}, r"no encoder 'grue'. Did you mean gru\?"),
        ({"parts.0.feature": "logmell"}, r"no extractor 'logmell'. Did you mean logmel\?"),
        ({"fusion": "mlp"}, r"no fusion 'mlp'"),
        ({"name.first": 1}, r"no setting 'name.first'"),
        ({"parts": 3}, r"parts is 3. It has to be a list"),
        ({"parts": [3]}, r"parts is \[3\]. It has to be a list"),
        ({"fit": 3}, r"fit is 3. It has to be a table"),
        ({"parts.0.options": 3}, r"options is 3. It has to be a table"),
        ({"parts.0.options.foo": 1}, r"encoder 'mlp' has no option 'foo'. Its options: hidden, dropout"),
        ({"options.width": 3}, r"fusion 'concat' has no option 'width'"),
        ({"parts.0.options.hidden": 2.5}, r"hidden is 2.5. It has to be a whole number"),
        ({"parts.0.options.dropout": 2}, r"dropout is 2. It is a share"),
        ({"fit.epochs": 0}, r"fit.epochs is 0. It has to be a number, 1 or more"),
        ({"fit.rate": float("nan")}, r"fit.rate is nan"),
        ({"fit.loss": {"ccc": "a"}}, r"fit.loss.ccc is 'a'"),
        ({"fit.loss": {"cc": 1.0}}, r"no loss 'cc'. Did you mean ccc\?"),
        ({"modality_dropout": 1.5}, r"modality_dropout is 1.5"),
        ({"fit.schedule": "linear"}, r"no schedule 'linear'"),
        ({"tokens": "input"}, r"no token 'input'. Did you mean inputs\?"),
        ({"stages": 3}, r"stages is 3. It is 1"),
        ({"parts.0.encoder": "queried", "stages": 1}, r"light: nothing asks its first part"),
        ({"parts.1.encoder": "queried"}, r"light: a part that is asked learns nothing alone"),
        ({"parts.0.seconds": -1.0}, r"seconds is -1.0"),
        ({"parts.0.head": "lineal"}, r"no fusion 'lineal'. Did you mean linear"),
        ({"parts.0.head_options.width": 3}, r"fusion 'linear' has no option 'width'"),
    ],
)
def test_a_wrong_setting_is_told(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_settings(RECIPES["light"], settings)


def test_an_unknown_recipe_tells_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean logmel.meanstd"):
        get_recipe("logmel.meanstdd")


def test_a_recipe_in_toml_starts_from_one_of_the_table_or_from_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "light"\nmodality_dropout = 0.5\n[fit]\nepochs = 2\n')
    mine = get_recipe(str(tmp_path / "mine.toml"))
    assert (mine.name, mine.modality_dropout, mine.fit.epochs) == ("mine", 0.5, 2)
    (tmp_path / "own.toml").write_text('[[parts]]\nfeature = "logmel"\nencoder = "gru"\n')
    own = get_recipe(str(tmp_path / "own.toml"))
    assert own.modalities == ("audio",)
    (tmp_path / "bad.toml").write_text("parts = 3 3")
    with pytest.raises(UsageError, match=r"bad.toml is no recipe"):
        get_recipe(str(tmp_path / "bad.toml"))
    (tmp_path / "odd.toml").write_text('colour = 1\n[[parts]]\nfeature = "logmel"\nencoder = "gru"\n')
    with pytest.raises(UsageError, match=r"there is no setting 'colour'"):
        get_recipe(str(tmp_path / "odd.toml"))


def test_a_row_of_the_table_and_a_fusion_s_stage_one_are_the_same_recipe() -> None:
    for part in stage_one(RECIPES["light"]):
        assert part.content == RECIPES[part.name].content


def test_what_is_told_of_a_recipe_does_not_decide_its_numbers() -> None:
    told = from_json({**as_json(RECIPES["light"]), "name": "other", "about": "x", "source": "y"}, where="")
    assert told.content == RECIPES["light"].content


def test_another_encoder_starts_from_its_own_options() -> None:
    changed = with_settings(with_settings(RECIPES["light"], {"parts.0.options.hidden": 8}), {"parts.0.encoder": "gru"})
    assert changed.parts[0].options == {}


def test_another_feature_keeps_what_is_told_and_says_what_it_stands_for() -> None:
    changed = with_features(RECIPES["F1"], {"wav2vec2-affect": "wav2vec2-affect+rate=5"})
    assert (changed.parts[1].feature, changed.parts[1].instead_of) == ("wav2vec2-affect+rate=5", "wav2vec2-affect")
    assert (changed.published, changed.parts[0]) == (RECIPES["F1"].published, RECIPES["F1"].parts[0])
    assert changed.content != RECIPES["F1"].content
    alone = with_features(RECIPES["wav2vec2-affect.attention"], {"wav2vec2-affect": "wav2vec2-affect+rate=5"})
    assert stage_one(changed)[1].content == alone.content
    assert stage_one(changed)[1].name == "wav2vec2-affect.attention"


def test_a_feature_has_one_spelling() -> None:
    assert feature("face-appearance+align=False").key == "face-appearance"
    plain = feature("face-appearance+detector=centre")
    assert plain.key == "face-appearance"
    made = feature("face-appearance+size=96+detector=mediapipe")
    assert made.key == "face-appearance+detector=mediapipe+size=96"
    assert feature(made.key) == made
    assert len(features(["logmel", "logmel", made.key])) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words-hashed+dim=0", r"dim is 0. It has to be a whole number above 0"),
        ("words-hashed+dim=abc", r"dim is 'abc'"),
        ("face-appearance+align=2", r"align is 2. It has to be true or false"),
        ("logmel+hop=3", r"extractor 'logmel' has no option 'hop'"),
        ("logmel+hop", r"Write name\+option=value"),
    ],
)
def test_an_option_that_does_not_exist_is_told(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        feature(text)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_wide_tracks_are_stored_in_half_precision(name: str) -> None:
    made = feature(name)
    assert made.dtype == ("float16" if made.dim >= 256 else "float32")
    assert made.entry.modality in ("text", "audio", "vision", "motion")


def test_a_recipe_needs_parts() -> None:
    with pytest.raises(UsageError, match="needs parts"):
        from_json({"name": "x"}, where="x")


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(AttributeError):
        RECIPES["light"].name = "x"  # type: ignore[misc]
    assert isinstance(RECIPES["light"], Recipe)

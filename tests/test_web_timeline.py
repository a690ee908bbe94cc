"""Windows, contributions and moments say what they claim to: each is a score that can be computed the plain way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mimetic.batches import Ragged
from mimetic.features import feature, features
from mimetic.network import Network
from mimetic.reading import Taken
from mimetic.recipes import RECIPES, Part, Recipe
from mimetic.records import Clip, Track
from mimetic.web import signals, timeline
from mimetic.web.decoding import Facts
from mimetic.web.scoring import Desk, Reading
from served import Place

SECONDS = 10.0


def track(key: str, rng: np.random.Generator) -> Track:
    entry = feature(key)
    rows = round(SECONDS * entry.rate) if entry.rate else 1
    values = rng.standard_normal((rows, entry.dim)).astype(np.float32)
    return Track(values=values, rate=entry.rate, valid=np.ones(rows, np.bool_))


def reading(keys: list[str], **other: Taken) -> Reading:
    rng = np.random.default_rng(0)
    taken = {key: Taken(track(key, rng), None) for key in keys} | other
    facts = Facts(seconds=SECONDS, has_picture=True, has_sound=True, words=None)
    return Reading(clip=Clip(id="x"), facts=facts, taken=taken, strip="face-strip")


@pytest.fixture(scope="module")
def desk(place: Place) -> Iterator[Desk]:
    with Desk(place.run) as opened:
        yield opened


KEYS = ["words-hashed", "logmel", "face-appearance", "motion-blocks"]


def test_a_window_scores_as_a_clip_that_is_no_longer_than_it(desk: Desk) -> None:
    read = reading(KEYS)
    found = timeline.windows_of(desk, read)
    assert found is not None
    assert (found.width, found.times[0], found.times[-1]) == (4.0, 0.0, 10.0)
    at = int(np.flatnonzero(found.times == 5.0)[0])
    cut = {}
    for key in KEYS:
        whole = read.track(key)
        assert whole is not None
        rows = slice(round(3.0 * whole.rate), round(7.0 * whole.rate)) if whole.rate else slice(None)
        cut[key] = Taken(Track(values=whole.values[rows], rate=whole.rate, valid=whole.valid[rows]), None)
    alone = desk.score(replace(read, taken=cut))
    assert found.scores[at] == pytest.approx(alone.values[0], abs=1e-5)
    without = desk.score(replace(read, taken=cut), without=["audio"])
    assert found.contributions[1, at] == pytest.approx(alone.values[0] - without.values[0], abs=1e-5)


def test_a_modality_that_is_missing_contributes_nothing(desk: Desk) -> None:
    found = timeline.windows_of(desk, reading(KEYS, logmel=Taken(None, "no sound track")))
    assert found is not None
    assert not found.contributions[1].any()
    assert found.contributions[3].any()


def test_what_is_too_short_or_has_no_time_has_no_windows(desk: Desk) -> None:
    words = {key: Taken(None, "nothing") for key in KEYS[1:]}
    assert timeline.windows_of(desk, reading(KEYS, **words)) is None
    told = timeline.as_json(desk, reading(KEYS, **words))
    assert (told["windows"], told["timeless"]) == (None, ["text"])


@pytest.fixture(scope="module")
def mixture(place: Place) -> Iterator[Desk]:
    """Give a desk of what ``auto`` made of the clips: a mixture, with words by letters and no network."""
    from mimetic.automatic import recipe_for, train_automatically
    from mimetic.datasets import open_dataset
    from mimetic.extraction import extract
    from mimetic.store import Store
    from mimetic.training.material import Shelf

    dataset, store = open_dataset(place.data), Store(place.data / "features")
    recipe = recipe_for(dataset, store, kind="floor")
    extract(dataset.clips, features(part.feature for part in recipe.parts), store, workers=0)
    run = train_automatically(Shelf(dataset, store), recipe, place.runs.parent / "floor")
    with Desk(run) as opened:
        yield opened


def test_a_mixture_has_windows_and_contributions_and_no_attention(mixture: Desk) -> None:
    keys = [feature.key for feature in mixture.features]
    read = reading(keys)
    found = timeline.as_json(mixture, read)
    assert (found["mixture"], found["attention"]) == (True, {})
    windows = timeline.windows_of(mixture, read)
    assert windows is not None
    assert windows.scores.shape == (len(windows.times), len(mixture.run.targets))
    names = mixture.run.recipe.modalities
    assert set(found["windows"]["contributions"]) == set(names)
    name = names[keys.index("logmel")]
    without = mixture.score(read, without=[name])
    assert without.modalities[0][name] == "switched off"
    assert without.values != pytest.approx(mixture.score(read).values, abs=1e-9)


def test_of_two_features_of_one_modality_one_can_be_switched_off() -> None:
    desk = object.__new__(Desk)
    recipe = Recipe(
        name="two", parts=(Part(feature="logmel", encoder="meanstd"), Part(feature="egemaps", encoder="meanstd"))
    )
    seen: list[list[int]] = []

    def model(parts: tuple[Ragged, ...]) -> NDArray[np.float64]:
        seen.append([int(part.lengths[0]) for part in parts])
        return np.zeros((1, 1))

    dims = [feature("logmel").dim, feature("egemaps").dim]
    told = {"recipe": recipe, "dims": dims, "targets": ("a",), "config": {"margins": None}}
    told["features"] = features(part.feature for part in recipe.parts)
    desk.run, desk.model = type("Run", (), told)(), model
    scores = desk.score(reading(["logmel", "egemaps"]), without=["audio: egemaps"])
    assert dict(scores.modalities[0]) == {"audio: logmel": "used", "audio: egemaps": "switched off"}
    assert seen[0][0] > 0
    assert seen[0][1] == 0


def test_attention_is_what_the_encoder_weighs_its_rows_by(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    recipe = Recipe(name="attending", parts=(Part(feature="logmel", encoder="attention"),))
    network = Network(recipe, [48], 2).eval()

    class Bench:
        run = type("Run", (), {"recipe": recipe, "dims": [48], "targets": ("a", "b")})()
        features = (feature("logmel"),)

    bench = Bench()
    bench.network = network
    read = reading(["logmel"])
    times, weights = timeline.attention_of(bench, read)["audio"]
    encoder = network.branches[0].encoder
    values = read.track("logmel").values
    logits = encoder.score(torch.from_numpy(values))[:, 0]
    assert weights == pytest.approx(logits.softmax(dim=0).detach().double().numpy(), rel=1e-4)
    assert (len(times), weights.sum()) == (500, pytest.approx(1.0))


def test_loudness_and_pitch_come_back_in_decibels_and_hertz(tmp_path: Path) -> None:
    from mimetic.features.prosody import LogMel
    from mimetic.records import Sound

    time = np.arange(32_000) / 16_000
    extraction = LogMel().begin()
    extraction.add(Sound(samples=(0.1 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)))
    read = reading([], logmel=Taken(extraction.finish(), None))
    curves = signals.as_json(read)["curves"]
    assert curves["pitch"]["values"][40] == pytest.approx(200, rel=0.02)
    assert curves["loudness"]["values"][40] == pytest.approx(-23, abs=0.5)  # a sine of amplitude 1 has -3 dB


def test_recipes_attend_by_the_layers_that_the_table_names() -> None:
    from mimetic.encoders import ENCODERS

    for name in timeline.ATTENDING:
        entry = ENCODERS[name]
        assert entry.load()(8, **entry.options).get_submodule("score") is not None
    assert RECIPES


def test_a_decoder_does_not_grow_with_the_clips_it_has_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc

    from clips import write_clip
    from mimetic.reading import ClipReader
    from mimetic.web.decoding import Inspecting

    class Cycle:
        """What refers to itself stays until somebody looks for garbage."""

        left = 0

        def __init__(self) -> None:
            Cycle.left += 1
            self.self = self

        def __del__(self) -> None:
            Cycle.left -= 1

    def leaving(_reader: ClipReader, _clip: Clip) -> Iterator[dict[str, Taken]]:
        Cycle()
        yield {}

    monkeypatch.setattr(ClipReader, "__call__", leaving)
    path, read = write_clip(tmp_path / "one.mp4", seconds=0.5), Inspecting(ClipReader(features(["logmel"])))
    gc.disable()
    try:
        for _ in range(20):
            assert len(list(read(Clip(id="one", path=path)))) == 2
        assert Cycle.left == 0
    finally:
        gc.enable()

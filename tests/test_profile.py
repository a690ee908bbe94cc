"""Where the time of a training went is told when somebody asks, and changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mimetic.batches import POOLED, Ready, make_batch
from mimetic.clocking import Clock
from mimetic.network import Network
from mimetic.training import train_on
from mimetic.training.loop import Trainer
from mimetic.training.material import Shelf
from planted import fused, planted, single

CPU = torch.device("cpu")


def test_a_clock_changes_no_bit_and_knows_every_stretch(tmp_path: Path) -> None:
    shelf, clock = Shelf(*planted(tmp_path)), Clock()
    timed = train_on(shelf, fused(), tmp_path / "timed", clock=clock)
    plain = train_on(shelf, fused(), tmp_path / "plain")
    np.testing.assert_array_equal(timed.outcome.predicted, plain.outcome.predicted)
    told = {stretch["name"]: stretch for stretch in clock.as_json()}
    names = {"opening", "what is done once", "reading", "forward", "backward", "optimiser", "scoring", "writing"}
    assert told.keys() == names
    assert all(stretch["wall"] >= 0 for stretch in told.values())
    assert json.dumps(clock.as_json())


def test_what_is_pooled_once_is_what_is_pooled_in_each_step(tmp_path: Path) -> None:
    shelf = Shelf(*planted(tmp_path))
    recipe = single(encoder="meanstd")
    material = shelf.material(recipe)
    torch.manual_seed(0)
    trainer = Trainer(recipe, material, (), 0, CPU)
    assert isinstance(trainer.parts[0], Ready)
    assert trainer.parts[0].stage == POOLED
    clips = np.arange(len(material.dataset.clips))
    network = trainer.network.eval()
    assert isinstance(network, Network)
    again = network(make_batch(material.parts, clips, CPU))
    torch.testing.assert_close(network(make_batch(trainer.parts, clips, CPU)), again, atol=1e-6, rtol=0)


def test_seeds_share_what_is_pooled_and_are_as_they_are_alone(tmp_path: Path) -> None:
    together = Shelf(*planted(tmp_path))
    for seed in (0, 1, 2):
        among_others = train_on(together, fused(), tmp_path / "together", seed=seed)
        alone = train_on(Shelf(together.dataset, together.store), fused(), tmp_path / f"alone-{seed}", seed=seed)
        np.testing.assert_array_equal(among_others.outcome.predicted, alone.outcome.predicted)
    assert len(together.material(fused()).kept) == 2


def test_folds_share_what_nothing_was_fitted_for(tmp_path: Path) -> None:
    shelf = Shelf(*planted(tmp_path))
    for standardise, count in ((False, 1), (True, 3)):
        for split in ("1/3", "2/3"):
            recipe = replace(single(), split=split)
            recipe = replace(recipe, parts=(replace(recipe.parts[0], standardise=standardise),))
            Trainer(recipe, shelf.material(recipe), (), 0, CPU)
        assert len(shelf.material(recipe).kept) == count


def test_frozen_encoders_are_computed_once(tmp_path: Path) -> None:
    shelf = Shelf(*planted(tmp_path))
    recipe = fused(adapt=0.0)
    run = train_on(shelf, recipe, tmp_path / "runs")
    clips = np.arange(len(shelf.dataset.clips))
    network = run.network()
    with torch.inference_mode():
        again = network(make_batch(shelf.material(recipe).parts, clips, CPU)).double().numpy()
    np.testing.assert_allclose(run.outcome.predicted, again, atol=1e-5, rtol=0)


def test_what_was_let_go_of_is_read_again(tmp_path: Path) -> None:
    _, store = planted(tmp_path)
    feature = store["logmel"]
    first = np.array(feature.measured("00000"))
    for shard in feature.shards:
        shard.release()
    np.testing.assert_array_equal(feature.measured("00000"), first)
    np.testing.assert_array_equal(feature["00000"].measured, first)
    assert feature.measured_length("00000") == len(first)

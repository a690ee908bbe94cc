"""Speech models of every family: alone, in company and in a plain call of transformers a window has the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clips import write_clip
from mimetic.checkpoints import HOME
from mimetic.conveying import convey, convey_here
from mimetic.features import feature
from mimetic.features.speech import Speech
from mimetic.features.speech.network import Positions, SpeechModel, runs
from mimetic.features.speech.windows import FIELD, STRIDE, WINDOW, Windows
from mimetic.models import Inputs, Rows
from mimetic.records import Clip, NoStream, Sound, Track, UsageError
from mimetic.spools import Spool
from tiny_speech import FAMILIES, HIDDEN, make_affect, make_speech, rename

LENGTHS = (400, 719, 720, 16_000, 12_345, 15_999, 23_000, 5000)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a family's checkpoint, made once."""
    made: dict[str, Path] = {}

    def give(family: str) -> Path:
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            made[family] = make_affect(folder) if family == "affect" else make_speech(folder, family)
        return made[family]

    return give


def noise(length: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    loud = 0.1 + 0.08 * np.sin(np.arange(length) / 3000)
    return (0.02 + loud * draw.normal(size=length)).astype(np.float32)


def sounds() -> list[np.ndarray]:
    return [noise(length, seed) for seed, length in enumerate(LENGTHS)]


def prepared(speech: Speech, samples: np.ndarray, *, piece: int = 16_000) -> list[Inputs]:
    windows = speech.begin()
    ready = [
        inputs
        for start in range(0, len(samples), piece)
        for inputs in windows.add(Sound(samples=samples[start : start + piece]))
    ]
    return [*ready, *windows.finish()]


def loaded(speech: Speech, *, padding: float = 0.0) -> SpeechModel:
    model = speech.load("cpu")
    assert isinstance(model, SpeechModel)
    model._padding = padding
    return model


def rows_of(folder: Path, clips: Sequence[np.ndarray], *, padding: float = 0.0, **options: Any) -> list[Rows]:
    speech = Speech(folder, **options)
    return loaded(speech, padding=padding)([inputs for clip in clips for inputs in prepared(speech, clip)])


@cache
def plain(folder: Path) -> tuple[Any, Any]:
    """Open a checkpoint as ``transformers``' documentation does."""
    from transformers import AutoFeatureExtractor, AutoModel

    return AutoModel.from_pretrained(folder).eval(), AutoFeatureExtractor.from_pretrained(folder)


def plainly(folder: Path, samples: np.ndarray) -> Any:
    """Call it as its documentation does: one clip, no mask."""
    network, prepare = plain(folder)
    inputs = prepare(samples, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        return network(**inputs, output_hidden_states=True)


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    assert ours.flags.c_contiguous
    assert np.abs(ours - theirs).max() <= 1e-4 * max(1.0, np.abs(theirs).max())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("padding", [0.0, 0.25, 0.999], ids=["alone", "alike", "mixed"])
def test_alone_or_in_company_a_clip_s_rows_are_those_of_a_plain_call(
    checkpoint: Callable[[str], Path], family: str, padding: float
) -> None:
    rows = rows_of(checkpoint(family), sounds(), padding=padding)
    for samples, row in zip(sounds(), rows, strict=True):
        assert_close(row.values, plainly(checkpoint(family), samples).last_hidden_state[0].numpy())


def test_a_plain_padded_batch_would_not_do(checkpoint: Callable[[str], Path]) -> None:
    """The trap is there: transformers' own padding changes the rows that are not padding."""
    for family in ("wav2vec2", "hubert", "wavlm", "data2vec-audio"):
        network, _ = plain(checkpoint(family))
        short, long = (torch.from_numpy(noise(length)) for length in (8000, 16_000))
        mask = torch.ones(2, 16_000, dtype=torch.long)
        mask[0, 8000:] = 0
        batch = torch.nn.utils.rnn.pad_sequence([short, long], batch_first=True)
        with torch.inference_mode(), pytest.warns() if family == "wavlm" else torch.inference_mode():
            alone, together = network(short[None])[0][0], network(batch, attention_mask=mask)[0][0, :24]
        assert (alone - together).abs().max() > 1e-3, family


def test_positions_of_data2vec_leak_even_where_the_mask_zeroes_padding(checkpoint: Callable[[str], Path]) -> None:
    model = loaded(Speech(checkpoint("data2vec-audio")), padding=0.999)
    clips = [Inputs(arrays={"samples": noise(length)}, cost=length) for length in (8000, 16_000)]
    right = model(clips)[0].values
    model.network.encoder.pos_conv_embed = model.network.encoder.pos_conv_embed._convolutions
    assert np.abs(model(clips)[0].values - right).max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_close(checkpoint: Callable[[str], Path], family: str, precision: str) -> None:
    clips = sounds()[3:5]
    exact = rows_of(checkpoint(family), clips)
    half = rows_of(checkpoint(family), clips, precision=precision, padding=0.999)
    for a, b in zip(exact, half, strict=True):
        assert b.values.dtype == np.float32
        lengths = np.linalg.norm(a.values, axis=1) * np.linalg.norm(b.values, axis=1)
        assert ((a.values * b.values).sum(axis=1) / lengths).min() >= 0.999


@pytest.mark.parametrize("normalise", [True, False])
def test_sound_is_normalised_as_the_checkpoint_says(tmp_path: Path, normalise: bool) -> None:
    folder = make_speech(tmp_path, normalise=normalise)
    assert_close(rows_of(folder, [noise(9000)])[0].values, plainly(folder, noise(9000)).last_hidden_state[0].numpy())
    (inputs,) = prepared(Speech(folder), noise(9000))
    assert (abs(inputs.arrays["samples"].std() - 1) < 1e-3) == normalise


def test_where_nothing_says_so_it_is_normalised(tmp_path: Path) -> None:
    (inputs,) = prepared(Speech(make_speech(tmp_path, normalise=None)), noise(9000))
    assert abs(inputs.arrays["samples"].std() - 1) < 1e-3
    assert abs(inputs.arrays["samples"].mean()) < 1e-5


def test_a_processor_s_own_file_is_read_too(tmp_path: Path) -> None:
    folder = make_speech(tmp_path, normalise=None)
    told = {
        "feature_extractor": {"do_normalize": False, "sampling_rate": 16_000},
        "processor_class": "Wav2Vec2Processor",
    }
    (folder / "processor_config.json").write_text(json.dumps(told))
    (inputs,) = prepared(Speech(folder), noise(9000))
    np.testing.assert_array_equal(inputs.arrays["samples"], noise(9000))


# ----------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-stable", "wavlm-stable", "data2vec-audio"])
@pytest.mark.parametrize(
    ("layers", "which"),
    [("0", [0]), ("1", [1]), ("-2", [1]), ("2", [2]), ("-1", [2]), ("1:-1", [1, 2]), ("all", [0, 1, 2])],
)
def test_layers_are_hidden_states_or_their_mean(
    checkpoint: Callable[[str], Path], family: str, layers: str, which: list[int]
) -> None:
    rows = rows_of(checkpoint(family), sounds()[2:4], layers=layers, padding=0.999)
    for samples, row in zip(sounds()[2:4], rows, strict=True):
        states = plainly(checkpoint(family), samples).hidden_states
        assert_close(row.values, np.mean([states[layer][0].numpy() for layer in which], axis=0))


def test_layers_that_are_not_needed_are_not_there(checkpoint: Callable[[str], Path]) -> None:
    assert len(loaded(Speech(checkpoint("wav2vec2"), layers="1")).network.encoder.layers) == 1


@pytest.mark.parametrize("layers", ["3", "-4", "", "first", "1;2", "1::2", "1,2", "1.5"])
def test_a_layer_that_is_none_is_refused(checkpoint: Callable[[str], Path], layers: str) -> None:
    with pytest.raises(UsageError, match=r"no layers .*from 0 to 2 or from -3 to -1"):
        Speech(checkpoint("wav2vec2"), layers=layers)


def test_layers_are_an_option_of_the_feature(checkpoint: Callable[[str], Path]) -> None:
    for layers in ("1", "-1", "0:1", "all"):
        made = feature(f"wav2vec2+model={checkpoint('wav2vec2')}+layers={layers}").make()
        assert isinstance(made, Speech)
        assert made._layers


# ------------------------------------------------------------------------------------------------ heads


def scores(folder: Path, states: torch.Tensor) -> torch.Tensor:
    """Apply the head as its model card writes it out."""
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    hidden = torch.tanh(states @ weights["classifier.dense.weight"].T + weights["classifier.dense.bias"])
    return hidden @ weights["classifier.out_proj.weight"].T + weights["classifier.out_proj.bias"]


@pytest.mark.parametrize(("heads", "dim"), [(False, HIDDEN), (True, HIDDEN + 3)])
def test_arousal_dominance_and_valence_are_notes_and_columns_if_asked_for(
    checkpoint: Callable[[str], Path], heads: bool, dim: int
) -> None:
    folder = checkpoint("affect")
    rows = rows_of(folder, sounds(), heads=heads, padding=0.999)
    for samples, row in zip(sounds(), rows, strict=True):
        states = plainly(folder, samples).last_hidden_state[0]
        theirs = scores(folder, states).numpy()
        assert row.values.shape == (len(states), dim)
        assert list(row.notes) == ["arousal", "dominance", "valence"]
        assert_close(np.ascontiguousarray(row.values[:, :HIDDEN]), states.numpy())
        assert all(note.flags.c_contiguous for note in row.notes.values())
        np.testing.assert_allclose(np.stack(list(row.notes.values()), axis=1), theirs, atol=1e-4)
        if heads:
            np.testing.assert_allclose(row.values[:, HIDDEN:], theirs, atol=1e-4)


def test_the_head_has_the_output_whatever_layers_are_asked_for(checkpoint: Callable[[str], Path]) -> None:
    (row,) = rows_of(checkpoint("affect"), [noise(8000)], layers="1")
    (last,) = rows_of(checkpoint("affect"), [noise(8000)])
    np.testing.assert_array_equal(row.notes["valence"], last.notes["valence"])
    assert np.abs(row.values - last.values).max() > 0.1


def test_a_head_that_is_not_there_is_refused(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="has no regression head"):
        Speech(checkpoint("wav2vec2"), heads=True).load("cpu")


def test_other_checkpoints_have_no_notes(checkpoint: Callable[[str], Path]) -> None:
    assert rows_of(checkpoint("hubert"), [noise(1000)])[0].notes == {}


# ---------------------------------------------------------------------------------------------- windows


def edges() -> list[int]:
    """Lengths around every place where the number of rows or of windows changes."""
    seams = [WINDOW + k * 20 * 16_000 for k in range(4)]
    near = [seam + d for seam in (FIELD, FIELD + STRIDE, *seams) for d in (-STRIDE, -80, -1, 0, 1, 79, 80, 81, STRIDE)]
    return [*near, *np.random.default_rng(0).integers(WINDOW, 6 * WINDOW, 20).tolist()]


def kept(windows: Sequence[Inputs]) -> Iterator[int]:
    """Give the places, in the whole clip, of the rows that are kept of each window."""
    for number, inputs in enumerate(windows):
        rows = range((len(inputs.arrays["samples"]) - FIELD) // STRIDE + 1)[slice(*inputs.keep)]
        yield from (row + number * 1000 for row in rows)


def test_rows_that_are_kept_tile_the_clip_at_any_length() -> None:
    for length in (length for length in edges() if length >= FIELD):
        windows = Windows(normalise=False)
        made = [*windows.add(Sound(samples=np.zeros(length, np.float32))), *windows.finish()]
        assert list(kept(made)) == list(range((length - FIELD) // STRIDE + 1)), length
        assert len(made) == max(1, 1 + -(-(length - WINDOW) // (20 * 16_000))), length
        assert all(inputs.cost == len(inputs.arrays["samples"]) <= WINDOW for inputs in made)


@pytest.mark.parametrize("piece", [1, 777, 16_000, 1_000_000])
def test_windows_do_not_depend_on_the_pieces(checkpoint: Callable[[str], Path], piece: int) -> None:
    samples = noise(12_000 if piece == 1 else 900_000)
    for ours, whole in zip(
        prepared(Speech(checkpoint("wav2vec2")), samples, piece=piece),
        prepared(Speech(checkpoint("wav2vec2")), samples, piece=len(samples)),
        strict=True,
    ):
        np.testing.assert_array_equal(ours.arrays["samples"], whole.arrays["samples"])
        assert ours.keep == whole.keep


def test_a_long_clip_is_plain_calls_on_its_windows(checkpoint: Callable[[str], Path]) -> None:
    folder, samples = checkpoint("wav2vec2"), noise(58 * 16_000)
    starts = (0, 20, 40)
    theirs = [
        plainly(folder, samples[start * 16_000 : (start + 30) * 16_000]).last_hidden_state[0].numpy()
        for start in starts
    ]
    joined = np.concatenate([theirs[0][:1250], theirs[1][250:1250], theirs[2][250:]])
    speech = Speech(folder)
    windows = prepared(speech, samples)
    ours = [rows.values[slice(*inputs.keep)] for inputs, rows in zip(windows, loaded(speech)(windows), strict=True)]
    assert_close(np.concatenate(ours), joined)


@pytest.mark.parametrize("length", [1, FIELD - 1])
def test_what_is_shorter_than_a_row_says_so(length: int) -> None:
    windows = Windows(normalise=True)
    assert not list(windows.add(Sound(samples=np.ones(length, np.float32))))
    with pytest.raises(NoStream, match=f"too short for a speech model \\({length} samples, and it needs 400\\)"):
        list(windows.finish())


def test_where_nothing_came_nothing_is_said() -> None:
    assert not list(Windows(normalise=True).finish())


def test_silence_has_rows(checkpoint: Callable[[str], Path]) -> None:
    (row,) = rows_of(checkpoint("wav2vec2"), [np.zeros(16_000, np.float32)])
    assert row.values.shape == (49, HIDDEN)
    assert np.isfinite(row.values).all()


def peak(seconds: int) -> int:
    """Give the most bytes that a clip's preparation holds at once, what it has given away not counted."""
    windows, second = Windows(normalise=True), noise(16_000)
    tracemalloc.start()
    for _ in range(seconds):
        for inputs in windows.add(Sound(samples=second)):
            del inputs
    list(windows.finish())
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return highest


def test_twenty_minutes_hold_no_more_than_one() -> None:
    assert peak(1200) <= 1.01 * peak(60) < 16 << 20


# ------------------------------------------------------------------------------------------ checkpoints


def test_old_names_of_weights_are_understood(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    folder = rename(make_speech(tmp_path), old)
    same = rows_of(checkpoint("wav2vec2"), [noise(5000)])[0].values
    np.testing.assert_array_equal(rows_of(folder, [noise(5000)])[0].values, same)


@pytest.mark.parametrize("family", ["wav2vec2", "affect"])
def test_a_checkpoint_of_the_older_kind_is_read(checkpoint: Callable[[str], Path], tmp_path: Path, family: str) -> None:
    folder = rename(make_affect(tmp_path) if family == "affect" else make_speech(tmp_path), {}, pickled=True)
    ours, theirs = (rows_of(at, [noise(5000)])[0] for at in (folder, checkpoint(family)))
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert ours.notes.keys() == theirs.notes.keys()


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("it has run",)


def test_a_pickle_that_is_more_than_weights_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_speech(tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save({"trap": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match="cannot be read as a"):
        Speech(folder).load("cpu")
    assert "it has run" not in capsys.readouterr().out


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    folder = rename(make_speech(tmp_path), {"layers.1.attention.k_proj": ""})
    with pytest.raises(
        UsageError, match=r"lacks 2 weights of a Wav2Vec2Model, among them encoder\.layers\.1\.attention\.k_proj\.bias"
    ):
        Speech(folder).load("cpu")


def test_weights_that_only_training_needs_may_be_missing(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    folder = rename(make_speech(tmp_path), {"masked_spec_embed": ""})
    same = rows_of(checkpoint("wav2vec2"), [noise(5000)])[0].values
    np.testing.assert_array_equal(rows_of(folder, [noise(5000)])[0].values, same)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_type": "bert"}, r"holds a model of type 'bert'.*wav2vec2, hubert, wavlm, data2vec-audio"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, "does not give a row of 400 samples for every 320"),
        ({"add_adapter": True}, "an adapter"),
        ({"hidden_size": 48}, "cannot be read as a"),
    ],
)
def test_another_kind_of_model_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    folder = make_speech(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(UsageError, match=told):
        Speech(folder).load("cpu")


def test_another_rate_is_refused(tmp_path: Path) -> None:
    folder = make_speech(tmp_path)
    (folder / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    with pytest.raises(UsageError, match="wants sound at 8000 Hz"):
        Speech(folder)


def test_no_weights_are_refused(tmp_path: Path) -> None:
    folder = make_speech(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="cannot be read as a"):
        Speech(folder).load("cpu")


def test_nothing_of_training_is_active(tmp_path: Path) -> None:
    """SpecAugment, LayerDrop and dropout, all at their strongest, change nothing."""
    strong = {"mask_time_prob": 0.9, "mask_feature_prob": 0.9, "layerdrop": 1.0, "hidden_dropout": 0.9}
    folder = make_speech(tmp_path, mask_time_length=2, mask_feature_length=2, **strong)
    before = torch.get_rng_state(), np.random.get_state()[1]
    first, second = (rows_of(folder, [noise(16_000)])[0].values for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_loading_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = rename(make_affect(tmp_path), {"masked_spec_embed": ""})
    capfd.readouterr()
    rows_of(folder, [noise(5000)])
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_decoder_needs_no_torch(checkpoint: Callable[[str], Path]) -> None:
    code = """
import sys, pathlib, numpy
from mimetic.features.speech import Speech
from mimetic.records import Sound
windows = Speech(pathlib.Path(sys.argv[1])).begin()
list(windows.add(Sound(samples=numpy.ones(500_000, numpy.float32)))), list(windows.finish())
print([module for module in ("torch", "transformers") if module in sys.modules])
"""
    command = [sys.executable, "-c", code, str(checkpoint("wav2vec2"))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_runs_are_similarly_long() -> None:
    assert runs([5, 9, 10, 5], 0.0) == [[2], [1], [0], [3]]
    assert runs([5, 9, 10, 5], 0.25) == [[2, 1], [0, 3]]
    assert runs([5, 9, 10, 5], 0.999) == [[2, 1, 0, 3]]
    assert runs([], 0.5) == []


# ------------------------------------------------------------------------------------------- the engine


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    lengths = (0.5, 1.7, 32.0, 0.8, 1.1)
    return [
        Clip(id=str(i), path=write_clip(folder / f"{i}.mp4", seconds=s, seed=i, picture=False))
        for i, s in enumerate(lengths)
    ]


def tracks(flow: Iterator[Any]) -> list[Track]:
    results = [taken for shard in flow if shard is not None for taken in shard]
    spools = [next(iter(taken.values())).track for taken in results]
    assert all(isinstance(spool, Spool) for spool in spools)
    return [spool.track() for spool in spools]


def test_clips_of_mixed_lengths_go_through_the_engine(
    checkpoint: Callable[[str], Path], filmed: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(HOME, raising=False)
    asked = feature(f"wav2vec2-affect+model={checkpoint('affect')}+heads=true")
    ours = tracks(convey_here([asked], [filmed]))
    alone = [track for clip in filmed for track in tracks(convey_here([asked], [[clip]]))]
    crewed = tracks(convey([asked], [filmed], workers=1))
    for one, two, three in zip(ours, alone, crewed, strict=True):
        assert one.values.shape[1] == asked.dim == HIDDEN + 3
        assert set(one.notes) == {"arousal", "dominance", "valence"}
        for other in (two, three):
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.notes["valence"], other.notes["valence"])
    assert len(ours[2].values) == pytest.approx(32 * 50, abs=3)


def test_rows_can_be_pooled_into_bins(checkpoint: Callable[[str], Path], filmed: list[Clip]) -> None:
    asked = feature(f"wav2vec2+model={checkpoint('wav2vec2')}+rate=5")
    (track,) = tracks(convey_here([asked], [filmed[1:2]]))
    assert track.rate == 5
    assert len(track.values) == pytest.approx(9, abs=1)


def test_positions_give_what_a_clip_alone_would(checkpoint: Callable[[str], Path]) -> None:
    model = loaded(Speech(checkpoint("data2vec-audio")))
    positions, front = model.network.encoder.pos_conv_embed, model._front
    assert isinstance(positions, Positions)
    states = torch.randn(2, 30, HIDDEN, generator=torch.Generator().manual_seed(0))
    front.lengths = [30, 11]
    with torch.inference_mode():
        together = positions(states)
        front.lengths = [11]
        alone = positions(states[1:, :11])
    torch.testing.assert_close(together[1, :11], alone[0])
    assert not together[1, 11:].any()

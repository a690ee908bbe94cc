"""Classifiers of expressions: what the last layer sees and its scores, of checkpoints and of ONNX files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mimetic.conveying import convey_here
from mimetic.features import feature
from mimetic.features.expressions import SIZE, Expressions
from mimetic.features.expressions.graph import read_graph
from mimetic.models import Inputs, Rows
from mimetic.records import Clip, Frames, MissingExtra, Track, UsageError
from mimetic.spools import Spool
from tiny_vision import (
    CHANNELS,
    HIDDEN,
    IMAGE,
    LABELS,
    SCORES,
    make_classifier,
    make_onnx,
    make_vision,
    onnx_weights,
    without,
)

Checkpoints = Callable[[str], Path]
FAMILIES = ("vit", "beit-averages", "dinov2", "dinov2-registers", "deit", "swin")
needs_onnxruntime = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs the extra speed")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Give a family's classifier, made once."""
    return cache(lambda family: make_classifier(tmp_path_factory.mktemp(family), family))


def noise(count: int, size: int = 40, seed: int = 0) -> np.ndarray:
    """Pictures with large things in them."""
    coarse = np.random.default_rng(seed).integers(0, 255, (count, 6, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(picture).resize((size, size))) for picture in coarse])


def frames(images: np.ndarray, valid: Sequence[bool] | None = None) -> Frames:
    found = np.ones(len(images), np.bool_) if valid is None else np.array(valid)
    return Frames(images=images, times=np.arange(len(images)) / 5, valid=found)


def rows_of(path: Path, pieces: Sequence[Frames], **options: Any) -> list[Rows]:
    expressions = Expressions(path, **options)
    preparation = expressions.begin()
    batch: list[Inputs] = [inputs for piece in pieces for inputs in preparation.add(piece)]
    return expressions.load("cpu")([*batch, *preparation.finish()])


def plainly(folder: Path, images: np.ndarray) -> np.ndarray:
    """Call a classifier as its documentation does, a picture at a time; and its head on what it is said to see."""
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    network = AutoModelForImageClassification.from_pretrained(folder).eval()
    prepare = AutoImageProcessor.from_pretrained(folder, backend="pil")
    rows = []
    for image in images:
        with torch.inference_mode():
            pixels = prepare(image, return_tensors="pt")["pixel_values"]
            output = network.base_model(pixels)
            states = output.last_hidden_state
            if network.config.model_type in ("vit", "deit"):
                seen = states[:, 0]
            elif network.config.model_type.startswith("dinov2"):
                registers = getattr(network.config, "num_register_tokens", 0)
                seen = torch.cat([states[:, 0], states[:, 1 + registers :].mean(1)], 1)
            else:
                seen = output.pooler_output
            logits = network(pixels).logits
            torch.testing.assert_close(network.classifier(seen), logits)
            rows.append(torch.cat([seen, logits.softmax(1)], 1)[0].numpy())
    return np.stack(rows)


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() <= 1e-4 * max(1.0, np.abs(theirs).max())


# ------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("family", FAMILIES)
def test_in_company_a_clip_s_rows_are_those_of_plain_calls(checkpoint: Checkpoints, family: str) -> None:
    clips = [noise(count, size, seed=count) for count, size in ((2, 40), (1, IMAGE), (9, 50))]
    rows = rows_of(checkpoint(family), [frames(images) for images in clips])
    for images, row in zip(clips, rows, strict=True):
        assert row.values.flags.c_contiguous
        assert_close(row.values, plainly(checkpoint(family), images))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_columns_are_known_beforehand(checkpoint: Checkpoints, family: str) -> None:
    assert Expressions(checkpoint(family)).dim == plainly(checkpoint(family), noise(1)).shape[1]


def test_scores_are_notes_by_the_names_of_their_classes(checkpoint: Checkpoints) -> None:
    (rows,) = rows_of(checkpoint("vit"), [frames(noise(11), [True] * 9 + [False, True])])
    assert list(rows.notes) == list(LABELS)
    for column, label in enumerate(LABELS):
        np.testing.assert_array_equal(rows.notes[label], rows.values[:, HIDDEN + column])
    np.testing.assert_allclose(rows.values[:, HIDDEN:].sum(1), 1, rtol=1e-6)


def test_where_a_picture_may_have_several_labels_each_score_is_its_own(tmp_path: Path) -> None:
    folder = make_classifier(tmp_path, problem_type="multi_label_classification")
    (rows,) = rows_of(folder, [frames(noise(2))])
    scores = torch.from_numpy(rows.values[:, HIDDEN:])
    torch.testing.assert_close(
        scores.logit().softmax(1).numpy(), plainly(folder, noise(2))[:, HIDDEN:], rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_close(checkpoint: Checkpoints, precision: str) -> None:
    (exact,) = rows_of(checkpoint("vit"), [frames(noise(6))])
    (half,) = rows_of(checkpoint("vit"), [frames(noise(6))], precision=precision)
    assert not np.array_equal(half.values, exact.values)
    lengths = np.linalg.norm(exact.values, axis=1) * np.linalg.norm(half.values, axis=1)
    assert ((exact.values * half.values).sum(axis=1) / lengths).min() >= 0.999


def test_frames_without_a_face_have_no_rows(checkpoint: Checkpoints) -> None:
    (rows,) = rows_of(checkpoint("vit"), [frames(noise(2), [False, False])])
    assert rows.values.shape == (0, HIDDEN + len(LABELS))


def test_an_older_file_of_weights_tells_its_columns_by_its_configuration(tmp_path: Path) -> None:
    folder = make_classifier(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert Expressions(folder).dim == HIDDEN + len(LABELS)
    (folder / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(UsageError, match=r"does not tell its columns. Give them as \+dim=NUMBER"):
        Expressions(folder)
    assert Expressions(folder, dim=39).dim == 39


def test_a_model_without_a_head_is_refused_and_nothing_is_drawn(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    make_vision(tmp_path)
    torch.random.set_rng_state(before)
    with pytest.raises(
        UsageError, match=r"lacks 2 weights of a ViTForImageClassification, among them classifier\.bias"
    ):
        Expressions(tmp_path).load("cpu")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_with_two_heads_is_refused(tmp_path: Path) -> None:
    folder = make_classifier(tmp_path, "deit", architectures=["DeiTForImageClassificationWithTeacher"])
    with pytest.raises(UsageError, match="DeiTForImageClassificationWithTeacher has no single head"):
        Expressions(folder).load("cpu")


def test_columns_that_are_told_wrongly_are_refused(checkpoint: Checkpoints) -> None:
    with pytest.raises(UsageError, match=r"gives 39 columns, not 775. Leave out \+dim, or give \+dim=39"):
        Expressions(checkpoint("vit"), dim=775).load("cpu")


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks 4 weights"):
        Expressions(without(make_classifier(tmp_path), "layernorm_after")).load("cpu")


def test_a_precision_that_is_none_is_refused(checkpoint: Checkpoints) -> None:
    with pytest.raises(UsageError, match="the precision is 'int8'"):
        Expressions(checkpoint("vit"), precision="int8")


# -------------------------------------------------------------------------------------------- ONNX files


def by_hand(images: np.ndarray) -> np.ndarray:
    """Compute what the tiny file does, pictures of its own size, in PyTorch."""
    weights = {name: torch.from_numpy(weight) for name, weight in onnx_weights().items()}
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = ((torch.from_numpy(images) / 255 - mean) / deviation).permute(0, 3, 1, 2)
    states = F.conv2d(pixels, weights["kernel"]).relu().mean((2, 3))
    return torch.cat([states, F.linear(states, weights["head"], weights["bias"])], 1).numpy()


@needs_onnxruntime
@pytest.mark.parametrize(
    "told",
    [
        {},
        {"head": "MatMul"},
        {"second": "means"},
        {"second": "doubled"},
        {"picture": (1, 3, IMAGE, IMAGE), "scores": (1, SCORES)},
        {"picture": ("batch", IMAGE, IMAGE, 3)},
        {"picture": ("batch", 3, "height", "width")},
        {"head": "MatMul", "second": "doubled", "picture": (1, IMAGE, IMAGE, 3)},
    ],
    ids=str,
)
def test_an_onnx_file_gives_what_its_last_layer_sees_and_its_scores(tmp_path: Path, told: dict[str, Any]) -> None:
    path = make_onnx(tmp_path / "tiny.onnx", **told)
    size = SIZE if "height" in told.get("picture", ()) else IMAGE
    clips = [noise(3, size), noise(1, size, seed=1), noise(20, size, seed=2)]
    rows = rows_of(path, [frames(images) for images in clips])
    assert Expressions(path).dim == CHANNELS + SCORES
    factor = np.where(np.arange(CHANNELS + SCORES) < CHANNELS, 2, 1) if told.get("second") == "doubled" else 1
    for images, row in zip(clips, rows, strict=True):
        assert_close(row.values, by_hand(images) * np.float32(factor))


@needs_onnxruntime
def test_in_any_company_an_onnx_file_gives_the_same_to_the_bit(tmp_path: Path) -> None:
    path = make_onnx(tmp_path / "tiny.onnx")
    many, _ = rows_of(path, [frames(noise(13)), frames(noise(2, seed=1))])
    for image, row in zip(noise(13), many.values, strict=True):
        np.testing.assert_array_equal(rows_of(path, [frames(image[None])])[0].values[0], row)


@needs_onnxruntime
def test_an_onnx_file_without_a_linear_layer_gives_its_scores(tmp_path: Path) -> None:
    path = make_onnx(tmp_path / "tiny.onnx", head="none", scores=("batch", CHANNELS))
    assert_close(rows_of(path, [frames(noise(2, IMAGE))])[0].values, by_hand(noise(2, IMAGE))[:, :CHANNELS])


@needs_onnxruntime
def test_pictures_are_scaled_to_the_size_that_an_onnx_file_takes(tmp_path: Path) -> None:
    path = make_onnx(tmp_path / "tiny.onnx", picture=("batch", 3, 20, 24))
    scaled = np.asarray(Image.fromarray(noise(1)[0]).resize((24, 20), Image.Resampling.BILINEAR))
    assert_close(rows_of(path, [frames(noise(1))])[0].values, by_hand(scaled[None].copy()))


@needs_onnxruntime
def test_an_onnx_file_that_does_not_tell_its_columns_has_to_be_told(tmp_path: Path) -> None:
    path = make_onnx(tmp_path / "tiny.onnx", scores=("batch", "scores"))
    with pytest.raises(UsageError, match=r"tiny.onnx does not tell its columns. Give them as \+dim=NUMBER"):
        Expressions(path)
    with pytest.raises(UsageError, match="gives 20 columns, not 8"):
        Expressions(path, dim=8).load("cpu")
    assert_close(rows_of(path, [frames(noise(1, IMAGE))], dim=20)[0].values, by_hand(noise(1, IMAGE)))


@needs_onnxruntime
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read"),
        (b"not a protocol buffer", "cannot be read"),
        (b"\x0f", "it is no protocol buffer"),
        (b"\x0a\x7f", "it is cut short"),
        (b"\x08\x08", "list index out of range"),
        (None, "cannot be opened by onnxruntime"),
    ],
)
def test_a_file_that_is_no_classifier_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "broken.onnx"
    if content is None:
        content = make_onnx(path).read_bytes().replace(b"Conv", b"Cave")
    path.write_bytes(content)
    with pytest.raises(UsageError, match=reason) as caught:
        Expressions(path, dim=20).load("cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "reason"), [({"kind": 10}, "of type 10"), ({"picture": ("batch", 1, 28, 28)}, "it takes")]
)
def test_a_graph_of_other_inputs_is_refused(tmp_path: Path, told: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_graph(make_onnx(tmp_path / "tiny.onnx", **told))


@needs_onnxruntime
def test_an_onnx_file_has_a_precision_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="computes in fp32, not in bf16"):
        Expressions(make_onnx(tmp_path / "tiny.onnx"), precision="bf16")


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mimetic.features.expressions.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"an ONNX file .tiny.onnx. needs the extra 'speed'"):
        Expressions(make_onnx(tmp_path / "tiny.onnx"))


@needs_onnxruntime
def test_decoders_need_neither_torch_nor_onnxruntime(checkpoint: Checkpoints, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np; from mimetic.records import Frames;"
        "from mimetic.features.expressions import Expressions;"
        "piece = Frames(images=np.zeros((2, 50, 40, 3), np.uint8), times=np.zeros(2), valid=np.ones(2, bool));"
        "assert all(next(Expressions(Path(path)).begin().add(piece)).cost == 2 for path in sys.argv[1:]);"
        "print([name for name in ('torch', 'transformers', 'onnxruntime') if name in sys.modules])"
    )
    paths = [str(checkpoint("vit")), str(make_onnx(tmp_path / "tiny.onnx"))]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------- through the engine


def given(folder: Path) -> tuple[Clip, np.ndarray]:
    """Write crops for some instants of two seconds; at the others nobody is there."""
    crops = noise(3, 50)
    for number, crop in zip((6, 30, 60), crops, strict=True):
        Image.fromarray(crop).save(folder / f"{number}.png")
        (folder / f"{number}.png").rename(folder / f"{number}.jpg")  # a name that is looked for, without loss
    return Clip(id="a", faces=folder), crops


def extracted(text: str, clip: Clip) -> Track:
    ((taken,),) = (found for found in convey_here([feature(text)], [[clip]]) if found is not None)
    track = taken[feature(text).key].track
    assert isinstance(track, Spool)
    return track.track()


def test_a_track_has_scores_where_a_face_is(checkpoint: Checkpoints, tmp_path: Path) -> None:
    clip, crops = given(tmp_path)
    track = extracted(f"face-affect+model={checkpoint('vit')}+detector=given+size=50", clip)
    assert np.flatnonzero(track.valid).tolist() == [1, 5, 10]
    assert_close(track.measured, plainly(checkpoint("vit"), crops))
    assert not track.values[~track.valid].any()
    assert set(LABELS) < set(track.notes)
    np.testing.assert_array_equal(track.notes["happy"], track.values[:, HIDDEN + LABELS.index("happy")])


@needs_onnxruntime
def test_an_onnx_file_is_a_model_of_the_feature(tmp_path: Path) -> None:
    clip, crops = given(tmp_path)
    track = extracted(f"face-affect+model={make_onnx(tmp_path / 'tiny.onnx')}+detector=given+size={IMAGE}+dim=20", clip)
    scaled = np.stack(
        [np.asarray(Image.fromarray(crop).resize((IMAGE, IMAGE), Image.Resampling.BILINEAR)) for crop in crops]
    )
    assert_close(track.measured, by_hand(scaled))

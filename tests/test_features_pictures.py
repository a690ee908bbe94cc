"""Vision transformers: a picture alone, in company and in a plain call of transformers gives the same row."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clips import write_clip
from mimetic.conveying import convey, convey_here
from mimetic.faces import FaceView
from mimetic.features import feature
from mimetic.features.pictures import Pictures
from mimetic.images import PROCESSORS, Preprocessing, read_preprocessing
from mimetic.media import Media
from mimetic.models import Inputs, Rows
from mimetic.reading import Taken
from mimetic.records import Clip, Frames, Track, UsageError
from mimetic.spools import Spool
from tiny_vision import BIT, FAMILIES, HIDDEN, IMAGE, VIT, make_classifier, make_vision, without

PREFIX = {"dinov2-registers": 4, "dinov3": 3, "deit": 2, "siglip": 0, "siglip-vision": 0, "ijepa": 0}
"""Tokens before the patches, where that is not CLS alone."""

SHAPES = ((40, 61), (61, 40), (32, 32), (200, 90), (20, 23))

Checkpoints = Callable[[str], Path]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Give a family's checkpoint, made once."""
    return cache(lambda family: make_vision(tmp_path_factory.mktemp(family), family))


def noise(count: int, shape: tuple[int, int] = (40, 61), seed: int = 0) -> np.ndarray:
    """Pictures with large and small things in them."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 255, (count, 5, 7, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(picture).resize(shape[::-1])) for picture in coarse]
    return np.clip(np.stack(large) + draw.normal(0, 20, (count, *shape, 3)), 0, 255).astype(np.uint8)


def frames(images: np.ndarray, valid: Sequence[bool] | None = None) -> Frames:
    found = np.ones(len(images), np.bool_) if valid is None else np.array(valid)
    notes = {"confidence": found.astype(np.float32)}
    return Frames(images=images, times=np.arange(len(images)) / 5, valid=found, notes=notes)


def prepared(pictures: Pictures, pieces: Iterable[Frames]) -> list[Inputs]:
    preparation = pictures.begin()
    return [*(inputs for piece in pieces for inputs in preparation.add(piece)), *preparation.finish()]


def rows_of(folder: Path, pieces: Sequence[Frames], **options: Any) -> list[Rows]:
    pictures = Pictures(folder, **options)
    return pictures.load("cpu")(prepared(pictures, pieces))


@cache
def plain(folder: Path) -> tuple[Any, Any]:
    """Open a checkpoint as ``transformers``' documentation does."""
    from transformers import AutoImageProcessor, AutoModel, ViTImageProcessorPil

    network = AutoModel.from_pretrained(folder).eval()
    told = json.loads((folder / "preprocessor_config.json").read_text())
    if "DINOv3" in str(told):  # its own needs torchvision
        return network, ViTImageProcessorPil(**told)
    return getattr(network, "vision_model", network), AutoImageProcessor.from_pretrained(folder, backend="pil")


def plainly(folder: Path, images: np.ndarray, **options: Any) -> Any:
    """Call it as its documentation does: one picture at a time."""
    network, prepare = plain(folder)
    with torch.inference_mode():
        return [network(**prepare(image, return_tensors="pt"), **options) for image in images]


def expected(folder: Path, family: str, pooling: str, images: np.ndarray, **options: Any) -> np.ndarray:
    """Pool as its documentation says; CLIP and a BEiT that averages have the last norm in their pooler."""
    outputs = plainly(folder, images, **options)
    if (family in ("clip", "clip-vision"), pooling) == (True, "cls") or (family, pooling) == (
        "beit-averages",
        "patches",
    ):
        return torch.cat([output.pooler_output for output in outputs]).numpy()
    states = torch.cat([output.last_hidden_state for output in outputs])
    rows = {"cls": states[:, 0], "patches": states[:, PREFIX.get(family, 1) :].mean(1), "all": states.mean(1)}[pooling]
    network = plain(folder)[0]
    if family in ("clip", "clip-vision"):
        rows = network.post_layernorm(rows)
    if family == "beit-averages":
        rows = network.pooler.layernorm(rows)
    return rows.detach().numpy()


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    assert ours.flags.c_contiguous
    assert np.abs(ours - theirs).max() <= 1e-4 * max(1.0, np.abs(theirs).max())


# ------------------------------------------------------------------------------------------ what goes in


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_are_prepared_as_transformers_does(checkpoint: Checkpoints, family: str) -> None:
    preprocessing, (_, processor) = read_preprocessing(checkpoint(family)), plain(checkpoint(family))
    for shape in SHAPES:
        (image,) = noise(1, shape)
        assert_prepared_alike(preprocessing, processor, image)


def assert_prepared_alike(preprocessing: Preprocessing, processor: Any, image: np.ndarray) -> None:
    raw = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    ours = preprocessing.apply(image)
    np.testing.assert_array_equal(ours, raw.transpose(1, 2, 0))
    assert preprocessing.shape(*image.shape[:2]) == ours.shape[:2]
    normalised = processor(image, return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(preprocessing.tensor(ours[None].copy(), "cpu"), normalised, atol=2e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"do_resize": False},
        {"do_resize": False, "do_center_crop": False},
        {"size": {"shortest_edge": 20}},
        {"size": {"height": 30, "width": 50}, "crop_size": {"height": 37, "width": 29}},
        {"size": 33, "crop_size": 31},
        {"do_center_crop": False},
        {"do_rescale": False},
        {"rescale_factor": 1 / 127.5},
        {"do_normalize": False},
        {"image_mean": 0.4, "image_std": 0.3},
        {"resample": 0, "do_rescale": None, "do_center_crop": None},
        {"resample": 1},
        {"size": [35, 36]},
    ],
    ids=str,
)
def test_every_setting_is_followed(tmp_path: Path, changes: dict[str, Any]) -> None:
    from transformers import BitImageProcessorPil

    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**BIT, **changes}))
    for shape in SHAPES:
        (image,) = noise(1, shape)
        assert_prepared_alike(read_preprocessing(tmp_path), BitImageProcessorPil(**{**BIT, **changes}), image)


@pytest.mark.parametrize("name", [name for name in PROCESSORS if "DINOv3" not in name])
def test_where_the_file_is_silent_a_processor_does_what_transformers_does(tmp_path: Path, name: str) -> None:
    import transformers

    sizes: tuple[dict[str, int], ...] = ({}, {"size": 40}, {"size": 40, "crop_size": 30})
    for told in sizes:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": f"{name}Fast", **told}))
        processor = getattr(transformers, f"{name}Pil")(**told)
        assert_prepared_alike(read_preprocessing(tmp_path), processor, noise(1, (90, 120))[0])


def test_a_newer_file_goes_before_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(BIT))
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": VIT}))
    assert read_preprocessing(tmp_path).size == (IMAGE, IMAGE)
    (tmp_path / "processor_config.json").write_text(json.dumps({"processor_class": "CLIPProcessor"}))
    assert read_preprocessing(tmp_path).size == 36


@pytest.mark.parametrize(("kind", "crops"), [("vit", False), ("dinov2", True), ("swin", False)])
def test_a_file_that_names_no_processor_means_the_model_s_usual_one(tmp_path: Path, kind: str, crops: bool) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert (read_preprocessing(tmp_path).crop is not None) == crops


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (None, "has no preprocessor_config.json"),
        ("{", "cannot be read"),
        ('{"image_processor_type": "ConvNextImageProcessor"}', "from a ConvNextImageProcessor, which is not known"),
        (json.dumps({**BIT, "do_pad": True}), "cannot be followed .it pads"),
        (json.dumps({**BIT, "size": {"longest_edge": 9}}), "a size of longest_edge"),
        (json.dumps({**BIT, "crop_size": {"shortest_edge": 9}}), "a crop of a shortest edge"),
        (json.dumps({**BIT, "image_mean": [0.5]}), "cannot be followed"),
        (json.dumps({**BIT, "resample": 9}), "cannot be followed"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, told: str | None, reason: str) -> None:
    make_vision(tmp_path, preprocessing=None)
    if told is not None:
        (tmp_path / "preprocessor_config.json").write_text(told)
    with pytest.raises(UsageError, match=reason):
        Pictures(tmp_path)


def test_inputs_are_bytes_of_the_final_size(checkpoint: Checkpoints) -> None:
    images = noise(5)
    valid = [True, False, True, True, False]
    (inputs,) = prepared(Pictures(checkpoint("dinov2")), [frames(images, valid)])
    assert inputs.arrays["pictures"].dtype == np.uint8
    assert inputs.arrays["pictures"].shape == (3, IMAGE, IMAGE, 3)
    assert inputs.cost == 3
    assert inputs.valid is not None
    assert inputs.valid.tolist() == valid
    assert inputs.notes["confidence"].tolist() == [1, 0, 1, 1, 0]


def test_decoders_need_no_torch(checkpoint: Checkpoints) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np; from mimetic.records import Frames;"
        "from mimetic.features.pictures import Pictures;"
        f"begun = Pictures(Path({str(checkpoint('clip'))!r})).begin();"
        "piece = Frames(images=np.zeros((2, 50, 40, 3), np.uint8), times=np.zeros(2), valid=np.ones(2, bool));"
        "assert len(list(begun.add(piece))) == 1; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ----------------------------------------------------------------------------------------- what comes out


def clips() -> list[np.ndarray]:
    return [noise(count, shape, seed) for seed, (count, shape) in enumerate(zip((3, 1, 12), SHAPES, strict=False))]


@pytest.mark.parametrize("pooling", ["cls", "patches", "all"])
@pytest.mark.parametrize("family", FAMILIES)
def test_in_company_a_clip_s_rows_are_those_of_plain_calls(checkpoint: Checkpoints, family: str, pooling: str) -> None:
    folder = checkpoint(family)
    if pooling == "cls" and family in ("siglip", "siglip-vision", "ijepa"):
        with pytest.raises(UsageError, match=r"has no CLS token\. Give \+pooling=patches or all"):
            Pictures(folder, pooling=pooling)
        return
    rows = rows_of(folder, [frames(images) for images in clips()], pooling=pooling)
    for images, row in zip(clips(), rows, strict=True):
        assert_close(row.values, expected(folder, family, pooling, images))


def test_a_row_depends_on_its_own_picture_alone(checkpoint: Checkpoints) -> None:
    folder = checkpoint("vit")
    (whole,) = rows_of(folder, [frames(noise(12))])
    halves = rows_of(folder, [frames(noise(12)[:5]), frames(noise(12)[5:])])
    turned, other = rows_of(folder, [frames(noise(12)[::-1]), frames(noise(20, seed=9))])
    assert_close(np.concatenate([half.values for half in halves]), whole.values)
    assert_close(turned.values[::-1].copy(), whole.values)
    assert np.abs(other.values[:12] - whole.values).max() > 0.1


@pytest.mark.parametrize(
    "family", ["vit", "deit", "msn", "ijepa", "clip", "siglip", "beit", "beit-averages", "data2vec"]
)
def test_pictures_of_another_size_have_their_positions_interpolated(tmp_path: Path, family: str) -> None:
    larger = {"size": {"height": 48, "width": 64}, "do_center_crop": False}
    folder = make_vision(tmp_path, family, preprocessing=larger)
    (rows,) = rows_of(folder, [frames(noise(2))], pooling="all")
    theirs = expected(folder, family, "all", noise(2), interpolate_pos_encoding=True)
    assert_close(rows.values, theirs)


@pytest.mark.parametrize("family", ["dino", "dinov2-registers", "dinov3", "beit-averages", "clip", "siglip"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_close(checkpoint: Checkpoints, family: str, precision: str) -> None:
    (exact,) = rows_of(checkpoint(family), [frames(noise(6))], pooling="patches")
    (half,) = rows_of(checkpoint(family), [frames(noise(6))], pooling="patches", precision=precision)
    assert half.values.dtype == np.float32
    assert not np.array_equal(half.values, exact.values)
    lengths = np.linalg.norm(exact.values, axis=1) * np.linalg.norm(half.values, axis=1)
    assert ((exact.values * half.values).sum(axis=1) / lengths).min() >= 0.999


def test_frames_without_a_face_have_no_rows(checkpoint: Checkpoints) -> None:
    folder = checkpoint("vit")
    none, some = frames(noise(2), [False, False]), frames(noise(3, seed=1), [False, True, True])
    for pieces in ([none], [none, some], [some, none]):
        rows = rows_of(folder, pieces)
        assert [row.values.shape for row in rows] == [(int(piece.valid.sum()), HIDDEN) for piece in pieces]
        assert all(row.values.dtype == np.float32 for row in rows)
    (alone,) = rows_of(folder, [frames(noise(3, seed=1)[1:])])
    assert_close(rows_of(folder, [none, some])[1].values, alone.values)


def test_a_stream_that_changes_its_shape_shares_batches_by_shape(tmp_path: Path) -> None:
    folder = make_vision(tmp_path, preprocessing={"size": {"shortest_edge": IMAGE}})
    inputs = prepared(
        Pictures(folder), [frames(noise(1, (64, 32))), frames(noise(1, (32, 64))), frames(noise(1, (128, 64)))]
    )
    assert [told.group for told in inputs] == [(64, 32), (32, 64), (64, 32)]
    assert len(Pictures(folder).load("cpu")([inputs[0], inputs[2]])) == 2


# -------------------------------------------------------------------------------------------- the weights


@pytest.mark.parametrize(
    ("family", "part"), [("vit", "layernorm.weight"), ("clip", "post_layernorm"), ("dinov2", "1.mlp")]
)
def test_missing_weights_are_refused(tmp_path: Path, family: str, part: str) -> None:
    folder = without(make_vision(tmp_path, family), part)
    with pytest.raises(UsageError, match=r"lacks \d+ weights of a \w+, among them .*" + part):
        Pictures(folder).load("cpu")


@pytest.mark.parametrize(
    ("family", "part"), [("vit", "pooler"), ("siglip", "head."), ("clip", "text_model"), ("dinov2", "mask_token")]
)
def test_parts_that_are_not_used_may_be_missing(tmp_path: Path, family: str, part: str) -> None:
    folder = make_vision(tmp_path, family)
    whole = rows_of(folder, [frames(noise(2))], pooling="patches")[0].values
    np.testing.assert_array_equal(
        rows_of(without(folder, part), [frames(noise(2))], pooling="patches")[0].values, whole
    )


def test_a_beit_that_was_never_tuned_goes_without_the_norm_in_its_pooler(tmp_path: Path) -> None:
    folder = without(make_vision(tmp_path, "beit-averages"), "pooler")
    states = torch.cat([output.last_hidden_state for output in plainly(folder, noise(2))])
    assert_close(rows_of(folder, [frames(noise(2))])[0].values, states[:, 0].numpy())


def test_a_classifier_s_backbone_serves_too(tmp_path: Path) -> None:
    folder = make_classifier(tmp_path)
    assert_close(rows_of(folder, [frames(noise(2))])[0].values, expected(folder, "vit", "cls", noise(2)))


def test_loading_says_nothing_and_leaves_what_others_may_say(
    checkpoint: Checkpoints, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, logger = checkpoint("siglip"), logging.getLogger("transformers")
    monkeypatch.setattr(logger, "level", logging.INFO)
    capfd.readouterr()
    Pictures(folder, pooling="all").load("cpu")
    assert capfd.readouterr() == ("", "")
    assert logger.level == logging.INFO


@pytest.mark.parametrize(
    ("options", "told"),
    [({"pooling": "max"}, "the pooling is 'max'"), ({"precision": "int8"}, "the precision is 'int8'")],
)
def test_options_that_are_none_are_refused(checkpoint: Checkpoints, options: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Pictures(checkpoint("vit"), **options)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    with pytest.raises(UsageError, match=r"a model of type 'resnet', not one of pictures\. It has to be one of beit"):
        Pictures(tmp_path)


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (make_vision(tmp_path) / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UsageError, match="cannot be read as a model") as caught:
        Pictures(tmp_path).load("cpu")
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------- through the engine


def track(taken: Taken) -> Track:
    assert isinstance(taken.track, Spool), taken.reason
    return taken.track.track()


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("filmed")
    return [
        Clip(id=str(i), path=write_clip(folder / f"{i}.mp4", seconds=seconds, sound=False, seed=i))
        for i, seconds in enumerate((2.1, 0.05, 4.4, 0.9))
    ]


def seen(clip: Clip, *, rate: float, size: int | None) -> np.ndarray:
    """Give what a clip shows: whole frames, or the crops of the detector that takes the middle."""
    assert clip.path is not None
    with Media(clip.path) as media:
        pieces = [piece for _, piece in media.decode(rates=[rate], sound=False) if isinstance(piece, Frames)]
    if size is not None:
        view = FaceView("centre", size=size).begin(clip)
        pieces = [view.add(piece) for piece in pieces]
    return np.concatenate([piece.images for piece in pieces])


@pytest.mark.parametrize(
    ("name", "family", "pooling", "rate", "size"),
    [
        ("dinov2-frame", "dinov2-registers", "patches", 5.0, None),
        ("vit-face", "dino", "cls", 5.0, 224),
        ("vit-in21k-face", "vit", "all", 30.0, 40),
    ],
)
def test_tracks_of_mixed_lengths_are_those_of_plain_calls(
    checkpoint: Checkpoints, filmed: list[Clip], name: str, family: str, pooling: str, rate: float, size: int | None
) -> None:
    text = f"{name}+model={checkpoint(family)}+pooling={pooling}" + (f"+size={size}" if size else "")
    (result,) = (found for found in convey_here([feature(text)], [filmed]) if found is not None)
    for clip, taken in zip(filmed, result, strict=True):
        made = track(taken[feature(text).key])
        assert made.rate == rate
        assert made.valid.all()
        assert_close(made.values, expected(checkpoint(family), family, pooling, seen(clip, rate=rate, size=size)))


def test_a_crew_makes_the_same_tracks(checkpoint: Checkpoints, filmed: list[Clip]) -> None:
    wanted = [
        feature(f"dinov2-face+model={checkpoint('dinov2')}"),
        feature(f"dinov2-frame+model={checkpoint('dinov2')}"),
    ]
    shards = [filmed[:2], filmed[2:]]
    ours = [found for found in convey_here(wanted, shards) if found is not None]
    theirs = [found for found in convey(wanted, shards, workers=1) if found is not None]
    for one, other in zip(chain(*ours), chain(*theirs), strict=True):
        for key in one:
            np.testing.assert_array_equal(track(one[key]).values, track(other[key]).values)


def test_a_clip_with_faces_in_part_has_zero_rows_in_between(checkpoint: Checkpoints, tmp_path: Path) -> None:
    numbers = [0, 6, 24, 30, 36, 180]  # of 30 a second; nobody is there in between
    crops = noise(len(numbers), (50, 50))
    for number, crop in zip(numbers, crops, strict=True):
        Image.fromarray(crop).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.png").rename(tmp_path / f"{number}.jpg")  # a name that is looked for, without loss
    wanted = feature(f"vit-face+model={checkpoint('dino')}+detector=given+size=50")
    ((taken,),) = (found for found in convey_here([wanted], [[Clip(id="a", faces=tmp_path)]]) if found is not None)
    made = track(taken[wanted.key])
    assert np.flatnonzero(made.valid).tolist() == [0, 1, 4, 5, 6, 30]
    assert len(made.values) == 31
    assert not made.values[~made.valid].any()
    assert made.notes["confidence"].tolist() == made.valid.astype(np.float32).tolist()
    assert_close(made.measured, expected(checkpoint("dino"), "dino", "cls", crops))


def test_a_photograph_is_a_clip_of_one_row(checkpoint: Checkpoints, shared_data: Path) -> None:
    clip = Clip(id="face", path=shared_data / "video_faces" / "single_face.jpg")
    wanted = feature(f"dinov2-frame+model={checkpoint('dinov2')}")
    ((taken,),) = (found for found in convey_here([wanted], [[clip]]) if found is not None)
    theirs = expected(checkpoint("dinov2"), "dinov2", "cls", seen(clip, rate=5.0, size=None))
    assert_close(track(taken[wanted.key]).values, theirs)

"""The extractors for faces and movement: the contract, and answers known beforehand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mimetic.features import EXTRACTORS, appearance, landmarks, motion
from mimetic.features.appearance import CELLS, DIRECTIONS, THUMBNAIL, Appearance
from mimetic.features.landmarks import MEAN_FACE, MotionLandmarks, angles, fit_pose
from mimetic.features.motion import BLOCKS, MotionBlocks
from mimetic.records import Extractor, Frames, MissingExtra, Track
from test_faces import Pictures, read

MAKERS = {"face-appearance": Appearance, "motion-blocks": MotionBlocks, "motion-landmarks": MotionLandmarks}


@cache
def extractor(name: str) -> Extractor:
    if name == "motion-landmarks":
        pytest.importorskip("mediapipe")
    made: Extractor = MAKERS[name]()
    return made


def run(name: str, images: Pictures, *cuts: int, valid: Sequence[bool] | None = None) -> Track:
    """Put images through an extractor in pieces that are cut at these places."""
    extraction = extractor(name).begin()
    rate = EXTRACTORS[name].rate
    sound = np.ones(len(images), dtype=np.bool_) if valid is None else np.array(valid)
    for a, b in pairwise((0, *cuts, len(images))):
        notes = {"area": np.arange(a, b, dtype=np.float32)}
        extraction.add(Frames(images=images[a:b], times=np.arange(a, b) / rate, valid=sound[a:b], notes=notes))
    return extraction.finish()


def texture(seed: int = 0, size: int = 700, waves: int = 20, finest: float = 14.0) -> Callable[..., Pictures]:
    """A smooth random pattern that can be looked at from anywhere: give the view of a camera, moved or turned."""
    rng = np.random.default_rng(seed)
    across, down = rng.uniform(-1, 1, (2, waves)) * 2 * np.pi * finest / size
    phase = rng.uniform(0, 2 * np.pi, waves)

    def view(
        dx: float = 0, dy: float = 0, zoom: float = 1, turn: float = 0, width: int = 320, height: int = 180
    ) -> Pictures:
        x, y = np.meshgrid(np.arange(width) - width / 2 + 0.5, np.arange(height) - height / 2 + 0.5)
        x, y = 320 / width * x, 320 / width * y
        x, y = (x * np.cos(turn) + y * np.sin(turn)) / zoom - dx, (y * np.cos(turn) - x * np.sin(turn)) / zoom - dy
        light = sum(np.cos(a * x + d * y + p) for a, d, p in zip(across, down, phase, strict=True))
        grey = np.clip(128 + 128 * light / np.sqrt(waves) / 2, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)

    return view


# ------------------------------------------------------------------------------------------- contract


@cache
def sample(name: str) -> Pictures:
    if name == "face-appearance":
        return np.random.default_rng(0).integers(0, 256, (9, 160, 160, 3), dtype=np.uint8)
    return np.stack([texture()(2.0 * k, k) for k in range(9)])


NAMES = pytest.mark.parametrize("name", list(MAKERS))


@NAMES
def test_the_table_says_what_comes_out(name: str) -> None:
    entry = EXTRACTORS[name]
    track = run(name, sample(name))
    assert entry.load() is MAKERS[name]
    assert track.values.shape == (9, entry.dim)
    assert track.values.dtype == np.float32
    assert track.rate == entry.rate
    assert np.isfinite(track.values).all()
    assert not track.values[~track.valid].any()


@NAMES
def test_pieces_may_be_cut_anywhere(name: str) -> None:
    whole = run(name, sample(name))
    for cuts in ((1,), (0, 4), (2, 2, 7), tuple(range(9))):
        parts = run(name, sample(name), *cuts)
        assert np.array_equal(parts.values, whole.values)
        assert np.array_equal(parts.valid, whole.valid)


@NAMES
def test_a_clip_before_changes_nothing(name: str) -> None:
    first = run(name, sample(name))
    run(name, 255 - sample(name)[::-1])
    assert np.array_equal(run(name, sample(name)).values, first.values)


@NAMES
def test_no_frames_and_one_frame_are_tracks_too(name: str) -> None:
    nothing = extractor(name).begin().finish()
    assert nothing.values.shape == (0, EXTRACTORS[name].dim)
    assert run(name, sample(name)[:0]).values.shape == nothing.values.shape
    one = run(name, sample(name)[:1])
    assert one.values.shape == (1, EXTRACTORS[name].dim)
    assert one.valid.tolist() == [name == "face-appearance"]


@NAMES
def test_black_pictures_are_no_trouble(name: str) -> None:
    assert np.isfinite(run(name, np.zeros((3, 90, 120, 3), dtype=np.uint8)).values).all()


def test_columns_have_one_name_each() -> None:
    for names, dim in ((motion.NAMES, motion.DIM), (landmarks.NAMES, landmarks.DIM)):
        assert len(set(names)) == dim
    assert EXTRACTORS["face-appearance"].dim == appearance.DIM


# ----------------------------------------------------------------------------------------- appearance


def parts(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Thumbnail, gradients ``(direction, row, column)`` and colours ``(6, row, column)`` of a row."""
    thumbnail, gradients, colours = np.split(values, [THUMBNAIL**2, THUMBNAIL**2 + CELLS**2 * DIRECTIONS])
    return (
        thumbnail.reshape(THUMBNAIL, THUMBNAIL),
        gradients.reshape(DIRECTIONS, CELLS, CELLS),
        colours.reshape(6, 4, 2),
    )


def described(*images: Pictures) -> tuple[NDArray[np.float32], ...]:
    return parts(run("face-appearance", np.stack(images)).values[-1])


def face(size: int = 160) -> Pictures:
    return texture(finest=6)(width=size, height=size)


def test_crops_without_a_face_are_zero_and_notes_are_kept() -> None:
    track = run("face-appearance", sample("face-appearance"), 4, valid=[True, False] * 4 + [True])
    assert track.valid.tolist() == [True, False] * 4 + [True]
    assert not track.values[1::2].any()
    assert track.values[::2].any(axis=1).all()
    assert track.notes["area"].tolist() == list(range(9))


def test_the_thumbnail_does_not_change_with_light_and_contrast() -> None:
    image = face()
    thumbnail, _, colours = described(image)
    darker, _, darker_colours = described((image * 0.5 + 30).astype(np.uint8))
    assert np.abs(thumbnail - darker).max() < 0.05
    assert abs(thumbnail.mean()) < 1e-5
    assert thumbnail.std() == pytest.approx(1, abs=1e-4)
    assert np.allclose(darker_colours[0], colours[0] * 0.5 + 30 / 255, atol=0.01)


def test_a_brighter_part_is_brighter_where_it_is() -> None:
    image = face()
    brighter = image.copy()
    brighter[:40, 80:] = np.clip(brighter[:40, 80:].astype(int) + 40, 0, 255)
    change = described(brighter)[2] - described(image)[2]
    assert change[0, 0, 1] == pytest.approx(40 / 255, abs=0.02)
    assert np.abs(np.delete(change[0].ravel(), 1)).max() < 1e-6
    assert np.abs(change[1:3]).max() < 0.01


def test_colours_are_opponents() -> None:
    red, yellow = np.zeros((2, 160, 160, 3), dtype=np.uint8)
    red[..., 0] = yellow[..., :2] = 255
    assert np.allclose(described(red)[2][:3, 0, 0], [0.299, 0.5, 0.25], atol=1e-4)
    assert np.allclose(described(yellow)[2][:3, 0, 0], [0.886, 0, 0.5], atol=1e-4)


@pytest.mark.parametrize("direction", range(DIRECTIONS))
def test_gradients_point_across_the_stripes(direction: int) -> None:
    angle = np.pi * direction / DIRECTIONS
    x, y = np.meshgrid(np.arange(160), np.arange(160))
    stripes = 128 + 100 * np.sin((x * np.cos(angle) + y * np.sin(angle)) / 6)
    _, gradients, _ = described(np.repeat(stripes.astype(np.uint8)[..., None], 3, axis=2))
    assert (gradients**2).sum() == pytest.approx(1, abs=1e-3)
    assert (gradients[direction] ** 2).sum() > 0.8


def test_the_size_of_the_crop_hardly_matters() -> None:
    small, large = (run("face-appearance", face(size)[None]).values[0] for size in (160, 224))
    assert np.abs(small - large).max() < 0.1
    assert np.corrcoef(small, large)[0, 1] > 0.999


# --------------------------------------------------------------------------------------------- motion


def moved(*images: Pictures) -> dict[str, NDArray[np.float32]]:
    """The columns by name, rows without a measurement left out."""
    track = run("motion-blocks", np.stack(images))
    assert track.valid.tolist() == [False] + [True] * (len(images) - 1)
    return dict(zip(motion.NAMES, track.measured.T, strict=True))


@pytest.mark.parametrize(("share", "error"), [(0.002, 0.05), (0.01, 0.05), (0.025, 0.05), (0.05, 0.15)])
def test_a_shift_is_found_with_sign_and_size(share: float, error: float) -> None:
    view = texture()
    seen = moved(view(), view(share * 320, -share * 180))
    blocks = [seen[f"{kind}_{row}{column}"][0] for kind in ("dx", "dy") for row in range(BLOCKS) for column in range(5)]
    assert seen["dx"][0] == pytest.approx(10 * share, rel=error)
    assert seen["dy"][0] == pytest.approx(-10 * share, rel=error)
    assert np.median(blocks[:25]) == pytest.approx(10 * share, rel=error)
    assert np.median(blocks[25:]) == pytest.approx(-10 * share, rel=error)
    assert abs(seen["zoom"][0]) + abs(seen["turn"][0]) < 10 * share * 0.3
    assert seen["dx_absolute"][0] == abs(seen["dx"][0])


def test_zoom_and_turn_are_told_apart() -> None:
    view = texture()
    nearer, turned = moved(view(), view(zoom=1.03)), moved(view(), view(turn=0.03))
    assert nearer["zoom"][0] == pytest.approx(0.3, rel=0.1)
    assert abs(nearer["turn"][0]) < 0.02
    assert turned["turn"][0] == pytest.approx(0.3, rel=0.1)
    assert abs(turned["zoom"][0]) < 0.02


def test_light_is_not_movement() -> None:
    image = texture()(width=640, height=360)
    seen = moved(image, (image * 0.9 + 20).astype(np.uint8))
    assert seen["brightening"][0] > 0.1
    assert np.hypot(seen["dx"][0], seen["dy"][0]) < 0.02


def test_stillness_is_zero() -> None:
    seen = moved(*[texture()()] * 3)
    assert all(not values.any() for name, values in seen.items() if name != "contrast")


def test_movement_has_a_place() -> None:
    image, other = texture()(), texture()()
    other[:36, 256:] = texture()(4, 0)[:36, 256:]
    seen = moved(image, other)
    energy = np.array([seen[f"energy_{row}{column}"][0] for row in range(5) for column in range(5)])
    assert energy.argmax() == 4
    assert seen["dx_04"][0] > 0.05
    assert abs(seen["dx_40"][0]) < 1e-6
    assert seen["centre_x"][0] == pytest.approx(0.4, abs=0.05)
    assert seen["centre_y"][0] == pytest.approx(-0.4, abs=0.05)
    assert seen["extent"][0] < 0.1


def test_resolution_does_not_matter() -> None:
    view = texture()
    small, large = (moved(view(**s), view(4, -2, **s)) for s in ({}, {"width": 960, "height": 540}))
    for name in ("dx", "dy", "energy", "dx_22", "energy_22"):
        assert small[name][0] == pytest.approx(large[name][0], rel=0.05, abs=0.005)


def test_tempo_follows_from_means_over_time() -> None:
    view = texture()

    def tempo(hertz: float, reach: float) -> float:
        seen = moved(*(view(reach * np.sin(2 * np.pi * hertz * k / 10)) for k in range(31)))
        return float(seen["dx_change_absolute"].mean() / seen["dx_absolute"].mean() / (2 * np.pi))

    assert tempo(0.5, 4) == pytest.approx(0.5, rel=0.15)
    assert tempo(2.0, 4) == pytest.approx(2.0, rel=0.15)
    assert tempo(2.0, 2) == pytest.approx(tempo(2.0, 4), rel=0.1)


def test_faster_gestures_have_more_energy(shared_data: Path) -> None:
    images = read(shared_data / "video_motion" / "asl_walk.mkv", rate=20)
    slow, fast = moved(*images[: len(images) // 2]), moved(*images[::2])
    assert fast["energy"].mean() > 1.2 * slow["energy"].mean()
    assert fast["dx_absolute"].mean() < 1  # a frame's width a second


# ------------------------------------------------------------------------------------------ landmarks


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """A turn after a nod after a roll, with x right, y down, z away."""
    (a, b), (c, d), (e, f) = ((np.cos(angle), np.sin(angle)) for angle in (-yaw, pitch, roll))
    turn, nod = np.array([[a, 0, b], [0, 1, 0], [-b, 0, a]]), np.array([[1, 0, 0], [0, c, -d], [0, d, c]])
    return turn @ nod @ np.array([[e, -f, 0], [f, e, 0], [0, 0, 1]])


@pytest.mark.parametrize("pose", [(0, 0, 0), (0.4, -0.2, 0.1), (-0.7, 0.3, -0.5), (0.1, 0.6, 1.2)])
def test_a_pose_is_recovered(pose: tuple[float, float, float]) -> None:
    points = np.zeros((478, 3))
    points[list(MEAN_FACE)] = 70 * np.array(list(MEAN_FACE.values())) @ rotation(*pose).T + (300, 200, 0)
    fitted = fit_pose(points)
    assert angles(fitted.rotation) == pytest.approx(pose, abs=1e-9)
    assert fitted.scale == pytest.approx(70)
    assert fitted.position == pytest.approx([300, 200, 0], abs=1e-9)


def test_the_mean_face_is_symmetric_and_looks_at_the_camera() -> None:
    shape = np.array(list(MEAN_FACE.values()))
    mirrored = shape * (-1, 1, 1)
    assert {tuple(point) for point in shape} == {tuple(point) for point in mirrored}
    assert shape[:, 2].argmin() == list(MEAN_FACE).index(4)  # the tip of the nose
    turned = shape @ rotation(0.5, 0.0, 0.0).T
    assert turned[list(MEAN_FACE).index(4), 0] > 0  # yaw is to the right
    assert (shape @ rotation(0.0, 0.5, 0.0).T)[list(MEAN_FACE).index(4), 1] > shape[list(MEAN_FACE).index(4), 1]


@pytest.fixture(scope="module")
def portrait(shared_data: Path) -> Image.Image:
    pytest.importorskip("mediapipe")
    return Image.open(shared_data / "video_faces" / "single_face.jpg").convert("RGB")


def measured(image: Image.Image) -> dict[str, float]:
    track = run("motion-landmarks", np.asarray(image)[None])
    assert track.valid.all()
    return dict(zip(landmarks.NAMES, track.values[0].tolist(), strict=True))


def test_a_portrait_is_measured(portrait: Image.Image) -> None:
    seen = measured(portrait)
    assert abs(seen["yaw"]) + abs(seen["pitch"]) + abs(seen["roll"]) < 0.4
    assert 0.3 < seen["x"] < 0.7
    assert seen["mouth_open"] > 0.1  # he laughs
    assert 0.1 < seen["eye_left"] < 0.5
    assert not any(value for name, value in seen.items() if name.endswith("_speed"))


def test_a_mirrored_face_is_mirrored(portrait: Image.Image) -> None:
    seen, mirrored = measured(portrait), measured(portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    for name in ("yaw", "roll"):
        assert mirrored[name] == pytest.approx(-seen[name], abs=0.06)
    assert mirrored["x"] == pytest.approx(1 - seen["x"], abs=0.02)
    for name in ("pitch", "mouth_open", "jaw_drop", "brow_gap", "size"):
        assert mirrored[name] == pytest.approx(seen[name], abs=0.06)
    assert mirrored["eye_left"] == pytest.approx(seen["eye_right"], abs=0.06)


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_tilted_head_rolls_and_keeps_its_expression(portrait: Image.Image, degrees: float) -> None:
    seen, tilted = measured(portrait), measured(portrait.rotate(-degrees, Image.Resampling.BILINEAR))
    assert tilted["roll"] - seen["roll"] == pytest.approx(np.radians(degrees), abs=0.06)
    for name in ("yaw", "mouth_open", "mouth_width", "corner_left", "eye_left"):
        assert tilted[name] == pytest.approx(seen[name], abs=0.08)


def test_a_face_half_as_large_is_an_octave_smaller(portrait: Image.Image) -> None:
    canvas = Image.new("RGB", portrait.size)
    canvas.paste(portrait.resize((portrait.width // 2, portrait.height // 2)))
    small, large = measured(canvas), measured(portrait)
    assert small["size"] - large["size"] == pytest.approx(-1, abs=0.05)
    assert small["mouth_width"] == pytest.approx(large["mouth_width"], abs=0.05)


def test_a_face_that_goes_is_noticed_and_speeds_are_differences(shared_data: Path) -> None:
    images = read(shared_data / "video_faces" / "pyfeat_face_noface.mov", rate=10)[12:36]
    track = run("motion-landmarks", images)
    assert track.valid[:11].all()
    assert not track.valid[14:].any()
    half = landmarks.DIM // 2
    present = np.flatnonzero(track.valid)
    assert not track.values[0, half:].any()
    assert np.allclose(track.values[present[1:], half:], 10 * np.diff(track.values[present, :half], axis=0), atol=1e-3)


@pytest.mark.parametrize("name", ["liveportrait_d18.mp4", "liveportrait_s13.mp4"])
def test_landmarks_are_found_in_nearly_all_frames_of_people(name: str, shared_data: Path) -> None:
    track = run("motion-landmarks", read(shared_data / "video_faces" / name, rate=10, most=25))
    assert track.valid.mean() > 0.9
    assert np.abs(track.measured[:, :3]).max() < 0.8


def test_mediapipe_s_mesh_is_silent(portrait: Image.Image, capfd: pytest.CaptureFixture[str]) -> None:
    extraction = MotionLandmarks().begin()
    image = np.asarray(portrait)[None]
    extraction.add(Frames(images=image, times=np.zeros(1), valid=np.ones(1, dtype=np.bool_)))
    assert extraction.finish().valid.all()
    assert capfd.readouterr().err == ""


def test_without_mediapipe_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
    with pytest.raises(MissingExtra, match=r"pip install 'mimetic\[face\]'"):
        MotionLandmarks()

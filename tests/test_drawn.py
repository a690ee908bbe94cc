"""The demo data set has the challenge's layout, the real labels' marginals, and every trouble where it says."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from mimetic.datasets import open_dataset
from mimetic.datasets.drawn import make
from mimetic.datasets.drawn.cast import (
    BIASES,
    EMOTIONS,
    LONG,
    MANY_FRAMES,
    RATERS,
    SCALES,
    SIZES,
    TROUBLES,
    WEIGHTS,
    cast,
    draw_labels,
    draw_latents,
    strength,
)
from mimetic.datasets.drawn.face import Looks, Painter, movement
from mimetic.media import Media
from mimetic.records import UsageError

HEADER = "Filename,Admiration,Amusement,Determination,Empathic Pain,Excitement,Joy"
MEANS = (0.1785, 0.1253, 0.0968, 0.0215, 0.1420, 0.1157)
NON_ZERO = (0.447, 0.364, 0.325, 0.101, 0.382, 0.325)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "demo"
    make(root, size="small", workers=0)
    return root


def troubled(demo: Path) -> dict[str, list[Path]]:
    """Give the films that have each trouble, as the truth says."""
    films: dict[str, list[Path]] = {}
    for row in rows_of(demo / "truth" / "clips.csv"):
        folder = demo / "test_data" / "raw" if row["part"] == "test" else demo / "raw"
        films.setdefault(row["trouble"], []).append(folder / f"{row['clip']}.mp4")
    return films


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text().splitlines()))


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_layout_is_the_challenge_s(demo: Path) -> None:
    parts = SIZES["small"].parts
    ids = [f"{number:05d}" for number in range(sum(parts.values()))]
    known = ids[: parts["train"] + parts["valid"]]
    assert sorted(path.stem for path in (demo / "raw").iterdir()) == known
    assert sorted(path.stem for path in (demo / "test_data" / "raw").iterdir()) == ids[len(known) :]
    assert {path.suffix for path in (demo / "audio").iterdir()} == {".mp3"}
    for name in ("train_split.csv", "valid_split.csv", "test_data/test_split.csv", "truth/test_split.csv"):
        assert (demo / name).read_text().splitlines()[0] == HEADER
    crop = next((demo / "face_images" / "00005").glob("3.jpg"))
    with Image.open(crop) as image:
        assert image.size == (160, 160)
    assert list((demo / "face_images").glob("*/Thumbs.db"))


def test_the_test_list_says_nothing_and_the_truth_lies_outside(demo: Path) -> None:
    listed = rows_of(demo / "test_data" / "test_split.csv")
    assert all(float(row[emotion]) == 0 for row in listed for emotion in EMOTIONS)
    truth = rows_of(demo / "truth" / "test_split.csv")
    assert sorted(row["Filename"] for row in listed) == [row["Filename"] for row in truth]
    dataset = open_dataset(demo)
    assert np.isnan(dataset.labels[dataset.indices("test")]).all()


def test_labels_are_shares_of_a_few_raters(demo: Path) -> None:
    dataset = open_dataset(demo)
    labels = dataset.labels[~np.isnan(dataset.labels).any(axis=1)]
    for row in labels:
        assert any(np.allclose(row * n, np.round(row * n)) for n in RATERS)


def test_every_trouble_is_there_and_true(demo: Path) -> None:
    films = troubled(demo)
    assert set(films) == {"", *TROUBLES, LONG}
    for film in films["no sound track"]:
        assert not Media(film).has_sound
        assert not (demo / "audio" / f"{film.stem}.mp3").exists()
    for film in films["silence"]:
        sounds = [piece.samples for rate, piece in Media(film).decode(sound=True) if rate is None]
        assert np.abs(np.concatenate(sounds)).max() == 0
    for film in films[MANY_FRAMES]:
        with av.open(str(film)) as container:
            assert container.streams.video[0].base_rate == 1000
    for film in films["0.064 s"]:
        assert sum(len(piece.times) for _, piece in Media(film).decode(rates=[30.0])) == 2
    for film in films["no words"]:
        assert not list(demo.rglob(f"text/{film.stem}.*"))
    for film in films["empty words"]:
        (words,) = demo.rglob(f"text/{film.stem}.txt")
        assert words.read_bytes() == b""
    for film in films["truncated"]:
        with Media(film) as media:
            assert list(media.decode(rates=[5.0]))
            assert media.warnings
    with Media(films[LONG][0]) as media:
        assert media.duration == pytest.approx(SIZES["small"].long, abs=1)


def test_frames_are_unevenly_spaced_where_the_rate_varies(demo: Path) -> None:
    for film in troubled(demo)["variable frame rate"]:
        with av.open(str(film)) as container:
            stamps = [frame.pts for frame in container.decode(video=0)]
        assert len(set(np.diff(stamps))) > 1


def test_a_rotated_film_is_upright_for_a_reader_that_asks(demo: Path) -> None:
    for film in troubled(demo)["rotated"]:
        with av.open(str(film)) as container:
            stored = next(container.decode(video=0))
        assert stored.width < stored.height
        _, piece = next(Media(film).decode(rates=[1.0]))
        image = piece.images[0].astype(float)
        assert image.shape[1] > image.shape[0]
        wall, shirt = image[: len(image) // 8].mean(axis=(0, 1)), image[-len(image) // 8 :, 140:180].mean(axis=(0, 1))
        assert np.abs(wall - shirt).max() > 25  # the shirt is at the bottom


def test_nobody_is_there_where_nobody_is_there(demo: Path) -> None:
    for film in troubled(demo)["nobody there"]:
        _, piece = next(Media(film).decode(rates=[1.0]))
        assert np.ptp(piece.images[0][:, 160].astype(int), axis=0).max() < 60


def test_the_same_seed_gives_the_same_bytes_and_what_is_there_is_kept(demo: Path, tmp_path: Path) -> None:
    again = tmp_path / "demo"
    make(again, size="small", workers=2)
    assert digests(again) == digests(demo)
    films = sorted(again.rglob("*.mp4"))
    kept = {film: film.stat().st_mtime_ns for film in films[1:]}
    films[0].unlink()
    make(again, size="small", workers=0)
    assert {film: film.stat().st_mtime_ns for film in films[1:]} == kept
    assert digests(again) == digests(demo)


def test_a_folder_that_holds_something_else_is_refused(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds a demo of another size or seed"):
        make(demo, size="small", seed=1)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="is not empty"):
        make(tmp_path, size="small")


def test_labels_have_the_real_ones_marginals() -> None:
    draw = np.random.default_rng(0)
    latents = draw_latents(200_000, draw)
    labels = draw_labels(latents, draw.choice(RATERS, 200_000), draw)
    np.testing.assert_allclose(labels.mean(axis=0), MEANS, atol=0.003)
    np.testing.assert_allclose((labels > 0).mean(axis=0), NON_ZERO, atol=0.005)
    assert len(BIASES) == len(SCALES) == len(EMOTIONS)


def test_each_modality_knows_something_the_others_do_not_and_text_most() -> None:
    latents = draw_latents(100_000, np.random.default_rng(0))
    total = strength(latents)
    np.testing.assert_allclose(total.std(axis=0), 1, atol=0.01)
    known = [np.corrcoef(latents[modality][:, 0], total[:, 0])[0, 1] for modality in WEIGHTS]
    assert known == sorted(known, reverse=True)
    assert known[0] < 0.8
    assert np.corrcoef(latents["text"][:, 0], latents["audio"][:, 0])[0, 1] < 0.3


def test_the_head_stays_in_the_central_square() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        moves = movement(draw.normal(size=6), np.linspace(0, 5, 60), draw)
        assert np.abs(moves[:, :2]).max() < 0.35
    painter = Painter(640, 360, Looks.drawn(draw))
    left, top, right, bottom = painter.crop
    assert (right - left, top) == (bottom - top, 180 - (bottom - top) // 2)


def test_the_full_set_has_its_stated_size() -> None:
    roles = cast(SIZES["full"], 0)
    assert [sum(role.part == part for role in roles) for part in ("train", "valid", "test")] == [240, 120, 60]
    assert all(3 <= role.seconds <= 6 for role in roles)
    assert sum(role.trouble == LONG for role in roles) == 1
    for part in ("train", "valid", "test"):
        assert {role.trouble for role in roles if role.part == part} >= set(TROUBLES)

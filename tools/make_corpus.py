"""The small good files that hostile ones are made from: nothing in, ``tests/corpus/`` out. All of it is ours.

python tools/make_corpus.py
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from clips import write_clip, write_layout  # noqa: E402
from mimetic.datasets import open_dataset  # noqa: E402
from mimetic.extraction import extract  # noqa: E402
from mimetic.features import features  # noqa: E402
from mimetic.foreign.tables import OPENFACE, PYFEAT  # noqa: E402
from mimetic.recipes import get_recipe  # noqa: E402
from mimetic.recipes.settings import with_settings  # noqa: E402
from mimetic.store import Row, Store, write_shard  # noqa: E402
from mimetic.training import train  # noqa: E402

CORPUS = ROOT / "tests" / "corpus"
SMALL = "gru"
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) / 8


def put(name: str, content: bytes | str) -> None:
    """Write one file of the corpus."""
    path = CORPUS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    """Give what is written to a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def make_words() -> None:
    """Transcripts, and tables of them."""
    put("words/a.txt", "Well, this is what she said.\n")
    put("words/b.txt", "Größe, naïve, señor".encode("cp1252"))
    put("words/c.txt", "two bytes a letter".encode("utf-16"))
    put("words/d.srt", "1\n00:00:00,500 --> 00:00:02,000\n<i>Hello</i> there\n\n2\n00:00:02,5 --> 00:00:03\n- What?\n")
    put("words/e.vtt", "WEBVTT\n\nNOTE none\n\n00:01.000 --> 00:02.000 align:left\n<v Ann>Hi &amp; bye\n")
    ttml = (
        '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="1s" end="00:00:02.5">a<br/>b</p></div></body></tt>'
    )
    put("words/f.ttml", ttml)
    segment = {"start": 0.0, "end": 1.5, "text": " Hello"}
    put("words/g.json", json.dumps({"text": " Hello", "language": "en", "segments": [segment]}))
    put("words-table/a.csv", "id,text\n00001,hello there\n00002.mp4,\n")
    put("words-table/b.json", json.dumps({"00001": "hello", "00002": {"text": "you", "segments": [segment]}}))
    put("words-table/c.json", json.dumps([{"clip": "a", "text": "x"}, {"clip": "b", "text": None}]))


def make_foreign() -> None:
    """Features as others write them."""
    put("foreign/a.npy", written(lambda file: np.save(file, ROWS)))
    put(
        "foreign/b.npz",
        written(lambda file: np.savez(file, embeddings=ROWS, valid=np.ones(4, bool), times=np.arange(4))),
    )
    put("foreign/c.safetensors", save({"embeddings": ROWS}))
    put("foreign/d.pkl", pickle.dumps({"embeddings": ROWS, "valid": [True] * 4}, 4))
    put("foreign/e.pkl", pickle.dumps(torch.from_numpy(ROWS)))
    put("foreign/f.pt", written(lambda file: torch.save({"a": torch.from_numpy(ROWS)}, file)))
    put(
        "foreign/g.pth",
        written(lambda file: torch.save(torch.from_numpy(ROWS), file, _use_new_zipfile_serialization=False)),
    )
    put("foreign/h.csv", "time,a,b\n0,1,2\n0.2,3,4\n0.4,5,\n")
    lines = [f"{n},0,{n / 5},0.98,1," + ",".join(f"{n + k / 8}" for k in range(len(OPENFACE))) for n in (1, 2, 3)]
    put("foreign/i.csv", "\n".join(["frame, face_id, timestamp, confidence, success, " + ", ".join(OPENFACE), *lines]))
    lines = [f"{n},0.9,Person_0," + ",".join(f"{n + k / 8}" for k in range(len(PYFEAT))) for n in (0, 1, 2)]
    put("foreign/j.csv", "\n".join(["frame,FaceScore,Identity," + ",".join(PYFEAT), *lines]))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/00001.npy", written(lambda file: np.save(file, ROWS)))
        archive.writestr("../00002.csv", "a,b\n1,2\n3,4\n")
    put("foreign/k.zip", packed.getvalue())


def make_clips(place: Path) -> None:
    """Clips of a few frames, and stills."""
    for name, options in (("a", {}), ("b", {"sound": False}), ("c", {"picture": False})):
        shutil.copyfile(write_clip(place / f"{name}.mp4", seconds=0.5, **options), CORPUS / "clip" / f"{name}.mp4")
    picture = Image.fromarray(np.arange(48 * 32 * 3, dtype=np.uint8).reshape(32, 48, 3))
    for suffix in ("png", "jpeg", "gif", "bmp", "webp", "tiff"):
        put(f"clip/d.{suffix}", written(lambda file, kind=suffix: picture.save(file, kind)))
    samples = (np.sin(np.arange(1600) / 5) * 9000).astype("<i2").tobytes()
    head = (
        b"RIFF"
        + (36 + len(samples)).to_bytes(4, "little")
        + b"WAVEfmt "
        + bytes.fromhex("1000000001000100803e0000007d000002001000")
    )
    put("clip/e.wav", head + b"data" + len(samples).to_bytes(4, "little") + samples)


def make_run(place: Path) -> None:
    """Write a run and a shard, as small as they can be."""
    dataset = open_dataset(write_layout(place / "data"))
    recipe = with_settings(
        get_recipe("motion-blocks.meanstd"), {"fit.epochs": 2, "parts.0.encoder": SMALL, "parts.0.options.hidden": 4}
    )
    store = Store(place / "store")
    extract(dataset.clips, features(part.feature for part in recipe.parts), store, workers=0)
    run = train(dataset, recipe, store, place / "runs")
    shutil.copytree(run.path, CORPUS / "run", dirs_exist_ok=True)
    track = store["motion-blocks"]["00000"]
    rows = [Row(clip="a", source="aa", track=track, reason=None), Row(clip="b", source="bb", track=None, reason="no")]
    identity = {"extractor": "x", "dim": track.values.shape[1], "dtype": "float32"}
    shutil.copyfile(write_shard(place / "x", 0, identity, rows, "float32"), CORPUS / "shard" / "00000.00000000.arrow")


def make_tables() -> None:
    """Recipes, data sets, submissions and the small JSON files."""
    put("recipe/a.toml", 'base = "light"\nmodality_dropout = 0.1\n[fit]\nepochs = 3\n[fit.loss]\nccc = 1.0\n')
    put("recipe/b.toml", 'name = "x"\n[[parts]]\nfeature = "logmel+rate=5"\nencoder = "meanstd"\n')
    put("dataset/dataset.toml", 'table = "clips.csv"\n[columns]\nid = "id"\ntext = "words"\ntargets = ["Joy"]\n')
    put("dataset/clips.csv", "id,words,person,Joy,Fear\na,hello,p1,.5,1\nb,you,p2,.25,\n")
    put("dataset/train_split.csv", "Filename,Joy\n00001,0.5\n00002,1\n")
    put("submission/a.csv", "Filename,Admiration,Joy\n" + "".join(f"{n:05d},0.{n + 1},0.5{n}\n" for n in range(4)))
    facts = {"run": "r", "recipe": "x", "split": "2:1", "seed": 0, "data": "d", "written": "2026-01-01", "sent": None}
    put("ledger/submissions.json", json.dumps([{"sha256": "00", "file": "a.csv", **facts}]))
    lines = [{"recipe": "x", "seed": 0, "epochs": 2}, {"epoch": 1, "loss": 0.5}]
    put("journal/x.seed-0.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    put("checkpoint/config.json", json.dumps({"model_type": "vit", "hidden_size": 8, "id2label": {"0": "a"}}))


def main() -> None:
    """Make them all anew."""
    import tempfile

    shutil.rmtree(CORPUS, ignore_errors=True)
    for name in ("clip", "run", "shard"):
        (CORPUS / name).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        make_words()
        make_foreign()
        make_tables()
        make_clips(Path(folder))
        make_run(Path(folder))


if __name__ == "__main__":
    main()

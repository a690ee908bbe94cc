"""The commands as a user meets them: results on stdout, one clear line for a wrong call, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import write_clip, write_layout
from mimetic import __version__, predict
from mimetic.cli import main

QUICK = ["--set", "fit.epochs=30"]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_layout(tmp_path_factory.mktemp("cli") / "data", train=8, valid=5, test=3)


@pytest.fixture(scope="module")
def trained(layout: Path) -> Path:
    """Train the fusion of all four once, for two seeds."""
    out = layout.parent / "runs"
    with pytest.raises(SystemExit) as done:
        main(["train", str(layout), "light", *QUICK, "--seeds", "0,1", "--out", str(out), "--workers", "0"])
    assert done.value.code == 0
    (system,) = out.glob("light-*")
    return system


def call(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command here; give its exit code, stdout and stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(done.value.code or 0), out, err


def call_json(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    code, out, _ = call(*arguments, "--json", capsys=capsys)
    return code, json.loads(out)


def tree(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("kind", ["datasets", "extractors", "detectors", "encoders", "fusions", "recipes"])
def test_every_table_is_listed_as_text_and_as_json(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = call_json("list", kind, capsys=capsys)
    assert (code, bool(rows)) == (0, True)
    _, text, _ = call("list", kind, capsys=capsys)
    assert all(row["name"] in text for row in rows)


def test_listed_recipes_and_extractors_have_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    _, recipes = call_json("list", "recipes", capsys=capsys)
    assert {"name", "source", "modalities", "split", "published", "parameters"} <= set(recipes[0])
    _, extractors = call_json("list", "extractors", capsys=capsys)
    assert {"name", "view", "modality", "dim", "rate", "dtype", "model", "revision", "licence"} <= set(extractors[0])


def test_extract_lists_a_line_a_clip_that_fell_short_and_says_so(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("extract", layout, "--store", tmp_path / "s", "--with", "logmel,words-hashed", "--workers", 0)
    code, text, _ = call(*arguments, capsys=capsys)
    assert code == 1
    assert "00001  logmel: no sound track" in text.splitlines()
    assert "00002  words-hashed: no transcript" in text.splitlines()
    code, told = call_json(*arguments, capsys=capsys)
    assert (code, told["clips"]) == (1, 16)
    assert told["extractors"]["logmel"]["failures"] == [{"clip": "00001", "reason": "no sound track"}]


def test_several_folders_and_files_are_extracted_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [write_clip(tmp_path / name, seed=i) for i, name in enumerate(("a/x.mp4", "b/x.mp4", "y.mp4"))]
    arguments = ("extract", paths[0].parent, paths[1].parent, paths[2], "--with", "logmel", "--workers", 0)
    code, told = call_json(*arguments, "--store", tmp_path / "s", capsys=capsys)
    assert (code, told["clips"], told["extractors"]["logmel"]["failures"]) == (0, 3, [])


def test_train_prints_a_line_a_run_and_trains_nothing_twice(
    layout: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("train", layout, "light", *QUICK, "--seeds", "0,1", "--out", trained.parent, "--workers", 0)
    before = tree(trained.parent)
    code, runs = call_json(*arguments, capsys=capsys)
    assert (code, [run["seed"] for run in runs]) == (0, [0, 1])
    assert {Path(run["run"]) for run in runs} == set(trained.glob("seed-*"))
    assert tree(trained.parent) == before


def test_evaluate_and_compare_take_runs_and_their_folders(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = call_json("evaluate", trained, capsys=capsys)
    assert (code, told["seeds"], told["clips"]) == (0, [0, 1], 5)
    assert set(told["targets"]) == {"Admiration", "Joy"}
    code, one = call_json("evaluate", trained / "seed-0", capsys=capsys)
    assert one["seeds"] == [0]
    code, text, _ = call("evaluate", trained, capsys=capsys)
    assert "Joy" in text
    code, told = call_json("compare", trained, trained, capsys=capsys)
    assert (code, told["difference"]) == (0, 0.0)
    assert "no difference can be told" in told["verdict"]


def test_evaluate_and_compare_draw_groups_that_the_data_set_tells(
    layout: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [f"{number:05d}" for number in range(16)]
    facts = "".join(f"{id_},p{int(id_) // 2}\n" for id_ in ids)
    (layout / "clips.csv").write_text(f"Filename,person\n{facts}")
    told = ("--data", layout, "--groups", "person")
    code, evaluation = call_json("evaluate", trained, *told, capsys=capsys)
    assert (code, evaluation["groups"]) == (0, {"person": 3})
    _, text, _ = call("evaluate", trained, "--data", layout, capsys=capsys)
    assert "warning: clips share a person" in text
    assert "seeds, not in the interval" in text
    _, pair = call_json("compare", trained / "seed-0", trained / "seed-1", *told, capsys=capsys)
    assert {"difference", "low", "high", "wins", "verdict", "clips_to_tell"} <= set(pair)
    several = (trained / "seed-0", trained / "seed-1", trained / "seed-0")
    _, many = call_json("compare", *several, *told, "--against", "best", capsys=capsys)
    assert len(many["against"]) == 2
    assert {"run", "difference", "corrected", "verdict"} <= set(many["against"][0])
    _, text, _ = call("compare", *several, *told, capsys=capsys)
    assert "p (Holm)" in text
    (layout / "clips.csv").unlink()


def test_predict_gives_every_clip_its_numbers_or_the_reason_and_keeps_the_order(
    layout: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no film at all" * 99)
    clips = [layout / "raw" / "00003.mp4", tmp_path / "broken.mp4", layout / "raw" / "00001.mp4", tmp_path / "gone.mp4"]
    code, told = call_json("predict", trained / "seed-0", *clips, capsys=capsys)
    assert code == 1
    assert [row["path"] for row in told] == [str(clip) for clip in clips]
    assert all(set(row) == {"clip", "path", "scores", "intervals", "modalities", "error"} for row in told)
    whole, broken, silent, gone = told
    assert set(whole["scores"]) == {"Admiration", "Joy"}
    assert whole["modalities"] == {"text": "no transcript", "audio": "used", "vision": "used", "motion": "used"}
    assert silent["modalities"]["audio"] == "no sound track"
    assert silent["scores"] is not None
    assert (broken["scores"], gone["scores"], gone["error"]) == (None, None, "no such file")
    code, text, _ = call("predict", trained / "seed-0", *clips, capsys=capsys)
    assert "no such file" in text


def test_a_raw_clip_and_a_stored_one_have_the_same_score(layout: Path, trained: Path) -> None:
    from mimetic import Run, open_dataset

    run = Run(trained / "seed-0")
    clips = open_dataset(layout).clips
    raw = predict(run, clips)
    stored = dict(zip(run.outcome.clips, run.outcome.predicted, strict=True))
    for clip, values in zip(raw.clips, raw.values, strict=True):
        np.testing.assert_allclose(values, stored[clip], atol=1e-5, rtol=0)
    np.testing.assert_allclose(predict(run, clips[:1]).values[0], raw.values[0], atol=1e-5, rtol=0)


def test_predict_explains_each_score_by_modality(
    layout: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [layout / "raw" / "00003.mp4", layout / "raw" / "gone.mp4"]
    code, (told, gone) = call_json("predict", trained / "seed-0", *clips, "--explain", capsys=capsys)
    added = told["contributions"]
    assert set(added) == {"nothing", "text", "audio", "vision", "motion"}
    for target, score in told["scores"].items():
        assert sum(part[target] for part in added.values()) == pytest.approx(score, abs=1e-5)
    assert (code, gone["contributions"]) == (1, None)
    _, text, _ = call("predict", trained / "seed-0", clips[0], "--explain", capsys=capsys)
    assert "nothing" in text


def test_stress_is_one_table_and_one_picture(
    layout: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("stress", trained / "seed-0", "--data", layout)
    code, told = call_json(*arguments, "--picture", tmp_path / "s.png", capsys=capsys)
    assert (code, told["level"], told["clips"]) == (0, "features", 5)
    assert {"name", "mean_pearson", "difference", "low", "high", "corrected", "verdict"} <= set(told["stresses"][0])
    assert (tmp_path / "s.png").is_file()
    _, text, _ = call(*arguments, "--raw", "--clips", 3, capsys=capsys)
    assert "half the frames" in text


def test_slices_say_what_they_cannot_tell(layout: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("evaluate", trained / "seed-0", "--data", layout, "--beside", trained / "seed-1")
    code, told = call_json(*arguments, "--slices", "all", capsys=capsys)
    assert code == 0
    assert {sliced["by"] for sliced in told["slices"]} >= {"length", "missing", "seen", "language"}
    assert set(told["rescued"]) == {str(trained / "seed-1")}
    _, text, _ = call(*arguments, "--slices", "loudness,language", capsys=capsys)
    assert "too few: " in text
    assert "no column of the data set says it" in text


def test_words_for_all_clips_come_from_one_table(
    layout: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.csv").write_text("Filename,text\n00003,so be it\n")
    clip = layout / "raw" / "00003.mp4"
    _, told = call_json("predict", trained / "seed-0", clip, "--words", tmp_path / "words.csv", capsys=capsys)
    assert told[0]["modalities"]["text"] == "used"


def test_a_submission_is_written_checked_and_spoilt(
    layout: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "submission.csv"
    code, told = call_json("submit", trained / "seed-0", layout, "--out", file, "--workers", 0, capsys=capsys)
    assert (code == 0) == told["good"] == (not told["faults"])
    header, *rows = file.read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["00013", "00014", "00015"]
    file.write_text("\n".join([header, "00013,0.1,0.2", "00014,0.3,0.1", "00015,0.2,0.9"]) + "\n")
    code, told = call_json("check", file, layout, capsys=capsys)
    assert (code, told["good"], told["origin"]) == (0, True, None)  # it was changed: no run's file any more
    file.write_text(file.read_text().replace("\n00013", "\n00099"))
    code, text, _ = call("check", file, layout, capsys=capsys)
    assert code == 1
    assert "'00099' is no test clip" in text


def test_a_submission_that_was_sent_is_counted(
    layout: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "submission.csv"
    call("submit", trained / "seed-0", layout, "--out", file, "--workers", 0, "--ids", "plain", capsys=capsys)
    assert file.read_text().splitlines()[1].startswith("13,")
    _, told = call_json("check", file, layout, "--ids", "plain", "--sent", capsys=capsys)
    assert (told["tries_left"], told["origin"]["run"]) == (4, str(trained / "seed-0"))
    _, text, _ = call("check", file, layout, "--ids", "plain", capsys=capsys)
    assert "4 tries left" in text


def test_stores_are_looked_into_joined_and_checked(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        call("extract", layout, "--with", "words-hashed", "--store", tmp_path / f"{number}", "--shard", f"{number}/2",
             "--workers", 0, capsys=capsys)  # fmt: skip
    stores = [path for path in (tmp_path / "1", tmp_path / "2") if path.is_dir()]
    code, told = call_json("store", "merge", *stores, "--into", tmp_path / "all", capsys=capsys)
    assert code == 0, told
    assert told["features"][0]["feature"] == "words-hashed"
    code, text, _ = call("store", "info", tmp_path / "all", capsys=capsys)
    assert (code, "words-hashed" in text) == (0, True)
    shard = next((tmp_path / "all").rglob("*.arrow"))
    assert call("store", "verify", tmp_path / "all", capsys=capsys)[0] == 0
    shard.write_bytes(shard.read_bytes()[:-9])
    code, told = call_json("store", "verify", tmp_path / "all", capsys=capsys)
    assert (code, told["good"]) == (1, False)


def test_an_audit_names_what_would_spoil_a_training(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = call_json("audit", layout, "--quick", "--workers", 0, "--html", tmp_path / "a.html", capsys=capsys)
    assert (code == 0) == told["good"]
    assert {"code", "severity", "clips", "message", "remedy"} <= set(told["findings"][0])
    assert "00001" in next(finding["clips"] for finding in told["findings"] if "sound" in finding["message"])
    assert "<html" in (tmp_path / "a.html").read_text()
    _, text, _ = call("audit", layout, "--quick", "--workers", 0, capsys=capsys)
    assert "severity" in text


def test_a_card_says_what_is_on_record(
    layout: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = call("card", trained, capsys=capsys)
    assert (code, text.count("| **mean** |")) == (0, 1)
    for told in ("# light, trained on data", "mean of 2 seeds", "logmel", "2024/1689", "mimetic train DATA light"):
        assert told in text
    assert "nan" not in text.partition("## Data")[2]
    code, told = call_json("card", layout, "--out", tmp_path / "card.md", capsys=capsys)
    assert (code, told["card"]) == (0, str(tmp_path / "card.md"))
    assert (tmp_path / "card.md").read_text() == told["text"]
    assert "| train | 8 | 8 | 7 | 0 | 8 |" in told["text"]


def test_a_report_is_one_page(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = call("report", trained.parent, "--out", tmp_path / "report.html", capsys=capsys)
    assert (code, text.splitlines()[0], text.splitlines()[-1]) == (
        0,
        "Systems of one modality, on data",
        str(tmp_path / "report.html"),
    )
    assert "Empathic" not in (tmp_path / "report.html").read_text()


WRONG: dict[str, tuple[list[str], str]] = {
    "no such folder": (["train", "{tmp}/nowhere", "light"], "there is no {tmp}/nowhere"),
    "no target": (["train", "{tmp}/no_target.csv", "light"], "{tmp}/no_target.csv has no target column"),
    "not a number": (["train", "{tmp}/label.csv", "light"], "label.csv, line 3: joy is 'high', not a number"),
    "an id twice": (["train", "{tmp}/twice.csv", "light"], "twice.csv, line 3: the id 'a.mp4' stands twice"),
    "unknown recipe": (["train", "{tmp}/good.csv", "lihgt"], "there is no recipe 'lihgt'. Did you mean light?"),
    "unknown extractor": (["extract", "{tmp}/good.csv", "--with", "logmell"], "no extractor 'logmell'. Did you mean"),
    "unknown setting": (["train", "{tmp}/good.csv", "light", "--set", "fit.epoch=1"], "no setting 'fit.epoch'"),
    "no share": (["extract", "{tmp}", "--shard", "3/2"], "--shard 3/2 is no share"),
    "no store": (["store", "info", "{tmp}"], "{tmp} is no store"),
    "unknown table": (["list", "recipe"], "there is no table 'recipe'. Did you mean recipes?"),
    "seeds": (["train", "{tmp}/good.csv", "light", "--seeds", "a"], "--seeds a are not whole numbers"),
    "no parts": (["train", "{tmp}/good.csv", "light"], "has no training clips at split 2:1"),
    "unknown device": (["train", "{tmp}/split.csv", "light", "--device", "warp"], "there is no device 'warp' here"),
    "no run": (["predict", "{tmp}", "{tmp}/a.mp4"], "{tmp} is no run"),
    "no clip": (["predict", "{tmp}"], "there is no clip to score. Give clips, or --live"),
    "no command": (["trian"], "trian"),
    "groups of nothing": (["evaluate", "{tmp}", "--groups", "person"], "--groups person needs the data set"),
    "slices of nothing": (["evaluate", "{tmp}/x", "--slices", "sex"], "--slices sex needs the data set"),
    "no picture": (["stress", "{tmp}/x", "--data", "{tmp}", "--picture", "a.pdf"], "a.pdf is no picture's name"),
    "no argument": (["train"], "missing argument 'data'. See `mimetic train --help`"),
    "no such option": (["train", "x", "y", "--sed", "1"], "no such option: --sed"),
    "workers below none": (["extract", "{tmp}", "--workers", "-3"], "invalid value for '--workers'"),
    "workers as a word": (["extract", "{tmp}", "--workers", "x"], "invalid value for '--workers'"),
    "an empty folder": (["audit", "{tmp}/empty"], "{tmp}/empty is no data set. It needs train_split.csv"),
    "no table": (["init", "{tmp}/empty"], "{tmp}/empty holds no CSV. Put the labels there"),
    "no rows": (["extract", "{tmp}/header.csv"], "header.csv has no rows. Each clip needs a line"),
    "no UTF-8": (["extract", "{tmp}/latin.csv"], "latin.csv is no CSV"),
    "no such part": (
        ["train", "{tmp}/part.csv", "light"],
        "part.csv, line 2: there is no part 'trian'",
    ),
    "no words": (["extract", "{tmp}/good.csv", "--words", "{tmp}/none.csv"], "none.csv: the transcript cannot be read"),
    "no recipe": (["train", "{tmp}/good.csv", ""], "no recipe is named. `mimetic list recipes` prints them"),
    "no recipe's file": (["train", "{tmp}/good.csv", "{tmp}/none.toml"], "none.toml cannot be read (No such file"),
    "a file that is no TOML": (["train", "{tmp}/good.csv", "{tmp}/broken.toml"], "broken.toml is no recipe"),
    "a typo in TOML": (
        ["train", "{tmp}/good.csv", "{tmp}/typo.toml"],
        "typo.toml: there is no setting 'spli'",
    ),
    "a setting's kind": (["train", "{tmp}/good.csv", "light", "--set", "fit.epochs=x"], "It has to be a whole number"),
    "a setting of nothing": (["train", "{tmp}/good.csv", "light", "--set", "x"], "--set x sets nothing. Write --set"),
    "an option of none": (["extract", "{tmp}/good.csv", "--with", "logmel+rat=5"], "'logmel' has no option 'rat'"),
    "no features": (["ablate", "{tmp}/split.csv", "light"], "split has no features. Run `mimetic extract`"),
    "a damaged shard": (["store", "info", "{tmp}/store"], "is damaged (File is too small"),
    "a damaged run": (["evaluate", "{tmp}/damaged"], "config.json is damaged, or no run's. Give a folder"),
    "a run of later": (
        ["predict", "{tmp}/later", "{tmp}"],
        "has format 99, this version reads 1. Train it",
    ),
    "nothing to import": (
        ["import", "{tmp}/good.csv", "{tmp}/empty", "--as", "own-text"],
        "{tmp}/empty has none of the 2 clips. It holds no features at all",
    ),
    "nothing to forget": (["forget", "{tmp}/good.csv"], "it is not clear what to forget. Give --clip ID"),
    "no submission": (["check", "{tmp}/none.csv", "{tmp}/good.csv"], "none.csv. `mimetic submit` writes one"),
    "a rater's words": (["agreement", "{tmp}/label.csv", "--raters", "path,joy"], "label.csv, line 2: path is 'a.mp4'"),
    "several learn alone": (
        ["finetune", "{tmp}/good.csv", "--extractor", "gte,wav2vec2"],
        "several learn in a recipe only",
    ),
    "a file for a folder": (["train", "{tmp}/split.csv", "light", "--out", "{tmp}/good.csv"], "good.csv"),
    "unknown maker": (["make", "dmeo", "{tmp}/x"], "there is no data set to make 'dmeo'. Did you mean demo?"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_one_clear_line_and_leaves_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_target.csv").write_text("path,who\na.mp4,anna\n")
    (tmp_path / "label.csv").write_text("path,joy\na.mp4,1\nb.mp4,high\nc.mp4,0\n")
    (tmp_path / "twice.csv").write_text("path,joy\na.mp4,1\na.mp4,0\n")
    (tmp_path / "good.csv").write_text("path,joy\na.mp4,1\nb.mp4,0\n")
    (tmp_path / "split.csv").write_text("text,part,joy\na b,train,1\nc d,valid,0\n")
    (tmp_path / "part.csv").write_text("path,part,joy\na.mp4,trian,1\n")
    (tmp_path / "header.csv").write_text("path,joy\n")
    (tmp_path / "latin.csv").write_bytes("path,joy\nä.mp4,1\n".encode("latin-1"))
    (tmp_path / "broken.toml").write_text('base = "light\n')
    (tmp_path / "typo.toml").write_text('base = "light"\nspli = "2:1"\n')
    for folder in ("empty", "damaged", "later", "store/logmel"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "damaged" / "config.json").write_text("{")
    (tmp_path / "later" / "config.json").write_text('{"format": 99}')
    (tmp_path / "store" / "logmel" / "00000.abcd0123.arrow").write_text("xx")
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    words, message = WRONG[name]
    arguments = [word.format(tmp=tmp_path) for word in words]
    code, out, err = call(*arguments, capsys=capsys)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message.format(tmp=tmp_path) in err
    code, told = call_json(*arguments, capsys=capsys)
    assert code == 2
    assert set(told["error"]) == {"kind", "message", "remedy"}
    assert tree(tmp_path) == before


def test_features_of_data_that_cannot_be_written_are_kept_here(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mimetic.calls._is_writable", lambda place: False)
    code, told = call_json("extract", layout, "--with", "words-hashed", "--workers", 0, capsys=capsys)
    assert (code, told["store"]) == (1, "data.features")
    assert (tmp_path / "data.features" / "words-hashed").is_dir()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    code, _, err = call("extract", layout, "--store", tmp_path / "s", "--workers", 0, capsys=capsys)
    assert code == 2
    assert "Permission denied" in err


@pytest.mark.skipif(os.name != "posix" or signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="no Ctrl-C here")
def test_a_job_that_is_stopped_says_that_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    clip, store = write_clip(tmp_path / "clips" / "0.mp4"), tmp_path / "features"
    for number in range(1, 500):  # more than can be done before the signal comes
        (clip.parent / f"{number}.mp4").hardlink_to(clip)
    words = [sys.executable, "-m", "mimetic.cli", "extract", str(clip.parent), "--with", "motion-blocks"]
    words += ["--workers", "1", "--store", str(store)]
    job = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not store.exists() and job.poll() is None:
        time.sleep(0.01)
    job.send_signal(signal.SIGINT)
    _, err = job.communicate(timeout=60)
    assert job.returncode == 130
    assert err.splitlines()[-1] == "stopped: the same command goes on where it was"


def test_help_comes_without_torch() -> None:
    code = (
        "import sys; from mimetic.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert "predict" in done.stdout


@pytest.mark.parametrize("words", [[], ["store"]])
def test_without_a_command_there_is_the_list_of_them(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(*words, capsys=capsys)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: mimetic")
    assert "Commands:" in out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version", capsys=capsys)[:2] == (0, f"mimetic {__version__}\n")


def test_a_command_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    told = "mimetic: no such command 'trian'. Did you mean 'train'? See `mimetic --help`.\n"
    assert call("trian", capsys=capsys) == (2, "", told)


def test_a_folder_of_runs_is_answered_with_one_of_them(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (trained.parent, trained):
        code, _, err = call("predict", folder, folder / "a.mp4", capsys=capsys)
        assert code == 2
        assert f"{folder} is no run. It holds runs; give one of them, such as {trained.parent}" in err


def test_init_proposes_a_split_by_groups_where_there_are_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, group in (("with", "person,"), ("without", "")):
        rows = [f"words {n},{f'p{n % 4},' if group else ''}0.{n}" for n in range(10, 30)]
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text("\n".join([f"text,{group}joy", *rows]) + "\n")
        code, out, _ = call("init", tmp_path / name, capsys=capsys)
        assert code == 0
        assert ("--set split=1/5:group" in out) == bool(group)


def test_every_command_is_listed_with_a_whole_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call("--help", capsys=capsys)
    assert "..." not in out.partition("Commands:")[2]


def test_a_mean_that_is_undefined_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    rows = [f"{n}.txt,{'train' if n < 12 else 'valid'},{draw.uniform():.3f},{n % 2 * (n < 12)}" for n in range(20)]
    for n in range(20):
        (tmp_path / f"{n}.txt").write_text(f"word {n}")
    table = tmp_path / "t.csv"
    table.write_text("text,split,joy,awe\n" + "\n".join(row.replace(".txt", " words", 1) for row in rows) + "\n")
    out = tmp_path / "runs"
    call("train", table, "words-hashed.mlp", "--set", "fit.epochs=1", "--out", out, "--workers", "0", capsys=capsys)
    code, told, _ = call("evaluate", *out.glob("words-hashed*"), capsys=capsys)
    assert code == 0
    assert "awe has no score" in told
    assert "so the mean has none: take a split whose clips differ there" in told

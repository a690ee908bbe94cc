"""Every planted fault is found and named; where nothing is planted, nothing is found."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mimetic.auditing
from audited import NAMED, PLANTED, crashing, write_clean, write_faulty
from mimetic.auditing import audit
from mimetic.auditing.files import check_files
from mimetic.auditing.findings import CHECKS, SEVERITIES, Audit
from mimetic.auditing.inspection import Facts, Inspector, inspect_all
from mimetic.auditing.material import Material
from mimetic.auditing.packets import Stream
from mimetic.auditing.page import write_page
from mimetic.datasets import open_dataset
from mimetic.datasets.drawn import make
from mimetic.records import Clip, Dataset

pytest.importorskip("mediapipe")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clean(tmp_path_factory.mktemp("audited") / "clean")


@pytest.fixture(scope="module")
def faulty(clean: Path) -> Path:
    return write_faulty(clean.with_name("faulty"), clean)


@pytest.fixture(scope="module")
def found(faulty: Path) -> Audit:
    return audit(open_dataset(faulty), workers=0)


def named(audited: Audit, check: str) -> set[str]:
    return {clip for finding in audited.findings if finding.check == check for clip in finding.clips}


# ---------------------------------------------------------------------------------------------- faults


def test_every_check_has_a_fault_planted_for_it() -> None:
    assert set(PLANTED) == set(CHECKS)
    assert all(check.severity in SEVERITIES for check in CHECKS.values())


@pytest.mark.parametrize("check", CHECKS)
def test_a_planted_fault_is_found_and_nothing_else_is_taken_for_it(check: str, found: Audit) -> None:
    assert check in {finding.check for finding in found.findings}
    assert named(found, check) == PLANTED[check]
    if check in NAMED:
        assert any(NAMED[check] in finding.message for finding in found.findings if finding.check == check)


def test_a_reason_is_told_in_the_words_of_whoever_could_not_read(found: Audit) -> None:
    messages = {finding.check: finding.message for finding in found.findings}
    assert messages["unreadable"].startswith("1 clip that cannot be read: 00001 (cannot be opened: ")
    assert messages["missing file"] == "1 clip listed, and not there: 00000"


SOUND = Stream(
    packets=150, claimed_packets=150, seconds=10.0, claimed_seconds=10.0, start=0.0, partial=False, rate=15.0,
    claimed_rates=(), digest="a",
)  # fmt: skip
PICTURE = replace(SOUND, packets=300, claimed_packets=300, rate=30.0, claimed_rates=(30.0,), digest="b")


def checks_of(picture: Stream, sound: Stream, *damage: str) -> set[str]:
    dataset = Dataset(name="one", clips=(Clip(id="a", path=Path("a.mp4")),), targets=(), labels=np.zeros((1, 0)))
    facts = [Facts(clip="a", picture=picture, sound=sound, damage=damage)]
    return {finding.check for finding in check_files(Material(dataset=dataset, facts=facts))}


def test_what_is_cut_off_is_not_told_again_as_something_else() -> None:
    cut = replace(PICTURE, packets=9, seconds=0.3, claimed_rates=(90.0,))
    assert checks_of(cut, SOUND, "picture ends after 0.3 s") == {"truncated"}
    whole = replace(cut, claimed_packets=9, claimed_seconds=0.3)
    assert checks_of(whole, SOUND, "a scratch") == {"damaged", "picture and sound differ", "frame rate"}


def test_a_sound_that_begins_late_is_found_though_it_is_as_long() -> None:
    assert checks_of(PICTURE, SOUND) == set()
    assert checks_of(PICTURE, replace(SOUND, start=-0.05)) == set()
    assert checks_of(PICTURE, replace(SOUND, start=0.8)) == {"picture and sound differ"}


def test_what_spoils_comes_first_and_makes_the_set_no_good(found: Audit) -> None:
    places = [SEVERITIES.index(finding.severity) for finding in found.findings]
    assert places == sorted(places)
    assert not found.good


def test_a_clean_data_set_has_no_findings(clean: Path) -> None:
    audited = audit(open_dataset(clean), workers=0)
    assert audited.lines() == []
    assert audited.good
    assert not audited.unchecked
    assert audited.clean == list(CHECKS)


@pytest.mark.slow
def test_in_the_demo_just_its_own_troubles_are_found(tmp_path: Path) -> None:
    make(tmp_path / "demo", size="small", workers=0)
    with (tmp_path / "demo" / "truth" / "clips.csv").open() as file:
        troubles = {row["clip"]: row["trouble"] for row in csv.DictReader(file)}
    audited = audit(open_dataset(tmp_path / "demo"), workers=0)

    def having(*names: str) -> set[str]:
        return {clip for clip, trouble in troubles.items() if trouble in names}

    expected = {
        "truncated": having("truncated"),
        "no sound": having("no sound track"),
        "silent": having("silence"),
        "no face": having("nobody there"),
        "empty words": having("empty words"),
        "no words": having("no words"),
        "short": having("0.064 s"),
        "long": having("very long"),
    }
    assert {check: named(audited, check) for check in expected} == expected
    rates = named(audited, "frame rate")
    assert having("claims 1,000 frames a second") <= rates
    assert rates <= having("claims 1,000 frames a second", "variable frame rate")
    others = {finding.check for finding in audited.findings} - set(expected)
    assert others == {"frame rate", "junk", "no face crops", "label rare", "label constant"}


# -------------------------------------------------------------------------------------------- workers


def test_a_clip_that_crashes_its_decoder_is_a_finding_and_not_the_end() -> None:
    clips = [Clip(id=name) for name in "abc"]
    facts = inspect_all(crashing, clips, workers=1)
    assert [fact.clip for fact in facts] == ["a", "b", "c"]
    assert [fact.reason for fact in facts] == [None, "ended its worker (exit code 3)", None]


def test_workers_find_what_one_process_finds(faulty: Path, found: Audit) -> None:
    assert audit(open_dataset(faulty), workers=2) == found


# ------------------------------------------------------------------------------------ what is not looked at


def test_a_quick_audit_decodes_nothing_and_says_so(faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mimetic.media.Media.decode", lambda *_, **__: pytest.fail("something was decoded"))
    audited = audit(open_dataset(faulty), quick=True, workers=0)
    unseen = {"damaged", "silent", "no face", "several faces"}
    assert set(audited.unchecked) == unseen
    assert {finding.check for finding in audited.findings} == set(CHECKS) - unseen
    assert unseen.isdisjoint(audited.clean)


def test_without_a_detector_the_page_says_that_nobody_looked_for_faces(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mimetic.auditing, "has_detector", lambda: False)
    dataset = open_dataset(clean)
    audited = audit(dataset, workers=0)
    assert set(audited.unchecked) == {"no face", "several faces"}
    assert "the extra &#39;face&#39;" in write_page(audited, dataset, tmp_path / "audit.html").read_text()


def test_without_people_parts_and_labels_it_is_said_what_could_not_be_told(clean: Path) -> None:
    dataset = open_dataset(clean)
    audited = audit(replace(dataset, columns={}), quick=True, workers=0)
    assert "person across parts" in audited.unchecked
    clips = tuple(replace(clip, part=None, words=None) for clip in dataset.clips)
    nothing = Dataset(name="files", clips=clips, targets=(), labels=np.zeros((len(clips), 0)))
    unchecked = audit(nothing, quick=True, workers=0).unchecked
    assert {"shift", "label range", "script across parts", "duplicate across parts"} <= set(unchecked)


def test_few_people_are_few_draws_however_many_clips_they_have(clean: Path) -> None:
    dataset = open_dataset(clean)
    few = {"Speaker ID": tuple(f"s{number // 10}" for number in range(len(dataset.clips)))}
    assert "shift" in audit(replace(dataset, columns=few), quick=True, workers=0).unchecked
    nobody = {"Speaker ID": ("",) * len(dataset.clips)}
    assert "shift" not in audit(replace(dataset, columns=nobody), quick=True, workers=0).unchecked


def test_stored_features_of_strange_clips_are_named(clean: Path, tmp_path: Path) -> None:
    from mimetic.extraction import extract
    from mimetic.features import features
    from mimetic.store import Store

    dataset = open_dataset(clean)
    store = Store(tmp_path / "features")
    extract([replace(dataset.clips[0], id="88888"), dataset.clips[1]], features(["words-hashed"]), store, workers=0)
    audited = audit(replace(dataset, store=store.path), quick=True, workers=0)
    assert named(audited, "unmatched side file") == {"88888"}


# ---------------------------------------------------------------------------------------------- results


def test_json_has_the_shape_that_is_promised(found: Audit) -> None:
    content = json.loads(json.dumps(found.as_json()))
    assert set(content) == {"data", "clips", "findings", "unchecked", "good"}
    assert content["good"] is False
    keys = {"code", "severity", "message", "clips", "remedy"}
    assert all(set(finding) == keys and finding["remedy"] for finding in content["findings"])


def test_the_page_names_every_clip_and_fetches_nothing(faulty: Path, found: Audit, tmp_path: Path) -> None:
    dataset = open_dataset(faulty)
    page = write_page(found, dataset, tmp_path / "audit.html").read_text()
    assert all(clip in page for finding in found.findings for clip in finding.clips)
    links = re.findall(r"(?:src|href)=\"([^\"]*)\"", page)
    assert links
    assert all(link.startswith("#") for link in links)
    assert "<script" not in page
    assert write_page(found, dataset, tmp_path / "again.html").read_text() == page


def test_a_page_of_files_without_labels_is_written(clean: Path, tmp_path: Path) -> None:
    shutil.copytree(clean / "raw", tmp_path / "raw")
    dataset = open_dataset(tmp_path / "raw")
    audited = audit(dataset, workers=0, quick=True)
    assert audited.good
    assert "Audit of raw" in write_page(audited, dataset, tmp_path / "audit.html").read_text()


def test_an_inspector_travels_to_a_worker() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(Inspector(decode=False))) == Inspector(decode=False)

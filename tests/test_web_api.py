"""HTTP: clips in, the same numbers as everywhere else out, and for every fault a problem that says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from clips import write_clip
from mimetic import compare, evaluate, predict
from mimetic.cli import main
from mimetic.console import finite
from mimetic.datasets import open_dataset
from mimetic.records import Clip, ClipError
from mimetic.runs import runs_of
from mimetic.web import decoding, uploads
from mimetic.web.shelf import name_of
from mimetic.web.site import Site
from served import Place, client_of, finished

BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def site(place: Place) -> Iterator[Site]:
    with Site([place.runs], open_dataset(place.data)) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[TestClient]:
    with client_of(site) as opened:
        yield opened


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "one.mp4", seconds=3.0, seed=3)


def post(client: TestClient, clip: Path, **told: Any) -> dict[str, Any]:
    answer = client.post("/api/jobs", params={"name": clip.name, **told}, content=clip.read_bytes(), headers=BYTES)
    assert answer.status_code == 202, answer.text
    return finished(client, answer.json())


def test_http_predict_and_python_give_the_same_numbers(
    client: TestClient, place: Place, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = name_of(place.run)
    over_http = post(client, clip, run=name)["result"]
    with pytest.raises(SystemExit):
        main(["predict", str(place.run.path), str(clip), "--json"])
    (by_command,) = json.loads(capsys.readouterr().out)
    assert {**by_command, "path": None} == over_http
    in_python = predict(place.run, [clip])
    assert dict(zip(in_python.targets, in_python.values[0].tolist(), strict=True)) == over_http["scores"]


def test_a_clip_of_the_data_set_is_scored_as_the_run_scored_it(client: TestClient, place: Place) -> None:
    job = finished(client, client.post("/api/clip/jobs", params={"id": "00009", "run": name_of(place.run)}).json())
    row = client.get("/api/clip", params={"id": "00009", "run": name_of(place.run)}).json()
    assert job["result"]["scores"] == pytest.approx(row["predicted"], abs=1e-5)


def test_the_timeline_has_windows_contributions_and_what_can_be_heard(client: TestClient, clip: Path) -> None:
    job = post(client, clip, words="hello there")
    told = client.get(f"/api/jobs/{job['id']}/timeline").json()
    assert told["windows"]["width"] == pytest.approx(1.5, rel=0.05)
    assert set(told["windows"]["contributions"]) == {"text", "audio", "vision", "motion"}
    assert {"loudness", "pitch", "picture movement"} == set(told["curves"])
    assert (told["timeless"], told["text"], told["words"]) == (["text"], "hello there", [])
    assert told["curves"]["pitch"]["values"][20] == pytest.approx(270, rel=0.05)  # the tone that seed 3 makes
    assert client.get(f"/api/jobs/{job['id']}/faces").headers["content-type"] == "image/jpeg"


def test_words_with_times_are_kept_with_them(client: TestClient, clip: Path) -> None:
    subtitles = "1\n00:00:00,500 --> 00:00:01,500\nhello\n\n2\n00:00:01,500 --> 00:00:02,000\nthere\n"
    job = post(client, clip, words=subtitles)
    told = client.get(f"/api/jobs/{job['id']}/timeline").json()
    assert told["words"] == [[0.5, 1.5, "hello"], [1.5, 2.0, "there"]]


def test_a_modality_can_be_switched_off(client: TestClient, clip: Path) -> None:
    job = post(client, clip)
    found = client.get(f"/api/jobs/{job['id']}/scores", params={"without": ["audio", "motion"]}).json()
    assert found["modalities"] == {
        "text": "no transcript", "audio": "switched off", "vision": "used", "motion": "switched off",
    }  # fmt: skip
    assert found["scores"] != job["result"]["scores"]
    again = client.get(f"/api/jobs/{job['id']}/scores").json()
    assert again == job["result"]


def test_leaving_out_what_a_clip_does_not_have_changes_nothing(client: TestClient, tmp_path: Path) -> None:
    job = post(client, write_clip(tmp_path / "mute.mp4", sound=False))
    assert job["result"]["modalities"]["audio"] == "no sound track"
    found = client.get(f"/api/jobs/{job['id']}/scores", params={"without": "audio"}).json()
    assert found["scores"] == job["result"]["scores"]


def test_a_modality_that_the_run_does_not_have_is_a_problem(client: TestClient, clip: Path) -> None:
    answer = client.get(f"/api/jobs/{post(client, clip)['id']}/scores", params={"without": "smell"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert "text, audio, vision, motion" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"this is no clip at all", "cannot be opened"),
        (b"\x00\x00\x00\x20ftypisom" + b"\xff" * 400, "cannot be opened"),
    ],
)
def test_what_is_no_clip_fails_with_the_reason(client: TestClient, content: bytes, reason: str) -> None:
    answer = client.post("/api/jobs", params={"name": "broken.mp4"}, content=content, headers=BYTES)
    job = finished(client, answer.json())
    assert (job["state"], job["problem"]["status"]) == ("failed", 422)
    assert reason in job["problem"]["detail"]
    assert client.get(f"/api/jobs/{job['id']}/timeline").status_code == 409


def test_a_clip_beyond_the_limits_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = Clip(id="long", path=write_clip(tmp_path / "long.mp4", seconds=3.0))
    assert decoding.inspect(long).seconds == pytest.approx(3.0, abs=0.1)
    monkeypatch.setattr(decoding, "UPLOAD_SECONDS", 2.0)
    with pytest.raises(ClipError, match="minutes"):
        decoding.inspect(long)
    monkeypatch.setattr(decoding, "UPLOAD_SECONDS", 600.0)
    monkeypatch.setattr(decoding, "PIXELS", 100)
    with pytest.raises(ClipError, match="96 by 96 pixels"):
        decoding.inspect(long)


def test_nothing_of_a_file_is_left_once_it_is_read(client: TestClient, site: Site, clip: Path) -> None:
    post(client, clip, words="secret")
    client.post("/api/jobs", params={"name": "broken.mp4"}, content=b"broken", headers=BYTES)
    finished(client, post(client, clip))
    assert list(site.receiver.folder.iterdir()) == []
    assert site.receiver.folder.stat().st_mode & 0o077 == 0


def test_too_large_a_file_is_refused_while_it_comes(client: TestClient, site: Site) -> None:
    def chunks() -> Iterator[bytes]:  # without a length: the server has to count
        yield from (b"x" * (1 << 20) for _ in range(18))

    answer = client.post("/api/live", content=chunks(), headers=BYTES)
    assert (answer.status_code, list(site.receiver.folder.iterdir())) == (413, [])
    claimed = client.post("/api/live", content=b"x", headers={**BYTES, "Content-Length": str(1 << 40)})
    assert claimed.status_code == 413


def test_an_empty_file_is_a_problem(client: TestClient) -> None:
    assert client.post("/api/jobs", headers=BYTES).json()["detail"] == "the file is empty"


def test_names_cannot_climb_out_or_carry_markup_into_a_path(client: TestClient, clip: Path) -> None:
    job = post(client, clip, name="../../x/<b>\x00\u202eevil.sh")
    assert job["clip"] == "<b>evil.sh"
    assert uploads.shown_name("a" * 300 + ".mp4") == "a" * 76 + ".mp4"


@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat", "clip.mp4", "clip"])
def test_a_playlist_cannot_reach_other_files_of_this_machine(client: TestClient, clip: Path, name: str) -> None:
    lists = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {clip}\n",
        f"ffconcat version 1.0\nfile {clip.name}\n",
    )
    for content in lists:
        job = finished(client, client.post("/api/jobs", params={"name": name}, content=content, headers=BYTES).json())
        assert job["state"] == "failed"
        assert job["problem"]["status"] == 422


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_a_list_of_files_is_refused_before_it_is_read(tmp_path: Path, kind: str) -> None:
    part = write_clip(tmp_path / "part.mp4", seconds=1.0)
    path = tmp_path / ("list.m3u8" if kind == "hls" else "list.ffconcat")
    content = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{part}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile {part.name}\n",
    }
    path.write_text(content[kind])
    with pytest.raises(ClipError, match="a playlist"):
        decoding.inspect(Clip(id="list", path=path))


def test_a_deleted_job_is_gone(client: TestClient, clip: Path) -> None:
    job = post(client, clip)
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert client.get(f"/api/jobs/{job['id']}").status_code == 404


def test_a_live_window_is_scored_at_once_or_left_out(client: TestClient, site: Site, place: Place, clip: Path) -> None:
    name = name_of(place.run)
    found = client.post("/api/live", params={"run": name}, content=clip.read_bytes(), headers=BYTES)
    assert found.json()["scores"] == post(client, clip, run=name)["result"]["scores"]
    with site.desk(name)._busy:
        busy = client.post("/api/live", params={"run": name}, content=clip.read_bytes(), headers=BYTES)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")


def test_twenty_clients_at_once_each_get_their_own_result(client: TestClient, place: Place, tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{seed}.mp4", seconds=1.0, seed=seed) for seed in range(20)]
    with ThreadPoolExecutor(20) as crowd:
        jobs = list(crowd.map(lambda clip: post(client, clip, run=name_of(place.run)), clips))
    expected = predict(place.run, clips)
    for job, clip, values in zip(jobs, clips, expected.values, strict=True):
        assert job["clip"] == clip.name
        assert list(job["result"]["scores"].values()) == pytest.approx(values.tolist(), abs=1e-5)


def test_clips_are_listed_and_filtered(client: TestClient) -> None:
    everything = client.get("/api/clips").json()
    assert (everything["found"], everything["of"], everything["pages"]) == (16, 16, 1)
    mute = client.get("/api/clips", params={"missing": "audio"}).json()
    assert [row["clip"] for row in mute["clips"]] == ["00001"]
    valid = client.get("/api/clips", params={"part": "valid", "order": "error"}).json()["clips"]
    errors = [row["error"] for row in valid]
    assert len(errors) == 6
    assert errors == sorted(errors, reverse=True)
    assert client.get("/api/clips", params={"order": "size"}).status_code == 422


def test_thumbnails_and_media_come_by_id_alone(client: TestClient) -> None:
    assert client.get("/api/clip/thumbnail", params={"id": "00003"}).content[:2] == b"\xff\xd8"
    part = client.get("/api/clip/media", params={"id": "00003"}, headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content[4:8]) == (206, b"ftyp")
    for name in ("../../../etc/passwd", "/etc/passwd", "00003/../00004", ""):
        assert client.get("/api/clip/media", params={"id": name}).status_code == 404
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_scores_and_comparisons_are_those_of_the_commands(client: TestClient, place: Place) -> None:
    systems = {path.name.rpartition("-")[0]: runs_of([path]) for path in place.runs.iterdir() if path.is_dir()}
    mine, other = systems["light"], systems["logmel.meanstd"]
    told = client.get(f"/api/runs/{name_of(mine[0])}/evaluation").json()
    assert told == json.loads(json.dumps(finite(evaluate(mine).as_json())))
    answer = client.get("/api/comparison", params={"first": name_of(mine[0]), "second": name_of(other[0])}).json()
    rows = [[run.outcome.part("valid").predicted for run in runs] for runs in (mine, other)]
    expected = compare(mine[0].outcome.part("valid").true, *rows)
    assert (answer["difference"], answer["low"], answer["high"]) == (expected.difference, expected.low, expected.high)


def test_the_audit_comes_when_it_is_done(client: TestClient) -> None:
    import time

    for _ in range(200):
        state = client.get("/api/audit").json()
        if state["findings"] is not None:
            break
        time.sleep(0.05)
    assert "no sound" in [finding["code"] for finding in state["findings"]]


def test_every_page_is_there_without_a_data_set_too(place: Place) -> None:
    with Site([place.run.path]) as bare, client_of(bare) as asked:
        assert [asked.get(path).status_code for path in ("/", "/clips", "/runs", "/docs")] == [200] * 4
        assert asked.get("/api/clips").json()["remedy"].startswith("Start with")


def test_no_path_of_this_machine_is_told(client: TestClient, place: Place, clip: Path) -> None:
    post(client, clip)
    pages = ["/", "/clips", "/clip?id=00003", "/scatter", "/audit", "/runs", "/docs", "/openapi.json", "/api/runs"]
    for page in [*pages, "/api/clips", "/api/runs/none/history", "/api/clip?id=none"]:
        assert str(place.data.parent) not in client.get(page).text, page


def test_a_run_without_a_validation_score_says_so_and_not_where_it_lies(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.run.path, tmp_path / "my runs" / "refit" / "seed-0")
    config = tmp_path / "my runs" / "refit" / "seed-0" / "config.json"
    told = json.loads(config.read_text())
    told["recipe"]["split"] = "all"
    config.write_text(json.dumps(told))
    with Site([tmp_path / "my runs"]) as site, client_of(site) as client:
        answer = client.get(f"/api/runs/{place.run.signature[:12]}/evaluation")
        assert answer.status_code == 409
        assert str(tmp_path) not in answer.text
        assert "seed-0" in answer.json()["detail"]
        page = client.get("/runs").text
        assert "trained on all labels" in page
        assert 'data-part="value"' not in page


def test_people_get_a_page_where_programs_get_a_problem(client: TestClient) -> None:
    page = client.get("/clip", params={"id": "none"}, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "the data set has no such clip" in page.text
    assert client.get("/clip", params={"id": "none"}).headers["content-type"] == "application/problem+json"


def test_markup_in_an_id_stays_text(client: TestClient) -> None:
    page = client.get("/clips", params={"find": '"><script>alert(1)</script>'}, headers={"Accept": "text/html"})
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in page.text


def test_as_many_files_as_there_is_room_for_and_no_more(tmp_path: Path) -> None:
    import asyncio

    from starlette.requests import Request

    from mimetic.web.problems import Refusal

    async def body() -> dict[str, Any]:
        return {"type": "http.request", "body": b"12345", "more_body": False}

    async def take(receiver: uploads.Receiver, times: int) -> list[uploads.Upload]:
        request = {"type": "http", "headers": [], "method": "POST"}
        return [await receiver.take(Request(request, body), name="a", words=None, most=10) for _ in range(times)]

    receiver = uploads.Receiver(most=2, most_bytes=100)
    first, _ = asyncio.run(take(receiver, 2))
    with pytest.raises(Refusal, match="2 files are here already"):
        asyncio.run(take(receiver, 1))
    first.delete()
    assert len(asyncio.run(take(receiver, 1))) == 1
    narrow = uploads.Receiver(most_bytes=12)
    with pytest.raises(Refusal, match="too many bytes"):
        asyncio.run(take(narrow, 3))
    for one in (receiver, narrow):
        one.close()
        assert not one.folder.exists()


def test_whoever_stops_sending_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from starlette.requests import Request

    from mimetic.web.problems import Refusal

    async def silence() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    monkeypatch.setattr(uploads, "STALL", 0.05)
    receiver = uploads.Receiver()
    request = Request({"type": "http", "headers": [], "method": "POST"}, silence)
    with pytest.raises(Refusal, match="nothing came"):
        asyncio.run(receiver.take(request, name="a", words=None, most=10))
    assert list(receiver.folder.iterdir()) == []
    receiver.close()


def test_nothing_is_told_to_a_collector_even_if_the_environment_names_one(
    site: Site, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    called: list[Any] = []
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1:4318")
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: called.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: called.append(address))
    with client_of(site) as client:
        assert post(client, clip)["state"] == "done"
        assert client.get("/runs").status_code == 200
    assert called == []

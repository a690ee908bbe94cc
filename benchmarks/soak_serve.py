"""``mimetic serve`` under load for a while: what it takes of the machine, and whether that stays flat.

In go a run, and some clips; twenty clients send them over and over, ask for timelines and faces, look at pages, send
files that are none, and hang up. Out come ``soak_serve.json`` and ``soak_serve.md``: requests and their answers, and
memory, handles, threads and temporary files of the server and its decoder's process, quarter by quarter. It ends with
1 if an answer was wrong, something was left behind, or the last quarter takes more than the second. Linux alone.

    python benchmarks/soak_serve.py RUN CLIP... --minutes 60 --out results
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Lock
from typing import Annotated, Any
from urllib.parse import quote

import typer

CLIENTS = 20
EVERY = 5.0
"""Seconds between two looks at the server."""

PAGES = ("/", "/runs", "/docs", "/openapi.json", "/api/runs", "/static/web.css")
ALLOWED = {"server_mb": 1.05, "decoder_mb": 1.05, "handles": 1.05, "threads": 1.05}
"""What the last quarter may take at most, as a multiple of the second one: the first is for warming up."""

SLACK = {"server_mb": 20.0, "decoder_mb": 20.0, "handles": 8.0, "threads": 2.0}
"""And beyond that: connections come and go."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the server and the processes it started take at a moment; ``files`` are those in its temporary folder."""

    second: float
    server_mb: float
    decoder_mb: float
    handles: int
    threads: int
    files: int


@dataclass
class Tally:
    """What clients were answered; ``wrong`` says in words what should not have been."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def note(self, what: str, wrong: str = "") -> None:
        """Count an answer."""
        with self.lock:
            self.answers[what] += 1
            if wrong:
                self.wrong.append(wrong)

    def same(self, clip: str, scores: Any) -> bool:
        """Tell whether a clip's scores are those that it had the first time."""
        with self.lock:
            return bool(self.scores.setdefault(clip, scores) == scores)


# ------------------------------------------------------------------------------------------ the server


@contextmanager
def serving(run: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Serve a run, with a temporary folder of its own; give the process and the port."""
    call = [sys.executable, "-m", "mimetic.cli", "serve", str(run), "--port", "0"]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)})
    assert process.stdout is not None
    port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
    try:
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def look(process: int, folder: Path, began: float) -> Look:
    """See what a process and its children take."""
    facts = [Path(f"/proc/{one}") for one in (process, *_children(process))]
    memory = [_status(at, "VmRSS") / 1024 for at in facts]
    return Look(
        second=round(time.monotonic() - began, 1),
        server_mb=round(memory[0], 1),
        decoder_mb=round(sum(memory[1:]), 1),
        handles=sum(len(list((at / "fd").iterdir())) for at in facts),
        threads=sum(_status(at, "Threads") for at in facts),
        files=sum(path.is_file() for path in folder.rglob("*")),
    )


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _status(process: Path, name: str) -> int:
    lines = (process / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


# ------------------------------------------------------------------------------------------ the clients


@dataclass
class Client:
    """Somebody who sends clips and looks around, until it is over."""

    port: int
    clips: Sequence[Path]
    tally: Tally
    over: Event
    draw: random.Random

    def __call__(self) -> None:
        """Go on."""
        doings = (self.score, self.score, self.look_around, self.send_junk, self.hang_up)
        while not self.over.is_set():
            try:
                self.draw.choice(doings)()
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.tally.note("broken off", f"{type(error).__name__}: {error}")

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Ask once."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            kind = {} if body is None else {"Content-Type": "application/octet-stream"}
            connection.request(method, path, body, kind)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def score(self) -> None:
        """Send a clip and wait for its scores; look at what they rest on; sometimes have it forgotten."""
        clip = self.draw.choice(self.clips)
        job = self.finish(clip.name, clip.read_bytes())
        if job is None:
            return
        right = job["state"] == "done" and job["clip"] == clip.name and self.tally.same(clip.name, job["result"])
        self.tally.note("scored", "" if right else f"{clip.name}: {json.dumps(job)[:300]}")
        place = f"/api/jobs/{job['id']}"
        for path in (f"{place}/timeline", f"{place}/faces", f"{place}/scores?without=vision"):
            status, _ = self.ask("GET", path)
            self.tally.note(f"details {status}", "" if status < 500 else f"{path}: {status}")
        if self.draw.random() < 0.5:
            self.ask("DELETE", place)

    def finish(self, name: str, body: bytes) -> dict[str, Any] | None:
        """Send a file and wait until its job is done; nothing if there is no room now, or it was forgotten."""
        status, answer = self.ask("POST", f"/api/jobs?name={quote(name)}", body)
        job = json.loads(answer)
        while status < 300 and job["state"] in ("waiting", "working"):
            self.over.wait(0.2)
            status, answer = self.ask("GET", f"/api/jobs/{job['id']}")
            job = json.loads(answer)
        if status < 300:
            return dict(job)
        self.tally.note(f"not now {status}", "" if status in (404, 429) else f"{name}: {answer[:300]!r}")
        self.over.wait(1.0)
        return None

    def look_around(self) -> None:
        """Look at a page."""
        path = self.draw.choice(PAGES)
        status, _ = self.ask("GET", path)
        self.tally.note(f"pages {status}", "" if status == 200 else f"{path}: {status}")

    def send_junk(self) -> None:
        """Send a file that is none."""
        job = self.finish("junk.mp4", self.draw.randbytes(20_000))
        if job is not None:
            self.tally.note("junk refused", "" if job["state"] == "failed" else f"junk: {json.dumps(job)[:300]}")

    def hang_up(self) -> None:
        """Begin to send a clip, and go."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.putrequest("POST", "/api/jobs?name=half.mp4")
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(self.draw.randbytes(50_000))
        connection.close()
        self.tally.note("hung up")


# ------------------------------------------------------------------------------------------ what came of it


def quarters(looks: Sequence[Look]) -> list[dict[str, float]]:
    """Give the medians of each quarter of the time."""
    size = max(1, len(looks) // 4)
    parts = [looks[start : start + size] for start in range(0, 4 * size, size)]
    return [{name: median(getattr(one, name) for one in part) for name in ALLOWED} for part in parts if part]


def faults(looks: Sequence[Look], tally: Tally, left: int) -> list[str]:
    """Say what is not as it should be."""
    found = quarters(looks)
    second, last = found[min(1, len(found) - 1)], found[-1]
    told = [
        f"{name} grew from {second[name]:g} to {last[name]:g}"
        for name in ALLOWED
        if last[name] > ALLOWED[name] * second[name] + SLACK[name]
    ]
    told += [f"{left} temporary files were left behind"] if left else []
    told += [f"{len(tally.wrong)} wrong answers, such as {tally.wrong[0]}"] if tally.wrong else []
    return told


def as_markdown(result: dict[str, Any]) -> str:
    """Write the page."""
    rows = [
        f"| {place} | {row['server_mb']:,.0f} | {row['decoder_mb']:,.0f} | {row['handles']:g} | {row['threads']:g} |"
        for place, row in zip(("first", "second", "third", "last"), result["quarters"], strict=False)
    ]
    answers = ", ".join(f"{name}: {count:,}" for name, count in sorted(result["answers"].items()))
    verdict = "; ".join(result["faults"]) or "flat, and every answer as it should be"
    return "\n".join(
        [
            "# `mimetic serve` under load",
            "",
            f"{result['minutes']:.1f} minutes, {result['clients']} clients at once, {result['clips']} clips over and"
            f" over, files that are none, connections that break off; {result['processors']} processors that are"
            " shared with others. Medians of each quarter of the time:",
            "",
            "| quarter | server, MB | its decoder, MB | handles | threads |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"Answers: {answers}.",
            "",
            f"Temporary files: at most {result['most_files']} at once, {result['left']} left at the end. In a word:"
            f" {verdict}.",
            "",
            "Made by `python benchmarks/soak_serve.py RUN CLIP...`.",
            "",
        ]
    )


def main(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    clips: Annotated[list[Path], typer.Argument(help="Clips to send.")],
    minutes: Annotated[float, typer.Option(help="How long.")] = 60.0,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("results"),
) -> None:
    """Serve, load, look, and write down what was seen."""
    tally, over, looks = Tally(), Event(), []
    with TemporaryDirectory() as temporary, ThreadPoolExecutor(CLIENTS) as pool:
        folder = Path(temporary)
        with serving(run, folder) as (process, port):
            began = time.monotonic()
            clients = [pool.submit(Client(port, clips, tally, over, random.Random(seed))) for seed in range(CLIENTS)]
            while time.monotonic() - began < 60 * minutes:
                time.sleep(EVERY)
                looks.append(look(process, folder, began))
            over.set()
            for client in clients:
                client.result()
        left = sum(path.is_file() for path in folder.rglob("*"))
    result = {
        "minutes": minutes,
        "clients": CLIENTS,
        "clips": len(clips),
        "processors": os.cpu_count(),
        "answers": dict(tally.answers),
        "quarters": quarters(looks),
        "most_files": max(one.files for one in looks),
        "left": left,
        "faults": faults(looks, tally, left),
        "looks": [asdict(one) for one in looks],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "soak_serve.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    (out / "soak_serve.md").write_text(as_markdown(result), "utf-8")
    typer.echo(as_markdown(result))
    raise typer.Exit(1 if result["faults"] else 0)


if __name__ == "__main__":
    typer.run(main)

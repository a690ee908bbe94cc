"""Something to serve: a small data set, the runs of a quick training on it, and a server that browsers can reach."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from fastapi.testclient import TestClient

from clips import write_layout
from mimetic.datasets import open_dataset
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.recipes import RECIPES, with_settings
from mimetic.runs import Run
from mimetic.store import Store
from mimetic.training import train
from mimetic.web.address import bind
from mimetic.web.app import create_app
from mimetic.web.server import server_of
from mimetic.web.site import Site

HERE = "http://127.0.0.1"


@dataclass(frozen=True)
class Place:
    """A folder with data and runs; ``run`` is the fusion's, seed 0."""

    data: Path
    runs: Path
    run: Run


def make_place(root: Path, *, scripts: Sequence[str] = ()) -> Place:
    """Make clips, extract what the light recipe needs, and train it for two epochs with two seeds.

    Clips say the scripts in turn, if there are some.
    """
    data = write_layout(root / "data", train=8, valid=6, test=2)
    for number, words in enumerate(sorted((data / "text").iterdir()) if scripts else ()):
        words.write_text(scripts[number % len(scripts)])
    dataset, store = open_dataset(data), Store(data / "features")
    recipe = with_settings(RECIPES["light"], {"fit.epochs": 2, "parts.0.fit.epochs": 2})
    extract(dataset.clips, features(part.feature for part in recipe.parts), store, workers=0)
    runs = [train(dataset, recipe, store, root / "runs", seed=seed) for seed in (0, 1)]
    return Place(data, root / "runs", runs[0])


@contextmanager
def client_of(site: Site, **told: Any) -> Iterator[TestClient]:
    """Give a client that asks an application without a server between them."""
    with TestClient(create_app(site, **told), base_url=HERE, raise_server_exceptions=False) as client:
        yield client


def finished(client: TestClient, job: dict[str, Any], *, seconds: float = 60.0) -> dict[str, Any]:
    """Wait until a job is done or has failed."""
    until = time.monotonic() + seconds
    while job["state"] in ("waiting", "working") and time.monotonic() < until:
        time.sleep(0.02)
        job = client.get(f"/api/jobs/{job['id']}").json()
    return job


@contextmanager
def listening(site: Site) -> Iterator[str]:
    """Serve a site on a port that is free; give its address."""
    with bind("127.0.0.1", 0) as socket:
        server = server_of(create_app(site))
        thread = Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"{HERE}:{socket.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=10)

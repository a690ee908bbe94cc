"""A pool that outlives its workers: an item that kills one costs that item alone."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import pytest

from mimetic.parallel import Lost, unordered


@dataclass(frozen=True)
class Make:
    """Builds a function that squares, and does worse to the items named here."""

    crash: int = -1
    spin: int = -1

    def __call__(self) -> Make:
        return self

    def __getitem__(self, item: int) -> int:
        if item == self.crash:
            os.abort()
        while item == self.spin:
            pass
        return item * item


@dataclass(frozen=True)
class Factory:
    make: Make

    def __call__(self) -> object:
        return self.make.__getitem__


@dataclass(frozen=True)
class Refuses:
    def __call__(self) -> object:
        raise ValueError("cannot be built")


def test_every_item_gives_its_result_in_a_pool_and_here() -> None:
    for workers in (0, 2):
        results = dict(unordered(Factory(Make()), range(7), workers=workers))
        assert results == {i: i * i for i in range(7)}


def test_a_crash_costs_one_item() -> None:
    results = dict(unordered(Factory(Make(crash=2)), range(5), workers=2))
    assert results.pop(2) == Lost("crashed its worker (SIGABRT)", crashed=True)
    assert results == {i: i * i for i in (0, 1, 3, 4)}


def test_an_item_that_never_ends_is_given_up() -> None:
    started = time.monotonic()
    results = dict(unordered(Factory(Make(spin=0)), range(3), workers=1, limit=1.0))
    assert results == {0: Lost("took more than 1 s of processor time"), 1: 1, 2: 4}
    assert time.monotonic() - started < 30


def test_work_that_cannot_be_built_stops_the_job() -> None:
    with pytest.raises(ValueError, match="cannot be built"):
        list(unordered(Refuses(), range(3), workers=1))


def test_a_worker_computes_with_one_thread_and_leaves_ours_alone() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    seen = dict(unordered(Environment(), ["OMP_NUM_THREADS"], workers=1))
    assert seen == {0: "1"}
    assert os.environ.get("OMP_NUM_THREADS") == before


@dataclass(frozen=True)
class Environment:
    def __call__(self) -> object:
        return os.environ.get

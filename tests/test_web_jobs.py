"""Jobs: one at a time, in order, with a bound; what fails costs itself alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

import pytest

from mimetic.records import Clip, ClipError
from mimetic.web.jobs import Job, Jobs
from mimetic.web.problems import Refusal


def job(name: str, after: Callable[[], None] = lambda: None) -> Job[str]:
    return Job(clip=Clip(id=name), run="run", after=after)


def wait_for(test: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not test():
        assert time.monotonic() < until, "it never came to pass"
        time.sleep(0.005)


def test_the_queue_has_a_bound_and_tells_the_place() -> None:
    go = Event()
    jobs: Jobs[str] = Jobs(lambda one, _tell: str(go.wait(5) and one.clip.id), waiting=2)
    first = jobs.put(job("first"))
    wait_for(lambda: jobs.place(first) == 0)
    second, third = jobs.put(job("second")), jobs.put(job("third"))
    assert (jobs.place(second), jobs.place(third)) == (1, 2)
    with pytest.raises(Refusal) as refused:
        jobs.put(job("fourth"))
    assert (refused.value.problem.status, refused.value.wait) == (429, 10)
    go.set()
    wait_for(lambda: third.state == "done")
    assert [one.result for one in (first, second, third)] == ["first", "second", "third"]
    jobs.close()


def test_a_job_that_fails_says_why_and_the_next_goes_on() -> None:
    def work(one: Job[str], _: Callable[[str], None]) -> str:
        if one.clip.id == "bad":
            raise ClipError("no picture and no sound in it")
        if one.clip.id == "worse":
            raise RuntimeError("/home/somebody/secret")
        return "good"

    jobs: Jobs[str] = Jobs(work)
    bad, worse, good = (jobs.put(job(name)) for name in ("bad", "worse", "fine"))
    wait_for(lambda: good.state == "done")
    assert bad.problem is not None
    assert (bad.state, bad.problem.detail) == ("failed", "no picture and no sound in it")
    assert worse.problem is not None
    assert worse.problem.status == 500
    assert "secret" not in worse.problem.model_dump_json()
    jobs.close()


def test_only_so_many_results_are_kept() -> None:
    jobs: Jobs[str] = Jobs(lambda one, _tell: one.clip.id, kept=3)
    made = [jobs.put(job(str(number))) for number in range(6)]
    wait_for(lambda: made[-1].state == "done")
    wait_for(lambda: len(jobs._known) == 3)
    assert jobs.get(made[-1].id).result == "5"
    with pytest.raises(Refusal):
        jobs.get(made[0].id)
    jobs.close()


def test_files_are_deleted_however_a_job_ends() -> None:
    gone: list[str] = []
    go = Event()

    def work(one: Job[str], _: Callable[[str], None]) -> str:
        go.wait(5)
        raise ClipError("broken")

    jobs: Jobs[str] = Jobs(work)
    first = jobs.put(job("failed", lambda: gone.append("failed")))
    wait_for(lambda: jobs.place(first) == 0)
    dropped = jobs.put(job("dropped", lambda: gone.append("dropped")))
    jobs.drop(dropped.id)
    assert gone == ["dropped"]
    jobs.put(job("let go", lambda: gone.append("let go")))
    go.set()
    jobs.close()
    assert sorted(gone) in (["dropped", "failed", "let go"], ["dropped", "failed", "let go", "let go"])

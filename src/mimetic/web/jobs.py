"""Jobs: clips wait their turn, one is worked on at a time, and whoever asks is told the place in the queue.

In go jobs, as many as may wait; out come the same jobs with their results, kept as long as there is room.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Generic, TypeVar

from mimetic.records import Clip
from mimetic.web.limits import KEPT, WAITING
from mimetic.web.problems import Problem, Refusal, problem_in

R = TypeVar("R")

STAGES = ("waiting", "checking", "reading", "features", "scoring", "explaining", "done")
"""What happens to a job, in order; ``features`` only where pretrained models compute some."""


@dataclass(slots=True, eq=False)
class Job(Generic[R]):
    """A clip to be scored by a run. ``after`` is called once its file is not needed any more."""

    clip: Clip
    run: str
    after: Callable[[], None] = lambda: None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    stage: str = "waiting"
    result: R | None = None
    problem: Problem | None = None

    @property
    def state(self) -> str:
        """``waiting``, ``working``, ``done`` or ``failed``."""
        if self.problem is not None:
            return "failed"
        return self.stage if self.stage in ("waiting", "done") else "working"


class Jobs(Generic[R]):
    """A queue with a bound, and the thread that works through it.

    Parameters
    ----------
    work
        takes a job and a function to tell each stage to, and gives the result; what it raises fails the job alone.
    """

    def __init__(
        self, work: Callable[[Job[R], Callable[[str], None]], R], *, waiting: int = WAITING, kept: int = KEPT
    ) -> None:
        self._work, self._most, self._kept = work, waiting, kept
        self._waiting: deque[Job[R]] = deque()
        self._known: OrderedDict[str, Job[R]] = OrderedDict()
        self._changed, self._closed = Condition(), False
        self._thread = Thread(target=self._serve, name="jobs", daemon=True)
        self._thread.start()

    def put(self, job: Job[R]) -> Job[R]:
        """Let a job wait its turn.

        Raises
        ------
        Refusal
            429 if as many wait as may.
        """
        with self._changed:
            if len(self._waiting) >= self._most:
                told = f"{len(self._waiting)} clips are waiting already"
                raise Refusal(429, told, remedy="Try again in a while.", wait=10)
            self._waiting.append(job)
            self._known[job.id] = job
            self._changed.notify()
        return job

    def get(self, name: str) -> Job[R]:
        """Give a job by its id.

        Raises
        ------
        Refusal
            404 if there is none: it never was, was deleted, or was long ago.
        """
        with self._changed:
            if name not in self._known:
                raise Refusal(
                    404, "there is no such job", remedy="Results are kept in memory for a while: score again."
                )
            return self._known[name]

    def place(self, job: Job[R]) -> int:
        """Tell how many are before a job, itself included; 0 once it is worked on."""
        with self._changed:
            return self._waiting.index(job) + 1 if job in self._waiting else 0

    def drop(self, name: str) -> None:
        """Forget a job and its result; one that waits is not worked on, one that is under way is forgotten once done.

        Raises
        ------
        Refusal
            404 as ``get``.
        """
        job = self.get(name)
        with self._changed:
            self._known.pop(name, None)
            waited = job in self._waiting
            if waited:
                self._waiting.remove(job)
        if waited:
            job.after()

    def close(self) -> None:
        """Stop once the job in hand is done; those that wait are let go."""
        with self._changed:
            self._closed = True
            let_go, self._waiting = list(self._waiting), deque()
            self._changed.notify()
        for job in let_go:
            job.after()
        self._thread.join(timeout=5.0)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._waiting.popleft()
                job.stage = "checking"
            self._do(job)
            self._forget_the_oldest()

    def _do(self, job: Job[R]) -> None:
        def tell(stage: str) -> None:
            job.stage = stage

        try:
            job.result = self._work(job, tell)
            job.stage = "done"
        except Exception as error:  # whatever it is, the next job is to go on
            job.problem = problem_in(error)
        finally:
            job.after()

    def _forget_the_oldest(self) -> None:
        with self._changed:
            finished = [name for name, job in self._known.items() if job.state in ("done", "failed")]
            for name in finished[: max(0, len(finished) - self._kept)]:
                del self._known[name]

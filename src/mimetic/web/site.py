"""All that the application holds while it runs: runs, a data set, desks, jobs, the folder for uploads.

In goes what ``mimetic serve`` was told; out come the results that routes hand on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Self

from mimetic.console import finite
from mimetic.records import Clip, Dataset, Json
from mimetic.runs import runs_of
from mimetic.web import signals, strip, timeline
from mimetic.web.jobs import Job, Jobs
from mimetic.web.library import Library
from mimetic.web.limits import DESKS
from mimetic.web.scoring import Desk, Reading, Tell, to_look_at, told
from mimetic.web.shelf import Shelf, name_of
from mimetic.web.uploads import Receiver, Upload


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scored:
    """A clip that was read and scored, with its timeline; ``faces`` is a JPEG of its crops, side by side."""

    desk: Desk
    reading: Reading
    prediction: Json
    timeline: Json
    faces: bytes | None


class Site:
    """What is served. A context: its processes and its folder end with it.

    Raises
    ------
    BadRun
        if one of the places holds no run.
    """

    def __init__(
        self,
        places: Sequence[Path],
        dataset: Dataset | None = None,
        *,
        device: str = "auto",
        accepted: Collection[str] = (),
    ) -> None:
        runs_of(places)
        self.shelf = Shelf(places)
        self.library = None if dataset is None else Library(dataset)
        self.receiver = Receiver()
        self._device, self._accepted = device, accepted
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._lock = Lock()
        self.jobs: Jobs[Scored] = Jobs(self._work)

    def warm(self) -> None:
        """Make the first run's desk, in the background: its decoder takes some seconds to start."""
        Thread(target=lambda: self.desk(name_of(self.shelf.get(None))).warm(), name="warm", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as closing:
            closing.callback(self.receiver.close)
            for desk in self._desks.values():
                closing.push(desk)
            if self.library is not None:
                closing.callback(self.library.close)
            closing.callback(self.jobs.close)

    # -------------------------------------------------------------------------------------------- scoring

    def submit(self, upload: Upload, run: str | None) -> Job[Scored]:
        """Let a file that was sent wait its turn; it is deleted once it has been read."""
        return self._put(Job(clip=upload.clip, run=run or "", after=upload.delete), upload.delete)

    def submit_clip(self, name: str, run: str | None) -> Job[Scored]:
        """Let a clip of the data set wait its turn."""
        assert self.library is not None
        return self._put(Job(clip=self.library.clip(name), run=run or ""), lambda: None)

    def _put(self, job: Job[Scored], undo: Callable[[], None]) -> Job[Scored]:
        try:
            job.run = name_of(self.shelf.get(job.run or None))
            return self.jobs.put(job)
        except BaseException:
            undo()
            raise

    def _work(self, job: Job[Scored], tell: Tell) -> Scored:
        desk = self.desk(job.run)
        reading = desk.read(job.clip, tell)
        job.after()
        tell("scoring")
        scores = desk.score(reading)
        tell("explaining")
        pictures = reading.track(reading.strip)
        return Scored(
            desk=desk,
            reading=reading,
            prediction=told(reading, scores),
            timeline=finite({**timeline.as_json(desk, reading), **signals.as_json(reading)}),
            faces=None if pictures is None or not pictures.valid.any() else strip.picture(pictures),
        )

    def score_live(self, clip: Clip, run: str | None) -> Json | None:
        """Score a live window, unless the desk has something in hand."""
        desk = self.desk(name_of(self.shelf.get(run)))
        reading = desk.read_at_once(clip)
        return None if reading is None else told(reading, desk.score(reading))

    def desk(self, run: str) -> Desk:
        """Give the desk of a run; of more than a few, those that were not used for longest make room."""
        with self._lock:
            if run not in self._desks:
                self._desks[run] = Desk(
                    self.shelf.get(run), beside=to_look_at(), device=self._device, accepted=self._accepted
                )
            self._desks.move_to_end(run)
            while len(self._desks) > DESKS:
                _, oldest = self._desks.popitem(last=False)
                oldest.close()
            return self._desks[run]

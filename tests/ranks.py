"""One of several processes that train together; ``torchrun`` starts it: CHECKPOINT OUT AT_ONCE [STEP to die at]."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import mimetic.finetuning.loop as loop
from mimetic.world import World, entered
from test_finetuning import settings, tuned


def main(checkpoint: str, out: str, at_once: str, die_at: str = "") -> None:
    take = loop.Tuner._take_step

    def dying(self: loop.Tuner) -> float:
        if str(self.step) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return take(self)

    loop.Tuner._take_step = dying  # type: ignore[method-assign]
    loop.EVERY = 0.0
    with entered("cpu") as (world, device):
        assert world == World(int(os.environ["RANK"]), 2)
        tuned(settings(Path(checkpoint), at_once=int(at_once)), Path(out), device=device)


if __name__ == "__main__":
    main(*sys.argv[1:])

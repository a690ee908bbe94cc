"""`mimetic serve` as a user meets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mimetic.cli import main
from served import Place


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """End a process, whatever the test found."""
    try:
        yield
    finally:
        process.kill()


@pytest.mark.slow
def test_it_says_where_it_is_asks_for_its_token_and_leaves_nothing_behind(place: Place, tmp_path: Path) -> None:
    told = [str(place.runs), "--data", str(place.data), "--host", "0.0.0.0", "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "mimetic.cli", "serve", *told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as served, ending(served):
        assert served.stdout is not None
        address = served.stdout.readline().split()[1].replace("0.0.0.0", "127.0.0.1")
        served.stdout.readline()
        place_of, _, token = address.partition("?token=")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(place_of, timeout=60)
        asked = urllib.request.Request(f"{place_of}api/runs", headers={"Authorization": f"Bearer {token}"})
        assert b'"recipe":"light"' in urllib.request.urlopen(asked, timeout=60).read()
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=60) == 0
    assert list(tmp_path.glob("mimetic-*")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is no run"),
        (["RUN", "--data", "nowhere"], "nowhere"),
        (["RUN", "--token", "short"], "too easy to guess"),
        (["RUN", "--host", "192.0.2.1", "--port", "0"], "cannot be listened at"),
    ],
)
def test_a_wrong_call_is_one_line(
    place: Place, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(["serve", *(str(place.runs) if word == "RUN" else word for word in arguments)])
    told = capsys.readouterr().err
    assert (done.value.code, told.count("\n")) == (2, 1)
    assert message in told


def test_without_the_extra_it_says_which(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "mimetic.web.server", raising=False)
    with pytest.raises(SystemExit):
        main(["serve", str(place.runs)])
    assert "mimetic[web]" in capsys.readouterr().err  # type: ignore[attr-defined]

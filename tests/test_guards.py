"""The table of guards names places that are there, and tests that are."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / "tools" / "guards.py"


def test_every_guard_stands_where_the_table_says_and_has_its_test() -> None:
    spec = importlib.util.spec_from_file_location("guards", TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    sys.modules["guards"] = tool
    spec.loader.exec_module(tool)
    for guard in tool.GUARDS:
        source = (ROOT / "src" / "mimetic" / guard.file).read_text("utf-8")
        assert source.count(guard.old) == 1, guard.promise
        file, _, name = guard.test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text("utf-8"), re.MULTILINE), guard.test

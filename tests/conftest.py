"""What several tests share: the real files, where they are, and the demo data set in its smallest size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from served import Place

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real clips; the test is skipped where it is absent."""
    folder = Path(os.environ.get("MIMETIC_TEST_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set MIMETIC_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give data and runs to serve, made once for all tests."""
    from served import make_place

    return make_place(tmp_path_factory.mktemp("served"))

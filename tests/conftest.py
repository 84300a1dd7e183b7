"""What holds for every test: no window opens, property-based tests repeat themselves exactly, and modules are compiled once."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of the processes that tests start compiles cryskit anew
sys.dont_write_bytecode = False

settings.register_profile("cryskit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cryskit")


@pytest.fixture(scope="module")
def graphs_built_once() -> Iterator[None]:
    """Build the graph of a crystal once, and not again for each test of a file."""
    from cryskit.graphs.remembered import remembered

    with remembered():
        yield

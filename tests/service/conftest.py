"""A service with small limits that all tests share, as it takes seconds to start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from cryskit.service.app import build
from cryskit.service.core import Service
from cryskit.service.limits import Limits
from cryskit.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMITS = Limits(
    body=300_000, files=12, rows=60, atoms=80, explained=30, parsing=2.0, patience=120.0, memory=1_000_000_000
)
SALT: dict[str, Any] = {
    "lattice": [[4.12, 0, 0], [0, 4.12, 0], [0, 0, 4.12]],
    "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
    "atomic_numbers": [55, 17],
}
IRON = "iron\n2.87\n1 0 0\n0 1 0\n0 0 1\nFe\n2\nDirect\n0 0 0\n0.5 0.5 0.5\n"


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    from service_tasks import WORK

    settings = Settings(processes=1, limits=LIMITS, accelerator="cpu", drain=5.0)
    app = build(settings, Service(settings, WORK))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as found:
        yield found


def bare(settings: Settings) -> TestClient:
    """Return a client of a service that was not started: nothing is loaded and no process runs."""
    return TestClient(build(settings), base_url="http://127.0.0.1", raise_server_exceptions=False)


def stretched(factor: float) -> dict[str, Any]:
    """Return a salt with a longer lattice, a crystal of its own."""
    return {**SALT, "id": f"salt {factor}", "lattice": [[factor * x for x in row] for row in SALT["lattice"]]}

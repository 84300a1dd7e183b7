"""The file that an undisturbed fetch of the rows of `servers` writes."""

from __future__ import annotations

import pytest
from data.remote.servers import get, good, scripted


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of what an undisturbed fetch writes."""
    out = tmp_path_factory.mktemp("whole") / "x.parquet"
    with scripted(good) as server:
        assert get(server, out)["pages"] == 3
        assert len(server.asked) == 3
    return out.read_bytes()

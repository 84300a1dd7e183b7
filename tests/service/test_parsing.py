"""A process that reads and dies, hangs or takes too much memory costs its own row."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from service.conftest import EXAMPLES

from cryskit.service.parsing import plain_name

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

GOOD = (EXAMPLES / "NaCl.cif").read_bytes()


def test_a_process_that_ends_costs_one_row(client: TestClient) -> None:
    names = ["one.cif", "crash.cif", "hang.cif", "greedy.cif", "two.cif"]
    rows = client.post("/v1/predict", files=[("files", (name, GOOD)) for name in names]).json()["rows"]
    assert [row["path"] for row in rows] == names
    assert [row["status"] for row in rows] == ["ok", "failed", "failed", "failed", "ok"]
    assert all("crashed" in row["reason"] for row in rows[1:3])


def test_a_process_that_is_killed_is_started_again(client: TestClient) -> None:
    (pool,) = client.app.state.service.reading.parsers._pools  # type: ignore[attr-defined]
    (process,) = pool._executor._processes
    os.kill(process, signal.SIGKILL)
    rows = client.post("/v1/predict", files=[("files", ("a.cif", GOOD))]).json()["rows"]
    assert [row["status"] for row in rows] == ["ok"]


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\a.cif", "a.cif"),
        ("a\n\x1b[31m.cif", "a[31m.cif"),
        ("..", "file"),
        ("", "file"),
        ("Größe 1.cif", "Größe 1.cif"),
    ],
)
def test_names_of_uploads_are_plain(given: str, plain: str) -> None:
    assert plain_name(given) == plain

"""Descriptions over HTTP: one crystal really described, which takes seconds, and what cannot be."""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING, Any

import pytest
from service.conftest import SALT

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

pytest.importorskip("robocrys")
SECONDS = 300


def described(client: TestClient, path: str, body: dict[str, Any]) -> Any:
    """Return the answer, or the result of the job that it is."""
    answer = client.post(path, json=body)
    until = time.monotonic() + SECONDS
    while answer.status_code == 202 and time.monotonic() < until:
        time.sleep(0.5)
        answer = client.get(answer.json()["result"])
    return answer


@pytest.mark.slow
def test_a_crystal_is_described_and_what_is_none_is_a_failed_row(client: TestClient) -> None:
    found = described(client, "/v1/describe", {"structures": [SALT, "nonsense"]}).json()
    salt, nonsense = found["rows"]
    assert found["version"].startswith("robocrys")
    assert salt["formula"] == "CsCl"
    assert salt["status"] == "described"
    assert "CsCl" in salt["text"]
    assert "Pm" in salt["overall"]
    assert nonsense["status"] == "failed"
    assert nonsense["text"] is None
    table = described(client, "/v1/describe?format=csv", {"structures": [SALT]}).text
    assert next(csv.DictReader(io.StringIO(table)))["text"] == salt["text"]

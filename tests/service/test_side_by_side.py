"""What takes long is done by processes: meanwhile small requests are answered, and it can be ended."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from service.conftest import IRON, SALT
from service.test_jobs import LATER, ended
from service_tasks import WORK

from cryskit.service.app import build
from cryskit.service.core import Service
from cryskit.service.limits import Limits
from cryskit.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON = {"content-type": "application/json"}
ATOMS = 60
CELL = {
    "lattice": [[3.0 * ATOMS, 0, 0], [0, 9, 0], [0, 0, 9]],
    "frac_coords": [[i / ATOMS, 1 / 3, 2 / 3] for i in range(ATOMS)],
    "atomic_numbers": [6] * ATOMS,
}


@pytest.fixture(scope="module")
def large() -> Iterator[TestClient]:
    settings = Settings(processes=1, limits=Limits(memory=1_000_000_000), accelerator="cpu", drain=5.0)
    app = build(settings, Service(settings, WORK))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as found:
        yield found


@contextmanager
def at_gate(folder: Path) -> Iterator[int]:
    """Wait until a process is at the gate, and give its number; the gate opens in the end."""
    try:
        while not (arrived := [int(each.name) for each in folder.iterdir()]):
            time.sleep(0.01)
        yield arrived[0]
    finally:
        (folder / "open").touch()


def body(folder: Path, megabytes: float) -> bytes:
    """Return a body of that size whose parsing waits at a gate."""
    piece = json.dumps(CELL).encode()
    pieces = b",".join([piece] * max(1, int(megabytes * 1e6 / len(piece))))
    return b'{"model": "%s", "model": "", "structures": [%s]}' % (str(folder).encode(), pieces)


def is_alive(client: TestClient) -> bool:
    answers = [client.get("/healthz"), client.post("/v1/predict", json={"structures": [SALT]})]
    return all(each.status_code == 200 for each in answers)


def test_a_large_body_keeps_nobody_waiting(large: TestClient, tmp_path: Path) -> None:
    sent = body(tmp_path, 30)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(large.post, "/v1/predict", content=sent, headers=JSON | LATER)
        with at_gate(tmp_path):
            assert is_alive(large)
            assert not asked.done()
        answer = asked.result()
        assert answer.status_code == 202
        job = answer.json()
        assert is_alive(large)
        assert large.get(f"/v1/jobs/{job['id']}").json()["state"] == "running"
        large.delete(f"/v1/jobs/{job['id']}")
        assert ended(large, job)["state"] == "cancelled"


def test_a_body_that_is_never_parsed_costs_its_own_request(client: TestClient, tmp_path: Path) -> None:
    found = client.post("/v1/predict", content=body(tmp_path, 0.2), headers=JSON)
    assert found.status_code == 422
    assert "too much time" in found.json()["detail"]
    (tmp_path / "open").touch()
    assert client.post("/v1/predict", content=body(tmp_path, 0.1), headers=JSON).status_code == 200


def test_a_body_says_the_same_whatever_its_size(client: TestClient) -> None:
    padding = b" " * 100_000
    for wrong, status in ((b"{", 400), (b"[]", 422), (b'{"structures": 5}', 422), (b'{"further": 1}', 422)):
        small, large = (client.post("/v1/predict", content=each, headers=JSON) for each in (wrong, padding + wrong))
        assert small.status_code == large.status_code == status
        assert small.json()["cure"] == large.json()["cure"]
    right = json.dumps({"structures": [SALT, IRON, "nonsense"]}).encode()
    small, large = (client.post("/v1/predict", content=each, headers=JSON) for each in (right, padding + right))
    assert [row["status"] for row in large.json()["rows"]] == ["ok", "ok", "failed"]
    assert small.headers["etag"] == large.headers["etag"]


def test_options_have_a_size(large: TestClient) -> None:
    found = large.post("/v1/predict", json={"structures": [SALT], "further": [1] * 1_000_000})
    assert found.status_code == 413
    assert "options" in found.json()["detail"]


def explanation(client: TestClient, folder: Path) -> dict[str, Any]:
    """Begin to explain a crystal that waits at a gate, and one behind it."""
    asked = {"structures": [SALT | {"id": str(folder)}, SALT]}
    job: dict[str, Any] = client.post("/v1/explain", json=asked, headers=LATER).json()
    return job


def test_an_explanation_keeps_nobody_waiting(client: TestClient, tmp_path: Path) -> None:
    job = explanation(client, tmp_path)
    with at_gate(tmp_path):
        assert is_alive(client)
        assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == "running"
    assert ended(client, job)["state"] == "done"
    assert [row["status"] for row in client.get(job["result"]).json()["rows"]] == ["ok", "ok"]


def test_an_explanation_is_cancelled_while_it_is_computed(client: TestClient, tmp_path: Path) -> None:
    job = explanation(client, tmp_path)
    with at_gate(tmp_path):
        client.delete(f"/v1/jobs/{job['id']}")
        assert ended(client, job)["state"] == "cancelled"
    assert client.post("/v1/explain", json={"structures": [SALT]}).json()["rows"][0]["status"] == "ok"


def test_a_process_that_explains_and_is_killed_costs_nothing(client: TestClient, tmp_path: Path) -> None:
    job = explanation(client, tmp_path)
    with at_gate(tmp_path) as process:
        os.kill(process, signal.SIGKILL)
    assert ended(client, job)["state"] == "done"
    assert [row["status"] for row in client.get(job["result"]).json()["rows"]] == ["ok", "ok"]

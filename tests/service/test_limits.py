"""Each limit holds, and says what was given, what is expected and when to ask again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from service.conftest import IRON, LIMITS, SALT, bare

from cryskit.service.limits import BodyLimit, Limits
from cryskit.service.models import Models
from cryskit.service.problems import ServiceError
from cryskit.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient


@pytest.mark.parametrize(
    "sent",
    [
        {"content": b"x" * (LIMITS.body + 1), "headers": {"content-type": "application/json"}},
        {"files": [("files", ("a.cif", b"x" * (LIMITS.body + 1)))]},
        {"files": [("files", (f"{i}.cif", b"x")) for i in range(LIMITS.files + 1)]},
        {"json": {"structures": [SALT] * (LIMITS.rows + 1)}},
        {"files": [("files", ("many.jsonl", b'{"a":1}\n' * (LIMITS.rows + 1)))]},
        {"json": {"structures": {str(i): SALT for i in range(LIMITS.rows + 1)}}},
    ],
    ids=["body", "upload", "files", "structures", "rows of a file", "rows of a dictionary"],
)
def test_too_much_is_refused(client: TestClient, sent: dict[str, Any]) -> None:
    found = client.post("/v1/predict", **sent)
    assert found.status_code == 413
    assert found.json()["expected"].startswith("at most")


def test_a_body_without_a_length_is_counted_while_it_comes(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    found = client.post("/v1/predict", content=chunks(), headers={"content-type": "application/json"})
    assert found.status_code == 413


def test_too_many_to_explain_are_refused(client: TestClient) -> None:
    found = client.post("/v1/explain", json={"structures": [SALT] * (LIMITS.explained + 1)})
    assert found.status_code == 413
    assert f"at most {LIMITS.explained}" in found.json()["expected"]


def test_too_many_candidates_are_refused(client: TestClient) -> None:
    found = client.post("/v1/search", json={"structures": [SALT], "candidates": [SALT] * (LIMITS.rows + 1)})
    assert found.status_code == 413


def test_a_cell_that_is_too_large_is_a_failed_row(client: TestClient) -> None:
    atoms = LIMITS.atoms + 1
    places = [[i / atoms, 0.5, 0.5] for i in range(atoms)]
    large = {"lattice": [[3 * atoms, 0, 0], [0, 9, 0], [0, 0, 9]], "frac_coords": places, "atomic_numbers": [6] * atoms}
    rows = client.post("/v1/predict", json={"structures": [large, SALT]}).json()["rows"]
    assert [row["status"] for row in rows] == ["failed", "ok"]
    assert str(LIMITS.atoms) in rows[0]["reason"]


def test_a_queue_that_is_full_says_when_to_ask_again() -> None:
    found = bare(Settings(limits=Limits(queue=0))).post("/v1/predict", json={"structures": [SALT]})
    assert found.status_code == 429
    assert int(found.headers["retry-after"]) > 0


def test_a_service_that_ends_takes_no_more_work() -> None:
    client = bare(Settings())
    client.app.state.service.jobs.draining = True  # type: ignore[attr-defined]
    found = client.post("/v1/predict", json={"structures": [SALT]})
    assert found.status_code == 503
    assert int(found.headers["retry-after"]) > 0
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def slow() -> Any:
        await anyio.sleep(5)

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        await scope["cryskit.body"]()

    async def ask() -> None:
        limited = BodyLimit(app, Limits(upload=0.05))
        await limited({"type": "http", "headers": []}, slow, slow)

    begun = time.monotonic()
    with pytest.raises(ServiceError) as caught:
        anyio.run(ask)
    assert caught.value.status == 408
    assert time.monotonic() - begun < 3


def test_bodies_that_come_together_are_counted_together() -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 60, "more_body": True}

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        await scope["cryskit.body"]()
        await anyio.sleep(0.05)

    async def ask() -> None:
        limited = BodyLimit(app, Limits(flight=100))
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(limited, {"type": "http", "headers": []}, receive, receive)

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(ask)
    assert [error.status for error in caught.value.exceptions] == [503]  # type: ignore[attr-defined]


def test_models_make_room_for_one_another() -> None:
    models = Models(Settings(model_bytes=9_000_000, accelerator="cpu"))
    first = models.get("cryskit-mp")
    assert models.get("cryskit-mp") is first
    assert models.bytes == first.bytes
    second = models.get("cryskit-mp@2026.11")
    assert models.bytes == second.bytes
    assert models.get("cryskit-mp") is not first


def test_work_that_takes_too_long_ends() -> None:
    from cryskit.service.jobs import Job

    job = Job("predict", time.monotonic() - 1)
    with pytest.raises(ServiceError, match="too long"):
        job.advance(1)


def test_iron_and_salt_are_within_all_limits(client: TestClient) -> None:
    assert client.post("/v1/predict", json={"structures": [IRON, SALT]}).status_code == 200

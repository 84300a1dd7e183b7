"""Who may ask, and what answers and the log say."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from service.conftest import SALT, bare
from typer.testing import CliRunner

from cryskit.cli import app
from cryskit.errors import PlanError
from cryskit.service.logs import JsonLines
from cryskit.service.run import require_guarded
from cryskit.service.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi.testclient import TestClient

TOKEN = "correct horse battery"  # noqa: S105


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer ", 401),
        (b"Bearer \xff\xfe", 401),
    ],
)
def test_a_token_has_to_be_the_right_one(header: str | bytes | None, status: int) -> None:
    client = bare(Settings(token=TOKEN))
    headers = {} if header is None else {"authorization": header}
    found = client.get("/v1/models", headers=headers)  # type: ignore[arg-type]
    assert found.status_code == status
    if status == 401:
        assert found.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in found.text
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 401


def test_a_proxy_has_to_say_who_asks() -> None:
    client = bare(Settings(proxy_header="X-User"))
    assert client.get("/v1/models").status_code == 401
    assert client.get("/v1/models", headers={"x-user": "ada"}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org", "::"])  # noqa: S104
def test_other_hosts_need_a_guard(host: str) -> None:
    with pytest.raises(PlanError, match="--token"):
        require_guarded(Settings(host=host))
    require_guarded(Settings(host=host, token=TOKEN))
    require_guarded(Settings(host=host, proxy_header="X-User"))
    require_guarded(Settings())


def test_the_command_refuses_to_be_open(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"])  # noqa: S104
    assert run.exit_code == 2
    assert "--token" in run.output
    short = tmp_path / "token"
    short.write_text("short\n")
    run = CliRunner().invoke(app, ["serve", "--token", str(short)])
    assert run.exit_code == 2
    assert "16 characters" in run.output


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8000", 200), ("localhost", 200), ("[::1]:8000", 200), ("evil.example", 421), ("", 421)],
)
def test_a_name_that_leads_here_is_not_enough(host: str, status: int) -> None:
    assert bare(Settings()).get("/healthz", headers={"host": host}).status_code == status


def test_pages_of_other_sites_cannot_ask() -> None:
    client = bare(Settings())
    crossing = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    found = client.post("/v1/predict", json={"structures": [SALT]}, headers=crossing)
    assert found.status_code == 403
    assert client.get("/v1/models", headers=crossing | {"sec-fetch-mode": "navigate"}).status_code == 200
    for each in (found, client.get("/v1/models", headers={"origin": "https://evil.example"})):
        assert not [name for name in each.headers if name.startswith("access-control")]


@pytest.mark.parametrize("address", ["/healthz", "/v1/models", "/nothing", "/metrics", "/openapi.json"])
def test_answers_allow_a_browser_nothing(address: str) -> None:
    headers = bare(Settings()).get(address).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_the_page_of_the_framework_is_not_there() -> None:
    client = bare(Settings())
    assert [client.get(address).status_code for address in ("/docs", "/redoc")] == [404, 404]


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2", True), ("a b", False), ("x" * 65, False), ("a\nb", False)])
def test_plain_request_ids_are_kept(client: TestClient, given: str, kept: bool) -> None:  # noqa: FBT001
    found = client.get("/healthz", headers={"x-request-id": given.encode()})  # type: ignore[dict-item]
    assert (found.headers["x-request-id"] == given) is kept


def test_an_unforeseen_error_shows_nothing(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    @client.app.get("/broken")  # type: ignore[attr-defined, untyped-decorator]
    def broken() -> None:
        raise ZeroDivisionError("a secret of the inside")

    found = client.get("/broken")
    assert found.status_code == 500
    assert "secret" not in found.text
    assert found.json()["request_id"] == found.headers["x-request-id"]
    assert found.headers["content-security-policy"]
    (error,) = [each for each in caplog.records if each.name == "cryskit.service" and each.levelname == "ERROR"]
    assert error.facts["request_id"] == found.headers["x-request-id"]  # type: ignore[attr-defined]
    assert error.exc_info


def test_the_log_has_a_line_of_json_and_no_structure(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cryskit.service")
    sent = [("files", ("secret-name.cif", b"data_secret_crystal"))]
    found = client.post("/v1/predict?format=json&secret=1", files=sent, headers={"x-request-id": "r1"})
    assert found.status_code == 200
    lines = [JsonLines().format(each) for each in caplog.records if each.name == "cryskit.service"]
    assert len(lines) == 1
    line = json.loads(lines[0])
    assert (line["request_id"], line["route"], line["method"], line["status"]) == ("r1", "/v1/predict", "POST", 200)
    assert line["ms"] > 0
    assert "secret" not in lines[0]

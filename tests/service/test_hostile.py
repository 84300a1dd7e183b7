"""Whatever is sent, the service answers with a problem that shows nothing of its inside, and answers the next request."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from service.conftest import EXAMPLES, SALT

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

LEAKS = ("Traceback", "site-packages", "/src/cryskit", 'File "', "0x7f", "root:")
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.cif"\r\n\r\n'
DEEP = b"[" * 100_000
BODIES: dict[str, tuple[dict[str, str], bytes]] = {
    "no content": ({}, b""),
    "no JSON": (JSON, b"{"),
    "empty JSON": (JSON, b""),
    "a list": (JSON, b"[]"),
    "null": (JSON, b"null"),
    "deep list": (JSON, DEEP),
    "deep object": (JSON, b'{"a":' * 50_000),
    "deep structures": (JSON, b'{"structures":[' + b"[" * 900 + b"]" * 900 + b"]}"),
    "UTF-16": (JSON, '{"structures": []}'.encode("utf-16")),
    "no UTF-8": (JSON, b'{"structures": ["\xff\xfe"]}'),
    "lone surrogate": (JSON, b'{"structures": [{"id": "\\ud800", "lattice": 1}], "model": "\\ud800"}'),
    "NaN": (JSON, b'{"structures": [], "interval": NaN}'),
    "huge number": (JSON, b'{"structures": [' + b"9" * 10_000 + b"]}"),
    "repeated keys": (JSON, b'{"structures": [], "structures": {}, "model": 1}'),
    "null bytes": (JSON, json.dumps({"structures": ["\0" * 100], "model": "\0"}).encode()),
    "no boundary": ({"content-type": "multipart/form-data"}, PART),
    "no end": (FORM, PART + b"data_x"),
    "no parts": (FORM, b"--b--\r\n"),
    "wrong boundary": (FORM, b"--c\r\n\r\n--c--\r\n"),
    "no name": (FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
    "headers": (FORM, b"--b\r\n" + b"X: y\r\n" * 5000 + b"\r\nx\r\n--b--\r\n"),
    "odd charset": ({"content-type": "multipart/form-data; boundary=b; charset=nonsense"}, PART + b"x\r\n--b--\r\n"),
    "XML": ({"content-type": "application/xml"}, b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"),
    "strange type": ({"content-type": "\\..\\;;;=\"'"}, b"x"),
}
NAMES = (
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\windows\\system.ini",
    "C:\\x.cif",
    "a\0b.cif",
    "x" * 5000 + ".cif",
    "<script>alert(1)</script>.cif",
    "=cmd|' /C calc'!A0.cif",
    "",
    ".",
    "..",
    "\u202excod.fic",
    "https://example.org/x.cif",
    "optimade:mp.cif",
)


def require_sound(found: Any, client: TestClient) -> None:
    assert found.status_code < 500, found.text
    assert not [leak for leak in LEAKS if leak in found.text], found.text
    if found.status_code >= 400:
        assert found.headers["content-type"] == "application/problem+json"
        assert {"detail", "cure", "request_id"} <= found.json().keys()
    assert client.get("/healthz").status_code == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a half of a form is not closed
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_cannot_be_read_is_a_problem(client: TestClient, name: str) -> None:
    headers, body = BODIES[name]
    found = client.post("/v1/predict", content=body, headers=headers)
    require_sound(found, client)
    assert found.status_code >= 400 or all(row["status"] == "failed" for row in found.json()["rows"])


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_the_name_of_a_file_tells_its_format_alone(client: TestClient, name: str) -> None:
    content = (EXAMPLES / "NaCl.cif").read_bytes()
    found = client.post("/v1/predict", files=[("files", (name, content)), ("files", ("good.cif", content))])
    require_sound(found, client)
    if found.status_code == 200:
        *_, last = found.json()["rows"]
        assert last["status"] == "ok"
        assert not any(mark in row["path"] for row in found.json()["rows"] for mark in ("/", "\\", "\0"))


@pytest.mark.parametrize(
    "structure",
    [
        "/etc/passwd",
        "examples/NaCl.cif",
        "elastic_tensor",
        "bundled:elastic_tensor",
        "https://example.org/x.cif",
        {"file": "/etc/passwd"},
        {"structure": "/etc/passwd"},
        {"path": str(EXAMPLES / "NaCl.cif")},
        {"cif": str(EXAMPLES / "NaCl.cif")},
        {"@module": "os", "@class": "system", "lattice": {"matrix": SALT["lattice"]}, "sites": "id"},
        SALT | {"lattice": [[float(10**300)] * 3] * 3},
        SALT | {"atomic_numbers": [10**30, -1]},
        SALT | {"frac_coords": "x" * 1000},
        SALT | {"frac_coords": {"a": [[]]}},
    ],
    ids=str,
)
def test_nothing_that_a_structure_names_is_opened(client: TestClient, structure: Any) -> None:
    found = client.post("/v1/predict", json={"structures": [structure, SALT]})
    require_sound(found, client)
    rows = found.json()["rows"]
    assert [row["status"] for row in rows] == ["failed", "ok"]


@pytest.mark.parametrize("name", ["table.csv", "table.jsonl", "table.json"])
def test_no_file_that_a_table_names_is_opened(client: TestClient, name: str) -> None:
    place = str(EXAMPLES / "NaCl.cif")
    tables = {
        "table.csv": f"id,file\na,{place}\nb,/etc/passwd\n",
        "table.jsonl": json.dumps({"id": "a", "file": place}),
        "table.json": json.dumps({"columns": ["id", "file"], "data": [["a", place]]}),
    }
    found = client.post("/v1/predict", files=[("files", (name, tables[name].encode()))])
    require_sound(found, client)
    assert all(row["status"] == "failed" for row in found.json()["rows"])


@pytest.mark.parametrize(
    "model", ["../models/x.safetensors", "/etc/passwd", "file:///x", "hf:a/b", "cryskit-mp@", "@", "x" * 201, 5]
)
def test_a_model_is_named_and_never_a_path(client: TestClient, model: Any) -> None:
    found = client.post("/v1/predict", json={"structures": [SALT], "model": model})
    require_sound(found, client)
    assert found.status_code == 422
    require_sound(client.get(f"/v1/models/{model}"), client)


def test_a_model_file_that_is_there_cannot_be_named(client: TestClient) -> None:
    path = str(client.app.state.service.models._files["cryskit-mp@2026.11"])  # type: ignore[attr-defined]
    assert client.post("/v1/predict", json={"structures": [SALT], "model": path}).status_code == 422


def test_a_file_that_unpacks_without_end_is_a_failed_row(client: TestClient) -> None:
    bomb = gzip.compress(b"x" * 150_000_000)
    found = client.post("/v1/predict", files=[("files", ("bomb.xyz.gz", bomb))])
    require_sound(found, client)
    assert [row["status"] for row in found.json()["rows"]] == ["failed"]


def test_damaged_files_of_all_kinds_are_failed_rows(client: TestClient) -> None:
    draw = random.Random(0)
    endings = ("cif", "vasp", "xyz", "json", "jsonl", "csv", "parquet", "res", "cell", "xsf", "gen", "in", "traj", "db")
    content = (EXAMPLES / "NaCl.cif").read_bytes()
    for start in range(0, len(endings), 7):
        files = []
        for ending in endings[start : start + 7]:
            damaged = bytearray(content)
            for _ in range(40):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            files.append(("files", (f"x.{ending}", bytes(damaged))))
        require_sound(client.post("/v1/predict", files=files), client)


def test_a_search_among_what_cannot_be_read_is_a_list_of_failures(client: TestClient) -> None:
    found = client.post("/v1/search", json={"structures": [SALT], "candidates": ["nonsense", 5]})
    require_sound(found, client)
    assert [row["status"] for row in found.json()["rows"]] == ["failed", "failed"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "DELETE"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    assert client.request(method, "/v1/predict").status_code == 405


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/prototypes", "/v1/export"])
def test_a_client_that_hangs_up_is_an_error_of_the_client(client: TestClient, path: str) -> None:
    events = iter([{"type": "http.request", "body": b'{"struct', "more_body": True}, {"type": "http.disconnect"}])
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(events)

    async def send(message: dict[str, Any]) -> None:
        answered.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    asyncio.run(
        client.app({**scope, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http"}, receive, send)
    )
    assert answered[0]["status"] == 400

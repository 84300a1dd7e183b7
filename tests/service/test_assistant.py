"""The tools of assistants: schemas, the numbers of the command line, limits, errors, and both ways to them with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import preloaded
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from service.conftest import EXAMPLES, IRON, LIMITS, SALT, stretched
from service.test_drain import free_port

import cryskit
from cryskit.service.assistant.server import build
from cryskit.service.assistant.tools import TOOLS
from cryskit.service.limits import Limits
from cryskit.text.describe import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastapi.testclient import TestClient

    Call = Callable[[str, dict[str, Any]], Any]

FILES = sorted(EXAMPLES.glob("*.cif"))
TEXTS = [path.read_text(encoding="utf-8") for path in FILES]
NAMES = ["predict", "explain", "describe", "search", "nearest", "screen", "model_card"]


@pytest.fixture
def call(client: TestClient) -> Call:
    """Return what calls a tool of the shared service by the library's client, in memory, which checks results against the schemas."""

    async def run(name: str, arguments: dict[str, Any]) -> Any:
        async with Client(build(client.app.state.service)) as assistant:  # type: ignore[attr-defined]
            return await assistant.call_tool(name, arguments)

    return lambda name, arguments: asyncio.run(run(name, arguments))


def command_line(*arguments: object) -> str:
    command = [preloaded.command(), *map(str, arguments), "--accelerator", "cpu"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def same(ours: Any, theirs: Any) -> None:
    """Hold values to others, numbers within 1e-4 or 0.001 %."""
    if isinstance(ours, dict):
        assert ours.keys() <= theirs.keys()
        for name in ours:
            same(ours[name], theirs[name])
    elif isinstance(ours, list):
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    else:
        assert ours == (pytest.approx(theirs, rel=1e-5, abs=1e-4) if isinstance(ours, float) else theirs)


def test_tools_have_schemas_units_and_limits(client: TestClient) -> None:
    async def listed() -> Any:
        async with Client(build(client.app.state.service)) as assistant:  # type: ignore[attr-defined]
            return (await assistant.list_tools()).tools, assistant.instructions

    tools, instructions = asyncio.run(listed())
    assert [tool.name for tool in tools] == NAMES
    assert "no measurement" in instructions
    for tool in tools:
        for schema in (tool.input_schema, tool.output_schema):
            Draft202012Validator.check_schema(schema)
        assert tool.input_schema["additionalProperties"] is False
        assert all("description" in each for each in tool.input_schema["properties"].values())
        assert tool.annotations.read_only_hint
        assert not tool.annotations.open_world_hint
        assert (
            tool.name == "model_card"
            or "60 crystals of 80 atoms" in tool.description
            or "30 crystals" in tool.description
        )
    assert "unit" in tools[0].description
    assert "path" not in json.dumps([list(tool.input_schema["properties"]) for tool in tools])


def test_predictions_are_those_of_the_command_line(call: Call) -> None:
    there = json.loads(command_line("predict", *FILES[:4], "--json"))
    found = call("predict", {"structures": TEXTS[:4]})
    here = found.structured_content
    assert json.loads(found.content[0].text) == here
    assert here["model"] == there["model"]
    assert here["units"] == there["units"]
    assert here["interval"] == there["interval"]
    for ours, theirs in zip(here["rows"], there["rows"], strict=True):
        same({name: ours[name] for name in ours.keys() - {"id"}}, theirs)


def test_explanations_are_those_of_the_command_line(call: Call, tmp_path: Path) -> None:
    command_line("explain", FILES[3], "--property", "band_gap", "--out", tmp_path / "found.json")
    there = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    here = call("explain", {"structures": TEXTS[3:4], "property": "band_gap"}).structured_content
    assert here["unit"] == there["unit"] == "eV"
    assert here["reading"] == there["reading"]
    ours, theirs = here["rows"][0], there["rows"][0]
    same({name: ours[name] for name in ours.keys() - {"id"}}, theirs)
    assert len(ours["features"]) == 10
    least = min(abs(value) for value in ours["features"].values())
    assert all(abs(value) <= least for name, value in theirs["features"].items() if name not in ours["features"])


def test_a_short_list_is_that_of_the_command_line(call: Call, tmp_path: Path) -> None:
    asked = ["--where", 'band_gap > 1 and nelements == 2 and contains("O")', "--rank", "max bulk_modulus", "--top", "3"]
    command_line("screen", *FILES, "--out", tmp_path / "s", "--workers", 1, *asked)
    there = pq.read_table(tmp_path / "s" / "top.parquet").to_pylist()
    options = {"where": asked[1], "rank": [asked[3]], "top": 3}
    found = call("screen", {"structures": [*TEXTS, "nonsense"], **options}).structured_content
    assert len(there) == 3
    for ours, theirs in zip(found["rows"], there, strict=True):
        same({name: ours[name] for name in ours.keys() - {"id", "path"}}, theirs)
    assert found["counts"]["given"] == len(FILES) + 1
    assert found["counts"]["predicted"] == len(FILES)
    assert found["counts"]["listed"] == 3
    assert [each["id"] for each in found["failed"]] == [str(len(FILES))]


def test_a_short_list_may_be_empty_or_whole_or_a_front(call: Call) -> None:
    given = [stretched(1 + i / 20) for i in range(4)]
    nothing = call(
        "screen", {"structures": given, "where": "band_gap > 99", "rank": ["max band_gap"]}
    ).structured_content
    assert nothing["rows"] == []
    assert nothing["counts"]["where"] == 0
    whole = call("screen", {"structures": given}).structured_content
    assert [row["id"] for row in whole["rows"]] == [each["id"] for each in given]
    front = call("screen", {"structures": given, "rank": ["max band_gap", "min band_gap"]}).structured_content
    assert {row["front"] for row in front["rows"]} == {1}
    failed = call("screen", {"structures": ["nonsense"], "where": "band_gap > 1"}).structured_content
    assert failed["rows"] == []


def test_the_nearest_crystals_are_those_of_python(call: Call) -> None:
    sent = {"structure": SALT, "candidates": TEXTS, "top": len(TEXTS)}
    found = call("nearest", sent).structured_content
    model = cryskit.load("cryskit-mp")
    vectors = np.stack(model.embed([str(path) for path in FILES])["vector"].to_list())
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chloride = next(i for i, path in enumerate(FILES) if path.stem == "CsCl")
    order = np.argsort(-(unit @ unit[chloride]), kind="stable")
    assert [row["id"] for row in found["rows"]][:5] == [f"candidate {i}" for i in order[:5]]
    assert found["crystals"] == len(FILES)


@pytest.mark.slow
def test_the_nearest_in_a_bundled_set_have_values_with_units(call: Call) -> None:
    found = call("nearest", {"structure": SALT, "data": "elastic_tensor", "top": 3}).structured_content
    assert found["units"]["bulk_modulus"] == "GPa"
    assert found["rows"][0]["bulk_modulus"] > 0
    assert found["rows"][0]["similarity"] >= found["rows"][1]["similarity"]


@pytest.mark.slow
def test_descriptions_are_those_of_the_command_line(call: Call) -> None:
    found = call("describe", {"structures": [TEXTS[3], "nonsense"]}).structured_content
    there = describe(next(iter(cryskit.read(FILES[3]))))
    assert found["rows"][0]["text"] == there.text
    assert found["rows"][1]["status"] == "failed"


def test_a_model_card_says_names_units_errors_and_limits(call: Call, client: TestClient) -> None:
    found = call("model_card", {}).structured_content
    assert found["model"].startswith("cryskit-mp@")
    assert found["card"] == client.get("/v1/models/cryskit-mp").json()["card"]
    units = {each["name"]: each["unit"] for each in found["properties"]}
    assert units["bulk_modulus"] == "GPa"
    assert "cryskit-mp@2026.11.3" in found["models"]
    assert "elastic_tensor" in found["data"]
    assert found["limits"]["rows"] == LIMITS.rows
    assert call("model_card", {"model": "crysxpp"}).structured_content["model"].startswith("crysxpp@")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("predict", {}, "no crystals"),
        ("predict", {"structures": [SALT] * 61}, "at most 60"),
        ("explain", {"structures": [SALT] * 31}, "at most 30"),
        ("predict", {"structures": [SALT], "interval": 2}, "interval"),
        ("predict", {"structures": [SALT], "path": "/etc/passwd"}, "path: Extra inputs are not permitted"),
        ("predict", {"structures": [SALT], "model": "/etc/passwd"}, "Known: "),
        ("predict", {"structures": [SALT], "properties": ["band_gapp"]}, "Did you mean band_gap?"),
        ("predict", {"structures": "x" * 400_000}, "at most 300,000 bytes"),
        ("screen", {"structures": [SALT], "where": "bandgap > 1"}, "Did you mean band_gap"),
        ("screen", {"structures": [SALT], "where": "__import__('os').system('true')"}, "There is no function"),
        ("screen", {"structures": [SALT], "rank": ["most band_gap"]}, 'Say "max bulk_modulus"'),
        ("nearest", {"structure": SALT}, "elastic_tensor"),
        ("nearest", {"structure": "nonsense", "candidates": [SALT]}, "cannot be used"),
        ("nearest", {"structure": SALT, "data": "elastic"}, "Did you mean elastic_tensor?"),
        ("search", {"words": "a perovskite", "candidates": [SALT], "model": "crysae"}, "cryskit pretrain contrast"),
        ("search", {"words": "", "candidates": [SALT]}, "words"),
        ("model_card", {"model": "nothing"}, "Known: "),
        ("predikt", {}, "Did you mean predict?"),
    ],
)
def test_an_error_says_what_to_do(call: Call, name: str, arguments: dict[str, Any], said: str) -> None:
    found = call(name, arguments)
    assert found.is_error
    assert said in found.content[0].text
    assert found.structured_content["problem"]["cure"]


def test_no_file_and_no_address_is_read(call: Call, tmp_path: Path) -> None:
    secret = tmp_path / "secret.cif"
    secret.write_text(TEXTS[0], encoding="utf-8")
    given = [
        str(secret),
        f"file://{secret}",
        {"structure": str(secret)},
        {"path": str(secret)},
        "http://127.0.0.1/x.cif",
    ]
    found = call("predict", {"structures": [*given, IRON]})
    rows = found.structured_content["rows"]
    assert [row["status"] for row in rows[:-1]] == ["failed"] * len(given)
    assert rows[-1]["status"] == "ok"
    assert FILES[0].stem not in found.content[0].text


def test_what_ends_a_process_costs_its_own_row(call: Call) -> None:
    given = {"structures": [{"structure": IRON, "id": "a"}, {"structure": "data_x\n" * 5, "id": "b"}, 7, None, [[[]]]]}
    rows = call("predict", given).structured_content["rows"]
    assert [row["status"] for row in rows] == ["ok", *["failed"] * 4]


def test_progress_is_reported_and_a_call_can_be_given_up(client: TestClient) -> None:
    core = client.app.state.service  # type: ignore[attr-defined]
    seen = []

    async def report(done: float, total: float | None, _message: str | None) -> None:
        await asyncio.sleep(0)
        seen.append((done, total))

    async def run() -> None:
        async with Client(build(core)) as assistant:
            many = {"structures": [stretched(1 + i / 100) for i in range(24)]}
            await assistant.call_tool("explain", many, progress_callback=report)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.7):
                    await assistant.call_tool("explain", many)
            for _ in range(100):
                if not core.jobs.open:
                    break
                await asyncio.sleep(0.1)
            assert not core.jobs.open

    asyncio.run(run())
    assert seen
    assert max(done for done, _ in seen) <= 24
    assert {total for _, total in seen} <= {None, 24}


def test_the_limits_are_those_that_the_description_says() -> None:
    for tool in TOOLS:
        said = tool.described(Limits(rows=7, explained=5, atoms=3))
        assert "{" not in said
        assert tool.name == "model_card" or "crystals of 3 atoms" in said


@pytest.mark.slow
def test_standard_input_and_output_of_a_real_process(tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cryskit", "mcp", "--accelerator", "cpu", "--max-rows", "2"],
        env=dict(os.environ),
        cwd=tmp_path,
    )

    async def run() -> tuple[Any, Any, Any]:
        async with Client(stdio_client(server)) as assistant:
            tools = await assistant.list_tools()
            found = await assistant.call_tool("predict", {"structures": [SALT, "nonsense"], "properties": ["band_gap"]})
            return tools, found, await assistant.call_tool("predict", {"structures": [SALT] * 3})

    tools, found, refused = asyncio.run(run())
    assert [tool.name for tool in tools.tools] == NAMES
    assert [row["status"] for row in found.structured_content["rows"]] == ["ok", "failed"]
    assert refused.is_error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_http_under_serve_with_a_token(tmp_path: Path) -> None:
    token, port = "sesame-open-sesame", free_port()
    (tmp_path / "token").write_text(token, encoding="utf-8")
    options = ["--port", str(port), "--workers", "1", "--accelerator", "cpu", "--mcp", "--max-body", "0.2"]
    command = [sys.executable, "-m", "cryskit", "serve", "--token", str(tmp_path / "token"), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    address = f"http://127.0.0.1:{port}"
    allowed = {"Authorization": f"Bearer {token}"}

    async def run() -> Any:
        async with (
            create_mcp_http_client(allowed) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http)) as assistant,
        ):
            assert [tool.name for tool in (await assistant.list_tools()).tools] == NAMES
            return await assistant.call_tool("predict", {"structures": [SALT], "properties": ["band_gap"]})

    try:
        for _ in range(900):
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        found = asyncio.run(run())
        assert found.structured_content["rows"][0]["status"] == "ok"
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"Accept": "application/json, text/event-stream"}
        assert httpx.post(f"{address}/mcp", json=asked, headers=accept).status_code == 401
        assert httpx.get(f"{address}/mcp", headers=allowed).status_code == 405
        foreign = httpx.post(f"{address}/mcp", json=asked, headers=accept | allowed | {"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        large = httpx.post(f"{address}/mcp", json=asked | {"x": "y" * 300_000}, headers=accept | allowed)
        assert large.status_code == 413
        assert "/mcp" not in httpx.get(f"{address}/openapi.json", headers=allowed).json()["paths"]
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert {"tool": "predict", "failed": False} in [
        {name: line[name] for name in ("tool", "failed")} for line in lines if line["event"] == "tool"
    ]
    assert "/mcp" in {line["route"] for line in lines if line["event"] == "request"}
    assert token not in errors
    assert "Traceback" not in errors


def test_a_call_that_would_stop_all_answers_while_it_is_parsed_is_refused() -> None:
    from fastapi import FastAPI, Request
    from fastapi.testclient import TestClient as Asking

    from cryskit.service.assistant.transports import LARGEST, HttpTools
    from cryskit.service.problems import ServiceError, response

    async def problem(_request: Request, error: Exception) -> Any:
        assert isinstance(error, ServiceError)
        return response(error, "")

    tools = HttpTools(SimpleNamespace(limits=Limits()))  # type: ignore[arg-type] - no tool is called
    app = FastAPI(lifespan=lambda _: tools.running(), exception_handlers={ServiceError: problem})
    app.router.routes.append(tools.route)
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    fits, large = (json.dumps(asked | {"x": "y" * size}).encode() for size in (LARGEST - 200, LARGEST))
    with Asking(app) as asking:
        assert "jsonrpc" in asking.post("/mcp", content=fits, headers=headers).json(), "it was read"
        for content in (large, iter([large[:1000], large[1000:]])):  # of a stated length, and in chunks
            refused = asking.post("/mcp", content=content, headers=headers)
            assert refused.status_code == 413
            assert refused.json()["expected"] == "at most 1,000,000 bytes"
            assert "/v1/predict" in refused.text


def test_without_the_flag_there_is_no_address(client: TestClient) -> None:
    assert client.post("/mcp", json={}).status_code == 404


def test_without_the_library_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['mcp'] = None; from cryskit.cli import main; sys.argv = ['cryskit', 'mcp']; main()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "pip install 'cryskit[mcp]'" in run.stderr
    assert "Traceback" not in run.stderr

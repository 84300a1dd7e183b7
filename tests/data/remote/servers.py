"""Servers on loopback for the tests of fetching: a real one that speaks OPTIMADE, and one that answers as a test says."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryskit.data.remote.connection import Limits
from cryskit.data.remote.fetch import fetch
from cryskit.data.sources import open_source, remote
from cryskit.elements import symbol
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APP = Path(__file__).with_name("optimade_app.py")


def entry(crystal: Crystal) -> dict[str, Any]:
    """Return the entry of OPTIMADE that a crystal is."""
    symbols = [symbol(number) for number in crystal.numbers.tolist()]
    kinds = sorted(set(symbols))
    return {
        "id": crystal.id,
        "type": "structures",
        "attributes": {
            "lattice_vectors": crystal.lattice.tolist(),
            "cartesian_site_positions": (crystal.fractional @ crystal.lattice).tolist(),
            "species": [{"name": kind, "chemical_symbols": [kind], "concentration": [1.0]} for kind in kinds],
            "species_at_sites": symbols,
            "nsites": len(symbols),
            "elements": kinds,
            "nelements": len(kinds),
            "dimension_types": [1, 1, 1],
            "nperiodic_dimensions": 3,
            "structure_features": [],
            "last_modified": "2026-11-28T00:00:00Z",
        },
    }


def elastic(count: int) -> list[Crystal]:
    """Return the first crystals of the bundled elastic set."""
    found = [row for row in open_source("elastic_tensor") if isinstance(row, Crystal)]
    return found[:count]


@contextmanager
def real_server(folder: Path, crystals: list[Crystal]) -> Iterator[str]:
    """Give the base address of optimade's server with its reference data and some crystals of ours."""
    entries = [
        {"id": row["id"], **row["attributes"], "bulk_modulus": crystal.targets["bulk_modulus"]}
        for crystal, row in ((crystal, entry(crystal)) for crystal in crystals)
    ]
    path = folder / "entries.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen([sys.executable, APP, path], stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            port = next((line.removeprefix("port ").strip() for line in server.stdout if line.startswith("port ")), "")
            assert port, (folder / "server.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


class Scripted:
    """A server that answers each request as a function says, and remembers the requests.

    Attributes:
        base: Its base address.
        asked: Path and query of each request.
        headers: Headers of each request.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []


@contextmanager
def scripted(answer: Callable[[BaseHTTPRequestHandler, Scripted], None]) -> Iterator[Scripted]:
    """Give a server whose answers a function writes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append(self.path)
            server.headers.append(dict(self.headers))
            try:
                answer(self, server)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server = Scripted(f"http://127.0.0.1:{listening.server_address[1]}")
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def send(
    handler: BaseHTTPRequestHandler, content: bytes | dict[str, Any], status: int = 200, **headers: str | None
) -> None:
    """Send a whole answer; a header that is None is not sent."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    handler.send_response(status)
    given = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in given.items():
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def offset(handler: BaseHTTPRequestHandler) -> int:
    """Return the place of the first row that a request asks for."""
    return int(parse_qs(urlsplit(handler.path).query).get("page_offset", ["0"])[0])


def page(rows: list[Any], start: int, size: int, base: str, **changes: Any) -> dict[str, Any]:
    """Return the answer with the rows of a page, changed as a test wants it."""
    more = start + size < len(rows)
    return {
        "data": rows[start : start + size],
        "links": {"next": f"{base}/v1/structures?page_offset={start + size}" if more else None},
        "meta": {"api_version": "1.2.0", "more_data_available": more, "data_returned": len(rows)},
    } | changes


ROWS = [entry(crystal) for crystal in elastic(30)]
QUICK = Limits(attempts=4, backoff=0.01, longest_wait=2.0, connect=5.0, silence=2.0, answer=5.0)


def good(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
    send(handler, page(ROWS, offset(handler), 10, server.base))


def get(server: Scripted, out: Path, limits: Limits = QUICK) -> dict[str, Any]:
    return dict(fetch(remote(f"optimade:{server.base}"), out, limits=limits).card)


def failing(handler: BaseHTTPRequestHandler, _: Scripted) -> None:
    send(handler, b"<html>Internal Server Error</html>", 500)

"""A server that breaks off, throttles, fails, is slow, sends too much or leads elsewhere costs no row and no memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from data.remote.servers import ROWS, Scripted, failing, get, good, offset, page, scripted, send

from cryskit.data.read import read
from cryskit.data.remote import connection
from cryskit.data.remote.connection import Limits
from cryskit.data.remote.fetch import card_path
from cryskit.errors import DataError
from cryskit.types import Failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path


def half(handler: BaseHTTPRequestHandler, server: Scripted, *, announced: bool) -> None:
    """Send the first half of a page and hang up."""
    body = json.dumps(page(ROWS, offset(handler), 10, server.base)).encode()
    handler.send_response(200)
    if announced:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def busy(handler: BaseHTTPRequestHandler, _: Scripted) -> None:
    send(handler, b"slow down", 429, Retry_After="1")


def busy_until(handler: BaseHTTPRequestHandler, _: Scripted) -> None:
    send(handler, b"", 503, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=1.5), usegmt=True))


def silent(handler: BaseHTTPRequestHandler, _: Scripted) -> None:
    handler.close_connection = True


TROUBLES: dict[str, Callable[[BaseHTTPRequestHandler, Scripted], None]] = {
    "breaks off": lambda handler, server: half(handler, server, announced=True),
    "breaks off unnoticed": lambda handler, server: half(handler, server, announced=False),
    "429": busy,
    "503 with a date": busy_until,
    "500": failing,
    "hangs up": silent,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_trouble_that_passes_costs_nothing(
    trouble: Callable[[BaseHTTPRequestHandler, Scripted], None], whole: bytes, tmp_path: Path
) -> None:
    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        (trouble if len(server.asked) == 2 else good)(handler, server)

    start = time.monotonic()
    with scripted(answer) as server:
        get(server, tmp_path / "x.parquet")
        assert len(server.asked) == 4
        assert server.asked[1] == server.asked[2]
    assert (tmp_path / "x.parquet").read_bytes() == whole
    if trouble in {busy, busy_until}:
        assert time.monotonic() - start > 0.4, "it waits as long as the server asks"


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_trouble_that_stays_ends_the_fetch_which_goes_on_later(
    trouble: Callable[[BaseHTTPRequestHandler, Scripted], None], whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "x.parquet"
    well: list[bool] = []

    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        (good if well or offset(handler) < 20 else trouble)(handler, server)

    with scripted(answer) as server:
        with pytest.raises(DataError, match=r"did not give a page in 2 attempts.*same command again later"):
            get(server, out, Limits(attempts=2, backoff=0.01, silence=2.0))
        assert not out.exists()
        assert not card_path(out).exists()
        well.append(True)
        before = len(server.asked)
        get(server, out)
        assert len(server.asked) == before + 1, "pages that were fetched are not fetched again"
    assert out.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.card.json", "x.parquet"]


def test_a_wait_that_is_too_long_is_said_and_not_waited_for(tmp_path: Path) -> None:
    with scripted(lambda handler, _: send(handler, b"", 429, Retry_After="86400")) as server:
        start = time.monotonic()
        with pytest.raises(DataError, match=r"asks to wait for 86400 seconds \(status 429\)"):
            get(server, tmp_path / "x.parquet")
        assert time.monotonic() - start < 2
        assert len(server.asked) == 1
    assert not list(tmp_path.iterdir())


def drip(handler: BaseHTTPRequestHandler, _: Scripted) -> None:
    """Send a byte now and then, for longer than a whole page may take."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _place in range(600):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [drip, lambda *_: time.sleep(1.5)], ids=["drips", "says nothing"])
def test_a_slow_server_is_not_waited_for(
    answer: Callable[[BaseHTTPRequestHandler, Scripted], None], tmp_path: Path
) -> None:
    limits = Limits(attempts=2, backoff=0.01, silence=0.5, answer=1.0)
    start = time.monotonic()
    with scripted(answer) as server, pytest.raises(DataError, match="did not give a page in 2 attempts"):
        get(server, tmp_path / "x.parquet", limits)
    assert time.monotonic() - start < 30


LARGE = """
import resource, sys
from pathlib import Path
from cryskit.data.remote.fetch import fetch
from cryskit.data.remote.connection import Limits
from cryskit.data.sources import remote
import requests
made = remote("optimade:" + sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    fetch(made, Path(sys.argv[2]), limits=Limits(attempts=1, page_bytes=20_000_000))
except Exception as error:
    print(type(error).__name__, error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def a_gigabyte(handler: BaseHTTPRequestHandler, *, announced: bool, packed: bool = False) -> None:
    """Send a gigabyte of spaces, as they are or packed into a megabyte."""
    handler.send_response(200)
    if announced:
        handler.send_header("Content-Length", str(10**9))
    if packed:
        handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.close_connection = True
    if packed:
        handler.wfile.write(gzip.compress(b" " * 10**9, compresslevel=1))
        return
    piece = b" " * 1_000_000
    for _ in range(1000):
        handler.wfile.write(piece)


@pytest.mark.parametrize(
    ("announced", "packed"), [(True, False), (False, False), (False, True)], ids=["announced", "unannounced", "packed"]
)
def test_a_gigabyte_is_not_taken(tmp_path: Path, *, announced: bool, packed: bool) -> None:
    with scripted(lambda handler, _: a_gigabyte(handler, announced=announced, packed=packed)) as server:
        call = [sys.executable, "-c", LARGE, server.base, str(tmp_path / "x.parquet")]
        run = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120)
    said, grown = run.stdout.splitlines()
    assert said.startswith("DataError 127.0.0.1")
    assert "sends more than 20,000,000 bytes at once" in said
    assert int(grown) < 100_000, "kilobytes"
    assert not list(tmp_path.iterdir())


def test_redirects_stay_on_allowed_hosts(whole: bytes, tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        if handler.path.startswith("/moved"):
            handler.path = handler.path.removeprefix("/moved")
            good(handler, server)
        else:
            send(handler, b"", 302, Location=f"/moved{handler.path}")

    with scripted(answer) as server:
        get(server, tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").read_bytes() == whole
    for place in ("https://example.com/", "http://example.com/", "file:///etc/passwd", "http://10.0.0.1/"):
        with scripted(lambda handler, _, place=place: send(handler, b"", 307, Location=place)) as server:
            with pytest.raises(DataError, match=r"none of the hosts|not encrypted|no address of a file"):
                get(server, tmp_path / "y.parquet")
            assert len(server.asked) == 1
    with (
        scripted(lambda handler, _: send(handler, b"", 302, Location=handler.path)) as server,
        pytest.raises(DataError, match="from one address to the next, 5 times"),
    ):
        get(server, tmp_path / "y.parquet")


def test_nothing_of_the_user_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        send(handler, page(ROWS, offset(handler), 10, server.base), Set_Cookie="who=you")

    with scripted(answer) as server:
        get(server, tmp_path / "x.parquet")
    for headers in server.headers:
        assert set(headers) == {"Host", "User-Agent", "Accept-Encoding", "Accept", "Connection"}
        assert headers["User-Agent"].startswith("cryskit/")


def test_a_stream_gives_the_rows_that_came_and_then_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.time, "sleep", lambda _: None)
    with scripted(lambda handler, server: (failing if offset(handler) == 20 else good)(handler, server)) as server:
        rows = list(read([f"optimade:{server.base}"]))
    assert [row.id for row in rows[:20]] == [row["id"] for row in ROWS[:20]]
    assert len(rows) == 21
    assert isinstance(rows[20], Failure)
    assert "did not give a page in 5 attempts (status 500)" in str(rows[20].error)
    with scripted(lambda handler, server: (failing if offset(handler) == 20 else good)(handler, server)) as server:
        rows = iter(read(f"optimade:{server.base}"))
        assert len([next(rows) for _ in range(20)]) == 20
        with pytest.raises(DataError, match="status 500"):
            next(rows)

"""Pages that were fetched are kept, verified and never mixed with those of another fetch."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from data.remote.servers import QUICK, Scripted, failing, get, good, offset, scripted

from cryskit.data.remote.connection import Limits
from cryskit.data.remote.fetch import fetch
from cryskit.data.sources import remote
from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda content: content[:-7], lambda content: content[:90] + b"?" + content[91:]]
)
def test_a_page_that_was_damaged_on_disk_is_fetched_again(
    damage: Callable[[bytes], bytes], whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "x.parquet"
    well: list[bool] = []

    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        (good if well or offset(handler) < 20 else failing)(handler, server)

    with scripted(answer) as server:
        with pytest.raises(DataError, match="status 500"):
            get(server, out, Limits(attempts=1))
        kept = tmp_path / ".x.parquet.fetch" / "page-000001.json.gz"
        kept.write_bytes(damage(kept.read_bytes()))
        well.append(True)
        before = len(server.asked)
        get(server, out)
        assert len(server.asked) == before + 3
    assert out.read_bytes() == whole


def test_a_fetch_that_is_under_way_is_not_mixed_with_another(tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    with scripted(lambda handler, server: (failing if offset(handler) else good)(handler, server)) as server:
        with pytest.raises(DataError, match="status 500"):
            get(server, out, Limits(attempts=1))
        for other, limit in ((f"optimade:{server.base}?nelements=2", 500), (f"optimade:{server.base}", 20)):
            with pytest.raises(DataError, match=r"holds pages of .*remove the folder, or give another --out"):
                fetch(remote(other), out, limit=limit, limits=QUICK)


def test_a_file_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    out.write_bytes(b"mine")
    with scripted(good) as server:
        with pytest.raises(DataError, match="missing or damaged"):
            get(server, out)
        out.unlink()
        get(server, out)
        with out.open("ab") as file:
            file.write(b"!")
        with pytest.raises(DataError, match="is there already, and is not what"):
            get(server, out)
        assert len(server.asked) == 3
    assert out.read_bytes().endswith(b"!")


def test_two_processes_do_not_fetch_into_one_file(tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    said: list[str] = []

    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        if offset(handler) == 10:
            code = "import sys; from cryskit.cli import main; main()"
            call = [sys.executable, "-c", code, "data", "fetch", f"optimade:{server.base}", "--out", str(out)]
            said.append(subprocess.run(call, capture_output=True, text=True, check=False, timeout=100).stderr)
        good(handler, server)

    with scripted(answer) as server:
        get(server, out, Limits(silence=100))
    assert len(said) == 1
    assert "Another process fetches into" in said[0]
    assert out.exists()

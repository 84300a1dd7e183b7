"""`cryskit screen` from the command line: once through, status, merge, short list, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Call = Callable[..., Result]


def test_once_through(cryskit: Call, model: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.cif").write_text("nothing")
    common = ("--model", model, "--out", "out", "--workers", 1)
    done = cryskit(
        "screen",
        data,
        "broken.cif",
        *common,
        "--merge",
        "all.csv",
        "--where",
        "nsites < 4",
        "--rank",
        "bulk_modulus",
        "--top",
        5,
    )
    assert done.exit_code == 1, done.stderr
    assert "out: 1 of 1 parts, 61 rows (60 ok, 0 warned, 1 failed)" in done.stderr
    assert "61 rows written to all.csv" in done.stderr
    assert "61 rows, 60 read, 60 ok" in done.stderr
    assert (tmp_path / "out" / "top.csv").read_text().count("\n") == 6
    assert (tmp_path / "out" / "report.html").exists()
    status = cryskit("screen", "--out", "out", "--status")
    assert (status.exit_code, "1 of 1 parts" in status.stdout) == (0, True)
    wrong = cryskit("screen", "--out", "out", "--where", "bandgap > 1")
    assert wrong.exit_code == 2
    assert "character 1" in wrong.stderr
    assert cryskit("screen", "--out", "out", "--diverse", 3).exit_code == 2
    fewer = cryskit("screen", "--out", "out", "--top", 3)
    assert fewer.exit_code == 0, fewer.stderr
    assert (tmp_path / "out" / "top.csv").read_text().count("\n") == 4
    assert cryskit("screen", "--out", "out", "--top", 0).exit_code == 0
    assert (tmp_path / "out" / "top.csv").read_text().count("\n") > 41
    nothing = cryskit("screen", "--out", "out")
    assert (nothing.exit_code, "Nothing is asked of out" in nothing.stderr) == (2, True)
    assert "--status" in nothing.stderr
    alone = cryskit("screen", "--out", "out", "--keep-known")
    assert (alone.exit_code, "Give --known FILE, too" in alone.stderr) == (2, True)
    other = cryskit("screen", data, *common)
    assert other.exit_code == 2
    assert "Something else was screened into out" in other.stderr


def test_what_cannot_be_done_is_refused_at_once(cryskit: Call, model: Path, data: Path, tmp_path: Path) -> None:
    for arguments in (
        ("nowhere.cif", "--out", "out"),
        (data, "--out", "out", "--share", "3/2", "--model", model),
        (data, "--out", "out", "--merge", "all.txt"),
        ("--out", "out", "--status"),
        ("--out", "out", "--where", "nsites > 1"),
        (data, "--out", "out", "--model", model, "--property", "band_gp"),
    ):
        done = cryskit("screen", *arguments)
        assert done.exit_code == 2, arguments
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "parts").exists()

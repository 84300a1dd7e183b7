"""The README and every page of the documentation do what they show.

How a page is read is said in `tools/page_steps.py`. The commands run in a folder that holds a copy of examples/. The command `cryskit` is the
installed one, run in a copy of a process that has loaded the libraries already (`preloaded`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import preloaded
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from page_steps import PAGES, agree, steps  # noqa: E402 - scripts, not modules of a package


def compare(shown: str, got: str, where: str) -> None:
    assert agree(shown, got), f"{where} shows\n{shown}\nbut the output is\n{got}"


def output_of(command: str, where: str) -> str:
    places = (preloaded.command().parent, Path(sys.executable).parent, os.environ["PATH"])
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**os.environ, "PATH": os.pathsep.join(map(str, places)), "COLUMNS": "120", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{where}: {command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def outputs(page: Path) -> Iterator[tuple[str, str, str]]:
    """Run a page, and yield what it shows, what is printed, and where, for each output that it shows."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for step in steps(page):
        where = f"{page.relative_to(ROOT)}:{step.line}"
        if step.language == "console":
            got = output_of(step.source, where)
        else:
            with redirect_stdout(StringIO()) as output:
                exec(compile("\n" * step.line + step.source, str(page), "exec"), namespace)  # noqa: S102
            got = output.getvalue()
        if step.shown is not None:
            yield step.shown, got, where


def run_page(page: Path) -> None:
    for shown, got, where in outputs(page):
        compare(shown, got, where)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*treespec.*:FutureWarning", "ignore::UserWarning:lightning")
@pytest.mark.parametrize("page", [p for p in PAGES if steps(p)], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_page_does_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    run_page(page)


@pytest.mark.parametrize(
    ("shown", "got", "same"),
    [
        ("a 1.00 eV", "a   1.01 eV", True),
        ("a 1.00 eV", "a 1.10 eV", False),
        ("a 1.00 eV", "b 1.00 eV", False),
        ("a nan", "a nan", True),
        ("a\n...\nz", "a\nb\nc\nz", True),
        ("a\n...\nz", "a\nb\nc", False),
        ("a", "a\nb", False),
    ],
)
def test_shown_output_is_held_to_the_real_one(shown: str, got: str, *, same: bool) -> None:
    assert agree(shown, got) is same


def test_a_page_is_read_step_by_step(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```console\n$ one \\\n    --more\nshown\n$ two\n```\n\n```python\nprint(1)\n```\n\n```sh\nnever\n```\n\n"
        "```text\n1\n```\n\n```python\npass\n```\n",
        encoding="utf-8",
    )
    assert [(step.language, step.source, step.shown) for step in steps(page)] == [
        ("console", "one --more", "shown\n"),
        ("console", "two", None),
        ("python", "print(1)\n", "1\n"),
        ("python", "pass\n", None),
    ]

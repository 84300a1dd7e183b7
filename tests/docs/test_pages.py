"""The README and every page of the documentation do what they show.

In the order of the page, ```python blocks run in one namespace and each line of a ```console block that begins with "$ "
runs in the shell, in a folder that holds a copy of examples/. Other lines of a console block are the output it shows, and a
```text block after a ```python block is what that prints; "..." stands for any lines. Numbers may differ by 2 % or 0.02. Blocks
in another language (```sh) are not run. The command `cryskit` is the installed one, run in a copy of a process that has loaded the
libraries already (`preloaded`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import preloaded
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(python|console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [*ROOT.glob("README.md"), *sorted((ROOT / "docs").rglob("*.md"))]


class Block(NamedTuple):
    """One fenced block of a page."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(text)]


def same(shown: str, got: str) -> bool:
    """Tell whether two lines agree word by word, numbers within 2 % or 0.02."""
    words, others = shown.split(), got.split()
    if len(words) != len(others):
        return False
    for word, other in zip(words, others, strict=True):
        try:
            if float(word) != pytest.approx(float(other), rel=0.02, abs=0.02, nan_ok=True):
                return False
        except ValueError:
            if word != other:
                return False
    return True


def agrees(shown: list[str], got: list[str]) -> bool:
    """Tell whether the lines shown are the lines got, "..." standing for any number of them."""
    if not shown:
        return not got
    if shown[0].strip() == "...":
        return any(agrees(shown[1:], got[start:]) for start in range(len(got) + 1))
    return bool(got) and same(shown[0], got[0]) and agrees(shown[1:], got[1:])


def compare(shown: str, got: str, where: str) -> None:
    lines, others = ([line for line in text.splitlines() if line.strip()] for text in (shown, got))
    assert agrees(lines, others), f"{where} shows\n{shown}\nbut the output is\n{got}"


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output shown under it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = re.sub(r"\\\n *", "", part).partition("\n")
        yield command, shown


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
    printed: str | None = None
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "console":
            for command, shown in commands(block.text):
                got = output_of(command, where)
                if shown.strip():
                    yield shown, got, where
        elif block.language == "python":
            with redirect_stdout(StringIO()) as output:
                exec(compile("\n" * block.line + block.text, str(page), "exec"), namespace)  # noqa: S102
            printed = output.getvalue()
        elif printed is not None:
            yield block.text, printed, where
            printed = None


def run_page(page: Path) -> None:
    for shown, got, where in outputs(page):
        compare(shown, got, where)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*treespec.*:FutureWarning", "ignore::UserWarning:lightning")
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_page_does_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    run_page(page)


@pytest.mark.parametrize(
    ("shown", "got", "agree"),
    [
        ("a 1.00 eV", "a   1.01 eV", True),
        ("a 1.00 eV", "a 1.10 eV", False),
        ("a 1.00 eV", "b 1.00 eV", False),
        ("a\n...\nz", "a\nb\nc\nz", True),
        ("a\n...\nz", "a\nb\nc", False),
        ("a", "a\nb", False),
    ],
)
def test_shown_output_is_held_to_the_real_one(shown: str, got: str, *, agree: bool) -> None:
    assert agrees(shown.splitlines(), got.splitlines()) is agree

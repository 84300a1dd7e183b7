"""The notebooks of the documentation run, and what they show is still what comes out; their pages show it, too."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from docs.test_pages import compare
from docs_hooks import hook

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))

sys.path.insert(0, str(ROOT / "tools"))
import notebooks as tool  # noqa: E402 - scripts, not modules of a package

TAG = re.compile(r"<style>.*?</style>|<[^>]+>", re.DOTALL)


def shown(cell: Any) -> str:
    """Return what a cell shows as text, tags of HTML left out."""
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        text = TAG.sub("\n", data["text/html"]) if "text/html" in data else output.get("text") or data["text/plain"]
        parts.append(text)
    return "\n".join(parts)


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["explain", "predict", "small-data"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_gives_what_it_shows(path: Path) -> None:
    kept, got = nbformat.read(path, as_version=4), tool.executed(path)
    for number, (before, after) in enumerate(zip(kept.cells, got.cells, strict=True)):
        assert before.source == after.source
        if before.cell_type == "code":
            compare(shown(before), shown(after), f"{path.name}, cell {number}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_its_outputs_and_without_traces_of_a_run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert nbformat.writes(tool.cleaned(nbformat.read(path, as_version=4))) == nbformat.writes(notebook)
    assert any(shown(cell) for cell in notebook.cells if cell.cell_type == "code")
    assert "/tmp" not in path.read_text()  # noqa: S108 - searched for, not written
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_page_shows_code_and_outputs(path: Path) -> None:
    page = hook("notebooks").markdown(path)
    assert page.startswith("# ")
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.source in page
        if cell.cell_type == "code":
            assert all(line.strip() in page for line in shown(cell).splitlines())

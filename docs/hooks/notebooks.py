"""Make a page of every notebook in `docs/notebooks`, with the outputs that `tools/notebooks.py` has left in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages (called by MkDocs)."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - tests read notebooks without MkDocs

    for path in sorted(FOLDER.glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=markdown(path)))
    return files


def markdown(path: Path) -> str:
    """Return a notebook as Markdown.

    Args:
        path: The notebook.
    """
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(_cell(cell) for cell in cells) + "\n"


def _cell(cell: Any) -> str:
    if cell.cell_type == "markdown":
        return str(cell.source)
    return "\n\n".join([f"```python\n{cell.source}\n```", *filter(None, map(_output, cell.outputs))])


def _output(output: Any) -> str:
    """Return an output: HTML as it is, on one line so that Markdown leaves it alone, or text."""
    data = output.get("data", {})
    if "text/html" in data:
        return " ".join(data["text/html"].split())
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{data["image/png"].strip()}">'
    return f"```text\n{(output.get('text') or data.get('text/plain', '')).rstrip()}\n```"

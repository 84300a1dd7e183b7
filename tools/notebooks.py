"""Run the notebooks of the documentation and keep their outputs: python tools/notebooks.py [docs/notebooks/predict.ipynb ...].

Every notebook is run from its first cell in a folder of its own that has a copy of `examples/`, in a fresh kernel. Text and HTML outputs are kept;
widgets, execution counts, times and names of kernels are not, so that a run that gives the same leaves the same file.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "notebooks"
KEPT = ("text/plain", "text/html", "image/png")
"""Types of output that are kept, of which the last that a result has is shown."""


def executed(path: Path) -> NotebookNode:
    """Return a notebook with the outputs of a run.

    Args:
        path: The notebook.

    Raises:
        CellExecutionError: A cell raises.
    """
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "examples", Path(folder) / "examples")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120"}
        client = NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            store_widget_state=False,
        )
        client.execute(env=environment)
    return cleaned(notebook)


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook without what differs between two runs that give the same."""
    notebook.metadata = NotebookNode(
        {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    )
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", NotebookNode()
        if cell.cell_type != "code":
            continue
        cell.execution_count, kept = None, []
        for output in cell.outputs:
            if output.output_type == "stream":
                kept += [output] if output.name == "stdout" else []
                continue
            output.metadata = NotebookNode()
            output.data = NotebookNode({kind: output.data[kind] for kind in KEPT if kind in output.data})
            if any(kind.startswith("application/") for kind in output.get("data", {})) or not output.data:
                continue
            if output.output_type == "execute_result":
                output.execution_count = None
            if output.data.keys() != {"text/plain"} or "Widget" not in output.data["text/plain"]:
                kept.append(output)
        cell.outputs = kept
    return notebook


def main(names: list[str]) -> None:
    """Run notebooks and write them.

    Args:
        names: Paths of notebooks; all of the documentation by default.
    """
    for path in map(Path, names or sorted(map(str, FOLDER.glob("*.ipynb")))):
        print(path)
        nbformat.write(executed(path), path)


if __name__ == "__main__":
    main(sys.argv[1:])

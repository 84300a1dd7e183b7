"""Every program of the benchmarks can be started as its docstring says, and every file that is named is there."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(path for folder in ("speed", "studies") for path in (ROOT / "benchmarks" / folder).glob("*.py"))
ELSEWHERE = {"chgnet_vectors"}
"""Programs for an environment of their own, without cryskit."""
OPTIONAL = {"matminer", "robocrys", "sklearn"}
"""Packages of extras."""
PAGES = [
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").rglob("*.md"),
    *(ROOT / "benchmarks").rglob("*.yaml"),
    *PROGRAMS,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")),
]


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", [p for p in PROGRAMS if p.stem not in ELSEWHERE], ids=module)
def test_a_program_can_be_imported(path: Path) -> None:
    for name in OPTIONAL & {
        found.split(".")[0] for found in re.findall(r"^from ([\w.]+)", path.read_text("utf-8"), re.MULTILINE)
    }:
        pytest.importorskip(name)
    import_module(module(path))


@pytest.mark.parametrize("path", PROGRAMS, ids=module)
def test_a_program_is_called_by_its_name(path: Path) -> None:
    said = re.findall(r"python -m (benchmarks\.[\w.]+)", ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
    own = {module(path), module(path.parent)} if path.stem in {"run", "__init__"} else {module(path)}
    assert not said or own & set(said) or path.name == "__init__.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_what_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = re.findall(r"\bbenchmarks/[\w./*-]+\.(?:py|yaml|json)", text)
    programs = [f"{name.replace('.', '/')}.py" for name in re.findall(r"-m (benchmarks\.\w+\.[a-z_]+)", text)]
    missing = [name for name in (*files, *programs) if not any(ROOT.glob(name))]
    assert not missing

"""What the budget tests read from the code: every module of the package as a syntax tree, and its imports."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Import(NamedTuple):
    """One imported name; `name` is "" for `import module`."""

    module: str
    name: str
    line: int


@dataclass(frozen=True)
class Module:
    """One Python file; `given` stands in for its text where a test tries out a rule."""

    path: Path
    given: str | None = None

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8") if self.given is None else self.given

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def parts(self) -> tuple[str, ...]:
        """The dotted name in parts, the package itself being ("cryskit",)."""
        parts = self.path.relative_to(SOURCE).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def name(self) -> str:
        return ".".join(self.parts)

    @property
    def unit(self) -> str:
        """The folder or root module that the dependency rule is_main_process of."""
        return self.parts[1] if len(self.parts) > 1 else ""

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def imports(self) -> list[Import]:
        """Everything imported at run time, inside functions too; `if TYPE_CHECKING:` is left out, for it binds types only."""
        return list(self._imports(self.tree))

    def _imports(self, node: ast.AST) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(self._absolute(node), alias.name, node.lineno) for alias in node.names)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.orelse if typing_only else ast.iter_child_nodes(node):
            yield from self._imports(child)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.parts if self.path.name == "__init__.py" else self.parts[:-1]
        base = package[: len(package) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


def _modules(folder: str) -> list[Module]:
    return [Module(path) for path in sorted((ROOT / folder).rglob("*.py"))]


PACKAGE = _modules("src/cryskit")
EVERYTHING = [module for folder in ("src", "tests", "benchmarks", "docs") for module in _modules(folder)]
NAMES = {module.name: module for module in PACKAGE}


def target(imported: Import) -> str | None:
    """Return the module of this package that an import reaches, or None if it reaches another library."""
    if imported.module.split(".")[0] != "cryskit":
        return None
    longer = f"{imported.module}.{imported.name}"
    if longer in NAMES:
        return longer
    if imported.module == "cryskit" and imported.name in _public_homes():
        return _public_homes()[imported.name]
    return imported.module


@cache
def _public_homes() -> dict[str, str]:
    """Return the module behind each lazily imported name of `cryskit` itself."""
    for node in NAMES["cryskit"].tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            return {name: home.split(":")[0] for name, home in ast.literal_eval(node.value).items()}
    return {}

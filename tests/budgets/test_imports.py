"""Imports go one way, function-level imports included.

`if TYPE_CHECKING:` blocks are exempt: they bind names for the type checker and are never executed. Names in a registry
("module:Class") may lead upwards in `registry` and in the package itself: that is how a lower layer lists the parts of a
higher one without knowing them.

For a cycle such a name counts as an import of the module in which it stands. The tables in `registry` are the one exception,
and only in whose import it is: a part imports `registry` to remember its configuration, and `registry` imports a part when
somebody asks for it by name. So their names count as imports of the modules that import the table, except of those that stand in it
themselves: an encoder that is made of others builds what it is given as an argument.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest
from budgets.syntax import NAMES, PACKAGE, SOURCE, Module, target

if TYPE_CHECKING:
    from collections.abc import Iterable

ORDER = [
    {
        "types",
        "conversions",
        "errors",
        "html",
        "arguments",
        "yaml_files",
        "elements",
        "exclusive",
        "goals",
        "properties",
        "atomic_write",
        "checksum",
        "parallel",
        "property",
        "symmetry",
        "tensors",
    },
    {"batching", "protocols", "registry"},
    {"data"},
    {"graphs", "text", "weights"},
    {"layers"},
    {"encoders", "losses"},
    {"objectives"},
    {"reliability"},
    {"predict"},
    {"exported"},
    {"explain", "evaluate", "screen"},
    {"plots"},
    {"training"},
    {"small_data"},
    {"benchmark", "sklearn", "matminer", "ase", "lightning", "suggestions"},
    {"service"},
    {"cli"},
    {"__main__"},
]
LEVEL = {unit: level for level, units in enumerate(ORDER) for unit in units}
REGISTRY_FOLDERS = ("cryskit.encoders", "cryskit.objectives", "cryskit.data.sources")
FRONT_DOORS = {"cryskit.data.sources.resolve"}  # no part itself: decides which part is meant
PART = re.compile(r"cryskit(\.\w+)+:\w+")
BY_NAME = {  # where names become modules, when they are first asked for
    "cryskit",
    "cryskit.registry",
    "cryskit.text.postponed",  # modules of other packages
}


def upwards(module: Module) -> dict[str, int]:
    """Return the modules of a higher level that `module` imports, with the line."""
    reached = {
        found: imported.line for imported in module.imports if (found := target(imported)) not in {None, "cryskit"}
    }
    return {found: line for found, line in reached.items() if LEVEL[found.split(".")[1]] > LEVEL[module.unit]}


def siblings(module: Module) -> set[str]:
    """Return the other members of its registry folder that `module` imports, `base` aside."""
    folder = module.name.rpartition(".")[0]
    found = {target(imported) for imported in module.imports} - {None, f"{folder}.base"}
    is_part = folder in REGISTRY_FOLDERS and module.name not in FRONT_DOORS
    return {name for name in found if name.rpartition(".")[0] == folder} if is_part else set()


def named(tree: ast.AST) -> set[str]:
    """Return the modules of the names "module:attribute" that stand as texts in a syntax tree."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {text.partition(":")[0] for text in texts if PART.fullmatch(text)}


def tables(registry: Module) -> dict[str, set[str]]:
    """Return the modules that each table of the registry names."""
    written = [node for node in registry.tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    targets = [(node.targets[0] if isinstance(node, ast.Assign) else node.target, node) for node in written]
    return {ast.unparse(left): named(node) for left, node in targets}


def reached(module: Module, registered: dict[str, set[str]]) -> set[str]:
    """Return the modules that a module imports, by an import or by a name, in itself or in a table that it asks."""
    found = {target(imported) for imported in module.imports} - {None}
    asked = {i.name for i in module.imports if i.module == "cryskit.registry" and i.name in registered}
    by_name = set() if module.name == "cryskit.registry" else named(module.tree)
    foreign = [table for table in asked if module.name not in registered[table]]
    return (found | by_name | {part for table in foreign for part in registered[table]}) - {module.name}


def cycle(modules: Iterable[Module]) -> list[str]:
    """Return the modules of an import cycle, or nothing."""
    known = {module.name: module for module in modules}
    registered = tables(known["cryskit.registry"]) if "cryskit.registry" in known else {}
    try:
        TopologicalSorter({name: reached(module, registered) for name, module in known.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("module", [m for m in PACKAGE if m.name != "cryskit"], ids=str)
def test_imports_only_from_its_own_level_or_below(module: Module) -> None:
    assert module.unit in LEVEL, f"{module.unit} has no place in the order of imports: see ORDER in {__file__}"
    assert not upwards(module), "module: line"


@pytest.mark.parametrize("module", [m for m in PACKAGE if m.name.startswith(REGISTRY_FOLDERS)], ids=str)
def test_siblings_in_a_registry_folder_do_not_import_one_another(module: Module) -> None:
    assert not siblings(module), "composition is by argument, not by import"


@pytest.mark.parametrize(
    "code",
    [
        "from cryskit.training.fit import fit",
        "from cryskit.training import fit",
        "from ..training.fit import fit",
        "from cryskit import fit",
        "def late():\n    import cryskit.training.fit",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import cryskit.training.fit",
    ],
)
def test_an_upward_import_is_found(code: str) -> None:
    found = set(upwards(Module(SOURCE / "cryskit" / "graphs" / "tried.py", code)))
    assert found in ({"cryskit.training"}, {"cryskit.training.fit"})


def test_imports_for_the_type_checker_are_exempt() -> None:
    code = "if TYPE_CHECKING:\n    from cryskit.training.fit import fit"
    assert not upwards(Module(SOURCE / "cryskit" / "graphs" / "tried.py", code))


def test_a_sibling_import_is_found() -> None:
    code = "def late():\n    from cryskit.encoders.cgcnn import CGCNN"
    assert siblings(Module(SOURCE / "cryskit" / "encoders" / "tried.py", code)) == {"cryskit.encoders.cgcnn"}


def test_there_is_no_import_cycle() -> None:
    assert not cycle(NAMES.values())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("import cryskit.data.second", "import cryskit.data.first"),
        ("import cryskit.data.second", "def late():\n    from cryskit.data.first import read"),
        ("from cryskit.data.second import stem", 'READERS = Registry("reader", {"a": "cryskit.data.first:read"})'),
        ("import cryskit.data.second", "from cryskit.registry import TABLE"),
    ],
)
def test_an_import_cycle_is_found(first: str, second: str) -> None:
    folder = SOURCE / "cryskit"
    registry = Module(folder / "registry.py", 'TABLE = Registry("part", {"a": "cryskit.data.first:Part"})')
    modules = [Module(folder / "data" / "first.py", first), Module(folder / "data" / "second.py", second), registry]
    assert set(cycle(modules)) == {"cryskit.data.first", "cryskit.data.second"}


def test_a_part_may_import_the_registry_that_names_it() -> None:
    folder = SOURCE / "cryskit"
    registry = Module(folder / "registry.py", 'TABLE = Registry("part", {"a": "cryskit.data.first:Part"})')
    assert not cycle([Module(folder / "data" / "first.py", "from cryskit.registry import configured"), registry])


@pytest.mark.parametrize("module", [m for m in PACKAGE if m.unit == "data"], ids=str)
def test_data_names_no_tensor_library(module: Module) -> None:
    libraries = {imported.module.split(".")[0] for imported in module.imports}
    assert not libraries & {"torch", "lightning", "safetensors"}


@pytest.mark.parametrize("module", [m for m in PACKAGE if m.unit == "data"], ids=str)
def test_data_imports_what_it_needs_late_inside_functions(module: Module) -> None:
    assert "Registry" not in {imported.name for imported in module.imports}, "names as texts hide where they lead"


def test_data_loads_no_torch() -> None:
    names = [module.name for module in PACKAGE if module.unit == "data"]
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nassert 'torch' not in sys.modules"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_names_of_parts_lead_to_something_and_not_upwards(module: Module) -> None:
    texts = [
        node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    for home, attribute in (text.split(":") for text in texts if PART.fullmatch(text)):
        assert re.search(rf"^(def|class) {attribute}\b", NAMES[home].text, re.MULTILINE), f"{home} has no {attribute}"
        assert module.name in BY_NAME or LEVEL[NAMES[home].unit] <= LEVEL[module.unit]


@pytest.mark.parametrize("module", [m for m in PACKAGE if m.name not in BY_NAME], ids=str)
def test_import_by_name_is_left_to_the_registry(module: Module) -> None:
    assert "importlib" not in {imported.module for imported in module.imports}
    assert "import_module" not in {imported.name for imported in module.imports}

"""The public names, and what they may cost to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cryskit

HEAVY = ("torch", "lightning", "pymatgen", "ase", "gemmi", "pandas", "pyarrow", "matplotlib", "scipy")


def loaded_by(code: str) -> set[str]:
    """Return which of the heavy libraries a fresh interpreter has loaded after running `code`."""
    end = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    run = subprocess.run([sys.executable, "-c", f"{end}\n{code}"], capture_output=True, text=True, check=True)
    loaded = set(run.stderr.split())
    assert "cryskit" in loaded
    return loaded & set(HEAVY)


def test_there_are_at_most_30_names_in_order() -> None:
    assert len(cryskit.__all__) <= 30
    assert cryskit.__all__ == sorted(cryskit.__all__)
    assert dir(cryskit) == cryskit.__all__, "what is no public name is not offered"


@pytest.mark.parametrize("name", cryskit.__all__)
def test_each_name_can_be_imported_and_is_documented(name: str) -> None:
    assert getattr(cryskit, name).__doc__


def test_the_type_checker_sees_what_is_imported() -> None:
    tree = ast.parse(Path(str(cryskit.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    static = {alias.asname or alias.name: f"{node.module}:{alias.name}" for node in imports for alias in node.names}
    assert static == cryskit._HOMES
    assert {*static, "__version__"} == set(cryskit.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'cryskit' has no attribute 'nothing'"):
        _ = cryskit.nothing


def test_models_stays_a_function_when_the_weights_are_read() -> None:
    """The folder of weights has the same name; importing it as a package would put it over the function."""
    assert cryskit.models()
    assert callable(cryskit.models)


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import cryskit")


def test_importing_the_types_loads_nothing_but_numpy() -> None:
    assert not loaded_by("import cryskit.types, cryskit.errors, cryskit.registry")


def test_predicting_loads_no_training_library() -> None:
    """It takes as long to import as all that predicting needs."""
    assert not loaded_by("import cryskit; cryskit.load") & {"lightning"}


def test_listing_models_loads_no_torch() -> None:
    code = "import sys; sys.argv = ['cryskit', 'models', 'list']; from cryskit.cli import main; main()"
    assert not loaded_by(code) & {"torch", "lightning", "pymatgen"}


def test_help_loads_nothing_heavy() -> None:
    assert not loaded_by("import sys; sys.argv = ['cryskit', '--help']; from cryskit.cli import main; main()")

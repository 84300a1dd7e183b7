"""The hooks of the documentation, which MkDocs runs as files, as modules for tests."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

HOOKS = Path(__file__).resolve().parents[1] / "docs" / "hooks"


def hook(name: str) -> ModuleType:
    """Return a hook, loaded anew.

    Args:
        name: Name of its file without ".py".
    """
    spec = spec_from_file_location(f"{name}_hook", HOOKS / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

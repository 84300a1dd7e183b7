"""Importing Robocrystallographer without what costs seconds and changes nothing.

Left out is what makes up most of its start: pymatgen parses the BibTeX reference of each of its 288 structure prototypes to see whether it is
BibTeX, and inflect rewrites its methods so that the types of their arguments are checked at each call. Both packages come with these data
and calls themselves. pymatgen's tables of bond valences and colours are YAML files, which a parser in Python reads; here PyYAML's in C does.
Packages that matminer and pymatgen import for the sake of functions that no description calls are loaded when one is called. Where a version
has nothing of this, nothing is changed.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cryskit.text.postponed import postponed

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNUSED = (
    "matplotlib",
    "palettable",
    "pymatgen.analysis.chemenv",
    "pymatgen.analysis.diffraction",
    "pymatgen.io.ase",
    "scipy.interpolate",
    "scipy.stats",
    "sympy",
)
"""Packages of which no description uses anything."""


@contextmanager
def without_needless_work() -> Iterator[None]:
    """Import within the context what reads its own references, instruments its own methods and imports what it does not use."""
    with ExitStack() as stack:
        with suppress(ImportError):
            from pymatgen.util import provenance  # noqa: PLC0415 - not before it is needed

            stack.enter_context(_replaced(provenance, "is_valid_bibtex", _is_valid))
        with suppress(ImportError):
            import typeguard  # noqa: PLC0415 - as above

            stack.enter_context(_replaced(typeguard, "typechecked", _unchanged))
        with suppress(ImportError):
            from monty import serialization  # noqa: PLC0415 - as above

            from cryskit.text.quick_yaml import load  # noqa: PLC0415 - not everywhere

            stack.enter_context(_replaced(serialization, "loadfn", partial(load, serialization.loadfn)))
        stack.enter_context(postponed(*_UNUSED))
        yield


@contextmanager
def _replaced(module: Any, name: str, instead: Any) -> Iterator[None]:
    """Put a function in the place of one of a module within the context, if the module has it."""
    before = getattr(module, name, None)
    if before is None:
        yield
        return
    setattr(module, name, instead)
    try:
        yield
    finally:
        setattr(module, name, before)


def _unchanged(target: Any = None, **_settings: Any) -> Any:
    """Return a function or class as it is, called as a decorator with or without settings."""
    return _unchanged if target is None else target


def _is_valid(reference: str) -> bool:
    """Return whether a reference looks like BibTeX at its first sign."""
    return reference.lstrip().startswith("@")

"""Importing Robocrystallographer without checks that cost seconds and change nothing.

Two of them make up most of its start: pymatgen parses the BibTeX reference of each of its 288 structure prototypes to see whether it is
BibTeX, and inflect rewrites its methods so that the types of their arguments are checked at each call. Both packages come with these data
and calls themselves. Where a version has no such check, nothing is changed.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without_needless_checks() -> Iterator[None]:
    """Import within the context what reads its own references and instruments its own methods."""
    with ExitStack() as stack:
        for module, name, instead in _CHECKS:
            try:
                found = import_module(module)
            except ImportError:
                continue
            if hasattr(found, name):
                stack.enter_context(patch.object(found, name, instead))
        yield


def _unchanged(target: Any = None, **_settings: Any) -> Any:
    """Return a function or class as it is, called as a decorator with or without settings."""
    return _unchanged if target is None else target


def _is_valid(reference: str) -> bool:
    """Return whether a reference looks like BibTeX at its first sign."""
    return reference.lstrip().startswith("@")


_CHECKS = (("pymatgen.util.provenance", "is_valid_bibtex", _is_valid), ("typeguard", "typechecked", _unchanged))

"""Explanations of predictions: contributions of atoms and of their element features that add up to the prediction.

The package can be called: `cryskit.explain(model, structures)` is `explain.explain.explain`.

Example:
    >>> import cryskit
    >>> (found,) = cryskit.explain("cryskit-mp", "examples/NaCl.cif", "band_gap")
    >>> sorted(found.elements)
    ['Cl', 'Na']
"""

import sys
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """This package, as a function: `import cryskit.explain.explain` puts it where the public name of the function is."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what `explain.explain.explain` does, with its arguments."""
        from cryskit.explain.explain import explain  # noqa: PLC0415 - only a call needs what it imports

        return explain(*args, **kwargs)


sys.modules[__name__].__class__ = _Package

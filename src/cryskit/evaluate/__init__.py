"""Evaluate models: their predictions against labels, figures of merit, and overlap with the training data.

The package can be called: `cryskit.evaluate(model, structures)` is `evaluate.judge.judge`.

Example:
    >>> import cryskit
    >>> from itertools import islice
    >>> found = cryskit.evaluate("cryskit-mp", islice(cryskit.read("elastic_tensor"), 20), "bulk_modulus")
    >>> found.units
    {'bulk_modulus': 'GPa'}
"""

import sys
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """This package, as a function: `import cryskit.evaluate.judge` puts it where the public name of the function is."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what `evaluate.judge.judge` does, with its arguments."""
        from cryskit.evaluate.judge import judge  # noqa: PLC0415 - only a call needs what it imports

        return judge(*args, **kwargs)


sys.modules[__name__].__class__ = _Package

"""Imports that wait: a package that is imported for the sake of others is loaded when something of it is first used.

Libraries import at their start what only some of their functions need. Within `postponed` such a package is not loaded: each name that is
imported from it stands for the thing of that name, and loads the package when it is called, asked for an attribute or a method, derived
from, or given to isinstance. So what imported it works as before. Names that stand for data (a number, a table) cannot be postponed.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextmanager
def postponed(*packages: str) -> Iterator[None]:
    """Postpone the import of packages within the context.

    Other threads that import them meanwhile get the same names. A package that is loaded already is not postponed. All are loaded as usual
    again after the context, and from the moment on when something in it uses a name.

    Args:
        packages: Full names of packages or modules; all that they hold is postponed with them.
    """
    finder = _Finder(name for name in packages if name not in sys.modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.end()


class _Finder(MetaPathFinder, Loader):
    """Finds empty modules in the place of those of some packages, until its end.

    Args:
        packages: Full names of the packages.
    """

    def __init__(self, packages: Iterator[str]) -> None:
        self._packages = tuple(packages)
        self._given: dict[str, ModuleType] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module, if it is of these packages."""
        del path, target
        mine = any(f"{name}.".startswith(f"{package}.") for package in self._packages)
        return ModuleSpec(name, self, is_package=True) if mine else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the empty module."""
        self._given[spec.name] = _Module(spec.name, self)
        return self._given[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty."""

    def end(self) -> None:
        """Let the packages be loaded as usual from now on."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name, module in self._given.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
            package, _, last = name.rpartition(".")
            if vars(sys.modules.get(package, object)).get(last) is module:
                delattr(sys.modules[package], last)
        self._given = {}


class _Module(ModuleType):
    """A module whose names load the real one when they are used.

    Args:
        name: Full name of the module.
        finder: Finder that ends when one of the names is used.
    """

    def __init__(self, name: str, finder: _Finder) -> None:
        super().__init__(name)
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(self.__name__, name, self._finder)


class _Name:
    """A name of a module that is not loaded yet.

    Args:
        module: Full name of the module.
        name: The name in it, or of a module in it.
        finder: Finder that ends when it is used.
    """

    def __init__(self, module: str, name: str, finder: _Finder) -> None:
        self._module, self._name, self._finder = module, name, finder

    def _real(self) -> Any:
        self._finder.end()
        module = import_module(self._module)
        try:
            return getattr(module, self._name)
        except AttributeError:
            return import_module(f"{self._module}.{self._name}")

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._real()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __mro_entries__(self, bases: tuple[type, ...]) -> tuple[type, ...]:
        return (self._real(),)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._real())

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._real())

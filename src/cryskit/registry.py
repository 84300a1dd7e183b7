"""Names for the parts that can be exchanged: one line per encoder and objective.

An entry is "module:Class" and is imported when it is first asked for, so that listing names costs nothing
and the dependency rule (nothing here imports upwards) holds.
"""

from __future__ import annotations

import functools
import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from cryskit.arguments import check
from cryskit.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryskit.protocols import Encoder, Objective
    from cryskit.types import GraphSpec

T = TypeVar("T", bound=type)


def public(name: str) -> Any:
    """Return a public name of the package, which is imported when it is first asked for.

    A method of a lower part that is a short way to a higher one (`Predictor.explain`) finds it so.

    Args:
        name: One of `cryskit.__all__`.
    """
    return getattr(import_module("cryskit"), name)


class Registry:
    """A closed list of names, each standing for one class or function of this package.

    Model files and configurations hold names, never import paths, so loading a file cannot run foreign code.

    Args:
        kind: What an entry is, for error messages ("encoder").
        entries: Name to "module:attribute".
    """

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self.kind = kind
        self._entries = entries

    def __getitem__(self, name: str) -> Any:
        """Return the class or function called `name`; raises UnknownNameError with the nearest names."""
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        module, attribute = self._entries[name].split(":")
        return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def name_of(self, instance: object) -> str:
        """Return the name under which the class of `instance` is registered."""
        path = f"{type(instance).__module__}:{type(instance).__qualname__}"
        for name, entry in self._entries.items():
            if entry == path:
                return name
        raise UnknownNameError(self.kind, path, self._entries)

    def build(self, config: Mapping[str, Any]) -> Any:
        """Make the instance that a configuration describes: its "name" and the keyword arguments of its class.

        Raises:
            PlanError: An argument has another type than its class declares, or is a number that cannot be.
            UnknownNameError: There is no such name or argument.
        """
        name, arguments = self._checked(config)
        return self[name](**arguments)

    def complete(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration with the default of every argument that it leaves out."""
        name, arguments = self._checked(config)
        bound = inspect.signature(self[name]).bind(**arguments)
        bound.apply_defaults()
        return {"name": name, **bound.arguments}

    def config_of(self, instance: Any) -> dict[str, Any]:
        """Return the configuration from which `build` makes the like of an instance of a `configured` class."""
        return {"name": self.name_of(instance), **instance.config}

    def _checked(self, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return name and arguments; a class that takes any keyword checks its arguments itself."""
        arguments = dict(config)
        name = str(arguments.pop("name", ""))
        known = inspect.signature(self[name]).parameters
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in known.values()):
            for argument in arguments:
                if argument not in known:
                    raise UnknownNameError(f"argument of {self.kind} {name}", argument, known)
        check(f"{self.kind} {name}", self[name], arguments)
        return name, arguments


class Encoders(Registry):
    """The registry of encoders, which can be asked about a network that nobody has built."""

    def build(self, config: Mapping[str, Any]) -> Encoder:
        """Make the encoder that a configuration describes, with random weights."""
        encoder: Encoder = super().build(config)
        return encoder

    def needs(self, config: Mapping[str, Any]) -> GraphSpec:
        """Return the graph that an encoder of this configuration needs."""
        arguments = self.complete(config)
        spec: GraphSpec = self[arguments.pop("name")].needs_of(**arguments)
        return spec

    def width(self, config: Mapping[str, Any]) -> int:
        """Return the length of the vectors of an encoder of this configuration."""
        arguments = self.complete(config)
        encoder = self[arguments.pop("name")]
        return int(arguments["width"] if "width" in arguments else encoder.width_of(**arguments))


class Objectives(Registry):
    """The registry of objectives."""

    def __getitem__(self, name: str) -> type[Objective]:
        """Return the class called `name`; raises UnknownNameError with the nearest names."""
        objective: type[Objective] = super().__getitem__(name)
        return objective

    def complete(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration with the default of every argument that it leaves out; networks are no part of it.

        Settings that are fixed by a preset stay out of it: the name of the preset stands for them.
        """
        name, arguments = self._checked(config)
        signature = inspect.signature(self[name])
        bound = signature.bind_partial(**arguments)
        bound.apply_defaults()
        further = [key for key, parameter in signature.parameters.items() if parameter.kind is parameter.VAR_KEYWORD]
        settings = [bound.arguments.pop(key) for key in further]
        return {"name": name, **bound.arguments, **{key: value for one in settings for key, value in one.items()}}

    def build(self, config: Mapping[str, Any]) -> Objective:
        """Make the objective that a configuration describes: its "name", its encoder and further arguments of its class."""
        objective: Objective = super().build(config)
        return objective


def configured(cls: T) -> T:
    """Let a class remember the arguments it was constructed with, defaults included, as `config`."""
    remembering: Any = cls
    construct = remembering.__init__
    signature = inspect.signature(construct)

    @functools.wraps(construct)
    def remember(self: Any, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        arguments.pop("self")
        self.config = arguments

    remembering.__init__ = remember
    return cls


ENCODERS = Encoders(
    "encoder",
    {
        "cgcnn": "cryskit.encoders.cgcnn:CGCNN",
        "steinhardt": "cryskit.encoders.steinhardt:Steinhardt",
        "alignn": "cryskit.encoders.alignn:ALIGNN",
        "icgcnn": "cryskit.encoders.icgcnn:ICGCNN",
        "gatgnn": "cryskit.encoders.gatgnn:GATGNN",
        "megnet": "cryskit.encoders.megnet:MEGNet",
        "cogn": "cryskit.encoders.cogn:CoGN",
        "cgat": "cryskit.encoders.cgat:CGAT",
        "matformer": "cryskit.encoders.matformer:Matformer",
        "fused": "cryskit.encoders.fused:Fused",
        "levels": "cryskit.encoders.levels:Levels",
    },
)
OBJECTIVES = Objectives(
    "objective",
    {
        "property": "cryskit.objectives.property:PropertyObjective",
        "crysae": "cryskit.objectives.crysae:CrysAE",
        "crysgnn": "cryskit.objectives.crysgnn:CrysGNN",
        "distill": "cryskit.objectives.distill:Distill",
        "contrast": "cryskit.objectives.contrast:Contrast",
    },
)
SOURCES = Registry("source of data sets", {"bundled": "cryskit.data.sources.bundled:open_source"})
"""Functions by the scheme in front of ":". Each is given what follows and the number of atoms that a cell may have, and
returns an iterator of crystals and failures."""
REMOTES = Registry(
    "source of data sets on other computers",
    {
        "optimade": "cryskit.data.remote.optimade:Optimade",
        "mp": "cryskit.data.remote.materials_project:MaterialsProject",
        "jarvis": "cryskit.data.remote.jarvis:Jarvis",
        "matbench": "cryskit.data.remote.matbench:Matbench",
        "cod": "cryskit.data.remote.cod:Cod",
        "https": "cryskit.data.remote.plain:Https",
        "http": "cryskit.data.remote.plain:Http",
    },
)
"""Classes by the scheme in front of ":". Each is constructed with what follows and is a `data.remote.pages.Remote`; constructing it
connects to nothing."""

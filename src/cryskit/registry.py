"""Names for the parts that can be exchanged: one line per encoder, objective and source.

An entry is "module:Class" and is imported when it is first asked for, so that listing names costs nothing
and the dependency rule (nothing here imports upwards) holds.
"""

from __future__ import annotations

import functools
import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from cryskit.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T", bound=type)


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
        """Make the instance that a configuration describes: its "name" and the keyword arguments of its class."""
        arguments = dict(config)
        name = str(arguments.pop("name", ""))
        made = self[name]
        known = inspect.signature(made).parameters
        for argument in arguments:
            if argument not in known:
                raise UnknownNameError(f"argument of {self.kind} {name}", argument, known)
        return made(**arguments)

    def config_of(self, instance: Any) -> dict[str, Any]:
        """Return the configuration from which `build` makes the like of an instance of a `configured` class."""
        return {"name": self.name_of(instance), **instance.config}


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


def preset_of(
    kind: str, presets: Mapping[str, Mapping[str, Any]], name: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a preset, and over them what was given (is not None).

    Args:
        kind: Whose preset, for the error message.
        presets: Settings by the name of the preset.
        name: Of the preset.
        given: Setting to value.

    Raises:
        UnknownNameError: There is no such preset.
    """
    if name not in presets:
        raise UnknownNameError(f"preset of {kind}", name, presets)
    return {**presets[name], **{setting: value for setting, value in given.items() if value is not None}}


ENCODERS = Registry(
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
    },
)
OBJECTIVES = Registry(
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
"""By the scheme in front of ":". Each is called with what follows it and the limit of atoms, and yields rows."""

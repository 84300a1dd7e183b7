"""The models that a service answers with: published names and those of the operator, loaded when they are first asked for.

A client gives a name and never a path: a name is looked up in a table, and no file is ever looked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryskit.checksum import sha256_of
from cryskit.errors import CryskitError, UnknownNameError
from cryskit.predict.card import read_card, without_folders
from cryskit.predict.device import device_of
from cryskit.predict.load import load
from cryskit.predict.model_card import markdown
from cryskit.predict.published import versions
from cryskit.service.problems import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryskit.predict.card import Card
    from cryskit.predict.predictor import Predictor
    from cryskit.service.settings import Settings
    from cryskit.types import GraphSpec


@dataclass(frozen=True)
class Loaded:
    """A model in memory.

    Attributes:
        name: Name with the version.
        path: Its file.
        sha256: SHA-256 of its file.
        predictor: The model.
        bytes: Bytes of its weights.
    """

    name: str
    path: Path
    sha256: str
    predictor: Predictor
    bytes: int

    @property
    def spec(self) -> GraphSpec:
        """Which graph it reads, without the descriptions that are added later."""
        return replace(self.predictor.card.spec, text="")

    @property
    def facts(self) -> dict[str, Any]:
        """Name with version, and SHA-256: what every answer of the model says."""
        return {"model": self.name, "sha256": self.sha256}


class Models:
    """The models of a service.

    Args:
        settings: How the service is set up.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files = {
            f"{name}@{version}": path for name, every in versions().items() for version, path in every.items()
        }
        self._newest = {name.partition("@")[0]: name for name in self._files}
        self._files |= settings.own
        self._newest |= {name: name for name in settings.own}
        self._held: OrderedDict[str, Loaded] = OrderedDict()
        self._lock = threading.Lock()
        self._device = device_of(settings.accelerator)
        self.full_name(settings.default)

    @property
    def bytes(self) -> int:
        """Bytes of the weights that are held."""
        return sum(each.bytes for each in tuple(self._held.values()))

    def full_name(self, name: str) -> str:
        """Return the name with the version of a model.

        Args:
            name: Name, with a version or for the newest; "" for the default.

        Raises:
            UnknownNameError: There is no such model.
        """
        name = name or self._settings.default
        found = name if name in self._files else self._newest.get(name)
        if found is None:
            raise UnknownNameError("model", name, self._newest)
        return found

    def get(self, name: str = "") -> Loaded:
        """Return a model, loaded if it is not yet.

        Args:
            name: Name, with a version or for the newest; "" for the default.

        Raises:
            UnknownNameError: There is no such model.
            ServiceError: It cannot be loaded.
        """
        full = self.full_name(name)
        with self._lock:
            if full not in self._held:
                self._held[full] = self._load(full)
            self._held.move_to_end(full)
            while len(self._held) > 1 and self.bytes > self._settings.model_bytes:
                self._held.popitem(last=False)
            return self._held[full]

    def _load(self, full: str) -> Loaded:
        path = self._files[full]
        try:
            predictor = load(path, batch_edges=self._settings.batch_edges).to(self._device)
        except (CryskitError, OSError) as error:
            problem = f"The model {full} cannot be loaded"
            raise ServiceError(503, problem, "Ask whoever runs the service to look at its log") from error
        predictor.requires_grad_(requires_grad=False)
        size = sum(tensor.numel() * tensor.element_size() for tensor in predictor.state_dict().values())
        return Loaded(full, path, _digest(path), predictor, size)

    def cards(self) -> Iterator[dict[str, Any]]:
        """Yield what is published of each model, the newest version of each name."""
        yield from (self.about(name) for name in self._newest)

    def about(self, name: str, *, whole: bool = False) -> dict[str, Any]:
        """Return what is published of a model.

        Args:
            name: Name, with a version or for the newest.
            whole: Whether its card in Markdown is added.
        """
        full = self.full_name(name)
        path, card = self._files[full], _card(self._files[full])
        plain, _, version = full.partition("@")
        found = {
            "name": plain,
            "version": version or card.version,
            "model": full,
            "default": full == self.full_name(""),
            "loaded": full in self._held,
            "sha256": _digest(path),
            "description": card.description,
            "encoder": card.encoder.get("name"),
            "reads_descriptions": bool(card.spec.text),
            "properties": [_property(each) for each in card.properties],
            "intervals": bool(card.calibration),
            "rows": dict(card.rows),
            "data": without_folders(card.data).get("source"),
            "licence": card.licence,
        }
        return found | ({"card": markdown(card, _digest(path))} if whole else {})


def _property(wanted: Any) -> dict[str, Any]:
    """Return what a client has to know of a property."""
    names = ("name", "symbol", "unit", "kind", "classes", "transform", "functional", "description")
    return {name: getattr(wanted, name) for name in names}


@lru_cache(64)
def _card(path: Path) -> Card:
    return read_card(path)


@lru_cache(64)
def _digest(path: Path) -> str:
    return sha256_of(path)

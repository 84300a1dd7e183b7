"""The card of a model: everything needed to rebuild it, use it rightly and cite it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from cryskit.errors import ModelError
from cryskit.types import GraphSpec, Property

if TYPE_CHECKING:
    from pathlib import Path

CARD = "cryskit"
"""Under which the card stands in the metadata of a model file."""


class Card(BaseModel):
    """What a model file says of itself.

    Attributes:
        name: Of the model.
        description: One or two sentences.
        encoder: Registry name and constructor arguments.
        heads: Constructor arguments besides width and properties.
        spec: The graph it was trained on, so that prediction can never build another.
        properties: With units, in the order of the heads; none if it was pre-trained, without labels.
        elements: Atomic numbers in the training crystals; others are warned of.
        plan: The plan of the run.
        start: The file its encoder started from, and how many tensors were moved, reinitialised and left.
        teacher: The file whose vectors it learned besides labels, and that file's digest.
        text: Name and hash of the text encoder whose vectors it reads.
        data: Source and manifest hash of the data set. If it was pre-trained: the names of the data sets, and name and
            SHA-256 of the manifest file, which lies beside the model and lists every crystal it has seen.
        sources: If it was pre-trained: each data set with its manifest hash.
        split: Name and hash of the split. If it was pre-trained: each data set that was split with the hash of the split.
        rows: How many crystals trained, chose the epoch, could not be used, were duplicates, were held out, had no
            description.
        epoch: The best epoch on the validation crystals.
        metrics: Property (or loss, if it was pre-trained) to metric to value, on the validation crystals unless named
            otherwise.
        versions: Of cryskit and what it stands on.
        licence: Of the weights.
        citation: DOIs and titles of method and data.
    """

    # The range of a property that the registry does not know is infinite, which JSON has no number for.
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    name: str
    description: str = ""
    encoder: dict[str, Any]
    heads: dict[str, Any] = Field(default_factory=dict)
    spec: GraphSpec
    properties: list[Property]
    elements: list[int] = Field(default_factory=list)
    plan: dict[str, Any] = Field(default_factory=dict)
    start: dict[str, Any] = Field(default_factory=dict)
    teacher: dict[str, Any] = Field(default_factory=dict)
    text: dict[str, str] = Field(default_factory=dict)
    data: dict[str, str] = Field(default_factory=dict)
    sources: dict[str, str] = Field(default_factory=dict)
    split: dict[str, str] = Field(default_factory=dict)
    rows: dict[str, int] = Field(default_factory=dict)
    epoch: int | None = None
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    licence: str = ""
    citation: list[str] = Field(default_factory=list)


def read_card(path: Path) -> Card:
    """Return the card in a model file without loading its weights.

    Raises:
        ModelError: It is no model of cryskit.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return Card.model_validate_json(file.metadata()[CARD])
    except (SafetensorError, OSError, KeyError, TypeError, ValidationError) as error:
        raise ModelError(
            f"{path} is no model file of cryskit ({error})", "Give a file that `cryskit train` wrote"
        ) from error


def digest(path: Path) -> str:
    """Return the SHA-256 of a model file, by which results name it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

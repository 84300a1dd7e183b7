"""The card of a model: everything needed to rebuild it, use it rightly and cite it.

A card has a format number, "major.minor". A new minor format only adds fields that a reader may leave alone, so an older
cryskit reads it and keeps what it does not know; whatever changes how a model is rebuilt or used is a new major format.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open

from cryskit.errors import ModelError, shortened
from cryskit.html import facts_html, rows_html
from cryskit.predict.classes import ClassCalibration
from cryskit.predict.published import version_of
from cryskit.properties import registered_or_new
from cryskit.types import GraphSpec, Property

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CARD = "cryskit"
"""Key of the card in the metadata of a model file."""
FIRST_FORMAT = "1.0"
"""Format of the cards that do not name theirs: these were written before formats had numbers."""
FORMAT = "2.2"
"""Format that this version of cryskit writes. 1.1 added `format` and `version`; in 2.0 `neighbours` of an encoder is the kind of its
neighbourhoods and `count` their number, which was `neighbours` before. 2.1 added `reliability`, `calibration`,
`class_calibration` and properties that are classes, 2.2 properties that are tensors."""

_FILES = ("file", "source")  # facts that may be paths
_NAMED_NEIGHBOURHOODS = (2, 0)
_UPGRADE = "Upgrade cryskit: pip install --upgrade cryskit"


class Card(BaseModel):
    """What a model file says besides its weights.

    Attributes:
        format: Number of the card's format, "major.minor".
        name: Name of the model.
        version: Version of the model, such as "2026.11"; "" if it has none.
        description: One or two sentences.
        encoder: Registry name and constructor arguments.
        heads: Constructor arguments besides width and properties.
        spec: The graph it was trained on, so that prediction can never build another.
        properties: Properties it predicts, with units, in the order of the heads; none if it was pre-trained, without labels.
        elements: Atomic numbers in the training crystals; others are warned of.
        reliability: Sizes of the parts that judge predictions (`reliability`); empty if the model was not calibrated.
        calibration: On what its intervals were calibrated: the part of the split or the data, and the number of crystals of each
            property.
        plan: The plan of the run.
        start: The file its encoder started from, and how many tensors were moved, reinitialised and left.
        teacher: The file whose vectors it learned besides labels, and that file's digest.
        text: Name and hash of the text encoder whose vectors it reads.
        data: Source and manifest hash of the data set. If it was pre-trained: the names of the data sets, and name and
            SHA-256 of the manifest file, which is stored with the model and lists every crystal it has seen.
        sources: If it was pre-trained: each data set with its manifest hash.
        split: Name and hash of the split. If it was pre-trained: each data set that was split with the hash of the split.
        rows: Numbers of crystals that trained, chose the epoch, could not be used, were duplicates, were held out, had no
            description; and of labels that cannot be.
        epoch: The best epoch on the validation crystals.
        metrics: Property (or loss, if it was pre-trained) to metric to value, on the validation crystals unless named
            otherwise.
        class_calibration: Name of a property that is a class to what turns its logits into probabilities and sets.
        versions: Versions of cryskit and of the packages it stands on.
        licence: Licence of the weights.
        citation: DOIs and titles of method and data.
    """

    # The range of a property that the registry does not know is infinite, which JSON has no number for.
    model_config = ConfigDict(extra="allow", ser_json_inf_nan="strings")

    format: str = Field(default=FORMAT, pattern=r"^\d+\.\d+$")
    name: str
    version: str = ""
    description: str = ""
    encoder: dict[str, Any]
    heads: dict[str, Any] = Field(default_factory=dict)
    spec: GraphSpec
    properties: list[Property]
    elements: list[int] = Field(default_factory=list)
    reliability: dict[str, Any] = Field(default_factory=dict)
    calibration: dict[str, Any] = Field(default_factory=dict)
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
    class_calibration: dict[str, ClassCalibration] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    licence: str = ""
    citation: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _no_unknown_fields(self) -> Self:
        """Refuse fields that no card of this format has; those that a newer minor format adds to the card itself are kept."""
        tolerated = _numbers(self.format) > _numbers(FORMAT)
        unknown = [] if tolerated else list(self.model_extra or ())
        parts: list[GraphSpec | Property] = [self.spec, *self.properties]
        unknown += [name for part in parts for name in vars(part).keys() - {field.name for field in fields(part)}]
        if unknown:
            raise ValueError(f"A card of format {self.format} has no field {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _whole_parts(self) -> Self:
        """Refuse a text encoder without name or hash, a start without file, two properties of one name, another one's calibration."""
        if self.text and not {"name", "hash"} <= self.text.keys():
            raise ValueError("`text` needs name and hash")
        if self.start and not isinstance(self.start.get("file"), str):
            raise ValueError("`start` needs the name of a file")
        if len({p.name for p in self.properties}) < len(self.properties):
            raise ValueError("Two properties have one name")
        counts = {p.name: len(p.classes) for p in self.properties}
        for name, found in self.class_calibration.items():
            if len(found.thresholds) not in {0, counts.get(name)}:
                raise ValueError(f"`class_calibration` of {name} does not fit its classes")
        return self

    @property
    def full_name(self) -> str:
        """Name and version of the model, as in `cryskit-mp@2026.11`; the name alone if it has no version."""
        return f"{self.name}@{self.version}" if self.version else self.name

    @property
    def has_tensors(self) -> bool:
        """Whether it predicts tensors."""
        return any(each.tensor for each in self.properties)

    @property
    def judged(self) -> list[Property]:
        """The properties that it predicts, and behind them the scalars that follow from its tensors and have figures of merit."""
        known = {each.name for each in self.properties}
        more = [registered_or_new(name) for name in self.metrics if name not in known] if self.has_tensors else []
        return [*self.properties, *more]

    @property
    def columns(self) -> list[str]:
        """Name of the property that each output of the heads belongs to, in order."""
        return [each.name for each in self.properties for _ in range(each.outputs)]

    def __repr__(self) -> str:
        """Return name, network, properties with units and what it was trained on, in at most three lines."""
        known = [f"{each.name} ({each.unit})" if each.unit else each.name for each in self.properties[:8]]
        more = [f"{len(self.properties) - 8} more"] * (len(self.properties) > 8)
        predicts = f"predicts {', '.join([*known, *more])}" if known else "pre-trained, predicts nothing"
        count = f" on {self.rows['training']:,} crystals" if "training" in self.rows else ""
        named = without_folders(self.data).get("source")
        source = f" of {shortened(named)}" if named else ""
        trained = [f"trained{count}{source}"] if count or source else []
        return "\n  ".join([f"{self.full_name} ({self.encoder.get('name')})", predicts, *trained])

    __str__ = __repr__

    @property
    def was_fitted(self) -> bool:
        """Whether `cryskit fit` made the model, so that its errors are those of nested cross-validation."""
        return "fit" in self.plan

    @property
    def judged_part(self) -> str:
        """On which crystals its errors were found, in two words."""
        return "unseen formulas" if self.was_fitted else "validation crystals"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the facts that a user needs, as a table."""
        errors = {name: found["mae"] for name, found in self.metrics.items() if "mae" in found}
        columns = [[each.name, each.unit or ", ".join(each.classes), errors.get(each.name)] for each in self.judged]
        facts = {
            "description": self.description,
            "encoder": self.encoder.get("name"),
            "trained on": f"{self.rows['training']:,} crystals" if "training" in self.rows else "",
            "elements": len(self.elements) or "",
            "intervals": "calibrated" if self.calibration else "none",
            "licence": self.licence,
        }
        table = rows_html(["property", "unit", f"mean absolute error, {self.judged_part}"], columns) if columns else ""
        return facts_html(self.full_name, facts) + table

    def to_json(self) -> str:
        """Return the card as a model file holds it, in this version's format or, if that is newer, its own.

        What only classes or tensors need is left out where there are none, so that cryskit of format 2.0 reads the card.
        """
        newest = max(self.format, FORMAT, key=_numbers)
        unused = {
            i: {name for name in ("classes", "symmetry") if not getattr(prop, name)}
            for i, prop in enumerate(self.properties)
        }
        absent: dict[str, Any] = {"properties": unused} if unused else {}
        absent |= {} if self.spec.point_group else {"spec": {"point_group"}}
        absent |= {} if self.class_calibration else {"class_calibration": True}
        return self.model_copy(update={"format": newest}).model_dump_json(exclude=absent)


def read_card(path: Path) -> Card:
    """Return the card in a model file without loading its weights.

    Args:
        path: The model file. The card of a published model that does not name its version is given it.

    Raises:
        ModelError: It is no model of cryskit, or one in a format that this version of cryskit cannot read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            found = {"format": FIRST_FORMAT, **json.loads(file.metadata()[CARD])}
        written = _numbers(found["format"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _no_model(path, error) from error
    if written[0] > _numbers(FORMAT)[0]:
        raise _too_new(path, found["format"])
    if written < _NAMED_NEIGHBOURHOODS:
        found["encoder"] = _with_nearest(found.get("encoder"))
    try:
        card = Card.model_validate(found)
    except (ValidationError, RecursionError) as error:
        too_new = written > _numbers(FORMAT)
        raise (_too_new(path, found["format"]) if too_new else _no_model(path, error)) from error
    return card if card.version else card.model_copy(update={"version": version_of(path)})


def _with_nearest(encoder: Any) -> Any:
    """Return the encoder of a card older than 2.0 as one of today: all of these knew the nearest neighbours or a radius only."""
    if not isinstance(encoder, dict):
        return encoder
    if "graph" in encoder:
        return encoder | {"graph": _with_nearest(encoder["graph"])}
    if encoder.get("name") == "megnet":
        return encoder | {"neighbours": "radius"}
    count = {"count": encoder["neighbours"]} if "neighbours" in encoder else {}
    return encoder | count | {"neighbours": "nearest"}


def refuse_tensors(card: Card, what: str) -> None:
    """Refuse what only models of numbers and classes can do.

    Args:
        card: Card of the model.
        what: What it would have to do, behind "cannot".

    Raises:
        ModelError: The model predicts tensors.
    """
    if card.has_tensors:
        raise ModelError(f"{card.full_name} predicts tensors, and such models cannot {what}", "Use a model of numbers")


def without_folders(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts of a card with the names of files alone: their folders are those of the computer where the model was trained.

    Args:
        facts: What the card says of data, start or teacher.
    """
    named = {key: ", ".join(map(_file_name, facts[key].split(", "))) for key in _FILES if facts.get(key)}
    return dict(facts) | named


def _file_name(path: str) -> str:
    """Return the last part of a path of whatever system; the path itself if it has only one."""
    return PureWindowsPath(path).name or path


def _numbers(form: str) -> tuple[int, ...]:
    """Return major and minor number of a format."""
    return tuple(map(int, form.split(".")))


def _no_model(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path} is no model file of cryskit ({error})", "Give a file that `cryskit train` wrote")


def _too_new(path: Path, form: str) -> ModelError:
    return ModelError(f"The card of {path} has the format {form}, this cryskit reads up to {FORMAT}", _UPGRADE)


def digest(path: Path) -> str:
    """Return the SHA-256 of a model file, by which results name it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""What the tools take and what they return, as pydantic models: the schemas that an assistant reads."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cryskit.service import schemas
from cryskit.service.schemas import Name

_MODEL = "Name of a model, with or without a version; empty for the default. The tool model_card lists the names. No path, no address."
_DATA = "Name of a bundled set of crystals; the tool model_card lists them. Empty if candidates are given."


class InSet(BaseModel):
    """Crystals that are looked for in a set.

    Attributes:
        data: Name of a bundled set; "" if candidates are given.
        candidates: Crystals among which is searched, in the forms of `structures`.
        model: Name of the model that compares.
        top: Crystals that are returned.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Name = Field("", description=_DATA)
    candidates: list[Any] = Field(
        default_factory=list, description="Crystals among which is searched, instead of `data`."
    )
    model: Name = Field("", description=_MODEL)
    top: int = Field(10, ge=1, le=1000, description="Crystals that are returned.")

    def request(self) -> dict[str, Any]:
        """Return the same as a request for `schemas.Search`, its crystals as JSON."""
        return self.model_dump()


class Nearest(InSet):
    """Find crystals that are like a given one.

    Attributes:
        structure: The crystal, in a form of `structures`.
    """

    structure: dict[str, Any] | str = Field(
        description="One crystal, as a dictionary or as the text of a CIF, POSCAR or XYZ file."
    )

    def request(self) -> dict[str, Any]:
        """Return the same as a request for `schemas.Search`, its crystals as JSON."""
        return {**self.model_dump(exclude={"structure"}), "structures": [json.dumps(self.structure).encode()]}


class Words(InSet):
    """Find crystals that fit words.

    Attributes:
        words: Description of what is looked for.
    """

    words: str = Field(
        min_length=1, max_length=5000, description="What is looked for, in words, for example 'cubic perovskite'."
    )


class Model(BaseModel):
    """Say what a model is.

    Attributes:
        model: Name of a model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Name = Field("", description=_MODEL)


class Row(BaseModel):
    """What is known of one crystal.

    Attributes:
        id: Id that it was given with, or its place in the list.
        status: ok, warned, failed; of a description described, short or failed.
        reason: What is wrong, "" if nothing is.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    status: str
    reason: str


class Predicted(Row):
    """What is predicted of one crystal; further keys are named after the properties.

    Attributes:
        formula: Formula of the crystal; None if it could not be read.
        domain: Whether it is like the crystals that the model was trained on: in, edge or out.
    """

    formula: str | None = None
    domain: str | None = Field(
        None,
        description="in: like the crystals that the model was trained on; edge: hardly; out: not, so that intervals may be wrong. For each property there are NAME, NAME_std (standard deviation), NAME_lo and NAME_hi (interval), in the unit that `units` says.",
    )


class _OfModel(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str = Field(description="Name of the model, with its version.")
    sha256: str = Field(description="SHA-256 of the model file.")


class Predictions(_OfModel):
    """Predictions, one row per crystal in order.

    Attributes:
        units: Unit by column.
        interval: Level of the intervals.
        rows: Predictions.
    """

    units: dict[str, str]
    interval: float | None = None
    rows: list[Predicted]


class Shortlisted(Predictions):
    """A short list, the best first.

    Attributes:
        counts: Number of crystals that were given, predicted, satisfy the condition, and are listed.
        failed: Id of each crystal that could not be predicted, and why.
    """

    counts: dict[str, int]
    failed: list[dict[str, str]]


class Explained(BaseModel):
    """Contributions of atoms and element features to predictions of one property.

    Attributes:
        property: Name of the property.
        unit: Unit of `value`.
        space: Unit of everything else: the property may be learned as a logarithm.
        reading: How the numbers go together.
        rows: Explanations.
    """

    model_config = ConfigDict(extra="allow")

    property: str
    unit: str
    space: str
    reading: str
    rows: list[Row]


class Descriptions(BaseModel):
    """Descriptions in words, one row per crystal in order.

    Attributes:
        version: Program that describes, with its version.
        rows: Descriptions: `text`, and its parts `overall` and `local`.
    """

    model_config = ConfigDict(extra="allow")

    version: str
    rows: list[Row]


class Ranked(Row):
    """A crystal of a set.

    Attributes:
        formula: Its formula.
        similarity: Cosine similarity, 1 for the same; None where there is none.
    """

    formula: str | None = None
    similarity: float | None = Field(description="Cosine similarity of the vectors of the model, 1 at most.")


class Ranking(_OfModel):
    """Crystals of a set, the most similar first; further keys are values that are known of them.

    Attributes:
        data: Name of the set.
        crystals: Number of crystals in it.
        units: Unit of the values that are known.
        rows: The crystals.
    """

    data: str
    crystals: int
    units: dict[str, str]
    rows: list[Ranked]


class Card(_OfModel):
    """What a model is, and what there is besides.

    Attributes:
        properties: What it predicts: names, units, kinds.
        card: Its card in Markdown: data, errors on test crystals, what it is not for.
        models: Names of all models.
        data: Bundled sets of crystals: name to title.
        limits: What a call may hold.
    """

    properties: list[dict[str, Any]]
    card: str
    models: list[str]
    data: dict[str, str]
    limits: dict[str, float]


class Predict(schemas.Predict):
    """Predict properties of crystals."""

    model: Name = Field("", description=_MODEL)


class Screen(schemas.Screen):
    """Make a short list of crystals."""

    model: Name = Field("", description=_MODEL)


class Explain(schemas.Explain):
    """Explain predictions of one property."""

    model: Name = Field("", description=_MODEL)

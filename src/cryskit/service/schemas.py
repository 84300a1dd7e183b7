"""What requests hold besides crystals, as pydantic models: the schemas and the examples of /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_SALT: dict[str, Any] = {
    "id": "CsCl",
    "lattice": [[4.12, 0, 0], [0, 4.12, 0], [0, 0, 4.12]],
    "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
    "atomic_numbers": [55, 17],
}
_POSCAR = "iron\n2.87\n1 0 0\n0 1 0\n0 0 1\nFe\n2\nDirect\n0 0 0\n0.5 0.5 0.5\n"

Name = Annotated[str, Field(max_length=200)]


class Asked(BaseModel):
    """What every request for crystals may say.

    Attributes:
        structures: Crystals in any form that the readers know: a list of dictionaries (pymatgen, JARVIS, OPTIMADE, ASE, or id, lattice,
            frac_coords and atomic_numbers) and texts (CIF, POSCAR, XYZ), or one dictionary that holds several (ids to structures, the answer of an OPTIMADE data base).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    structures: list[Any] | dict[str, Any] = Field(
        default_factory=list,
        description="Crystals in any form that the readers know: dictionaries of pymatgen, JARVIS, OPTIMADE or ASE, or texts of CIF, POSCAR or XYZ files; or one dictionary that holds several.",
    )


class _OfModel(Asked):
    """A request that a model answers.

    Attributes:
        model: Published name, with a version ("cryskit-mp@2026.11") or without; the default of the service if none is given.
    """

    model: Name = Field(
        "", description="Name of a model of /v1/models, with or without a version; no path, no address."
    )


class Predict(_OfModel):
    """Predict properties.

    Attributes:
        properties: Names or aliases of properties; all that the model predicts by default.
        interval: Share of crystals whose labels the intervals should cover.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"structures": [_SALT, _POSCAR], "properties": ["band_gap"], "interval": 0.9}]}
    )

    properties: list[Name] = Field(default_factory=list, max_length=100, description="Properties; all by default.")
    interval: float = Field(0.9, ge=0.5, le=0.99, description="Level of the intervals.")


class Explain(_OfModel):
    """Explain predictions of one property.

    Attributes:
        property: Name or alias of the property; the model's first by default.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"structures": [_SALT], "property": "band_gap"}]})

    property: Name = Field("", description="Property that is explained; the model's first by default.")


class Embed(_OfModel):
    """Return a vector per crystal."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"structures": [_SALT]}]})


class Describe(Asked):
    """Describe crystals in words."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"structures": [_SALT]}]})


class Search(_OfModel):
    """Find crystals in a set.

    Attributes:
        words: Description of what is looked for; "" to search by a crystal.
        data: Name of a bundled set; "" if candidates are sent.
        candidates: Crystals among which is searched, in the forms of `structures`.
        top: Crystals that are returned.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"structures": [_SALT], "data": "elastic_tensor", "top": 5}]}
    )

    words: str = Field(
        "",
        max_length=5000,
        description="What is looked for, in words; a model that is named has to be one that compares them.",
    )
    data: Name = Field("", description="Bundled set among which is searched; see /v1/data.")
    candidates: list[Any] = Field(default_factory=list, description="Crystals among which is searched.")
    top: int = Field(10, ge=1, le=1000, description="Crystals that are returned.")


class Screen(Predict):
    """Make a short list of crystals by what is predicted of them.

    Attributes:
        where: Condition on columns of the predictions, as for `cryskit screen --where`; "" for none.
        rank: Quantities to rank by; several give Pareto fronts.
        top: Crystals that are listed.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"structures": [_SALT, _POSCAR], "where": "band_gap > 1", "rank": ["max band_gap"]}]
        }
    )

    where: str = Field(
        "",
        max_length=4000,
        description='Condition on columns, for example: 1 < band_gap < 3 and contains("O") and domain != out. Columns are id, formula, nsites, nelements, elements, spacegroup (number), status, domain (in, edge, out), and of each property NAME, NAME_std, NAME_lo and NAME_hi.',
    )
    rank: list[Name] = Field(
        default_factory=list,
        max_length=5,
        description='What to rank by, "max NAME" or "min NAME" of a column of numbers; several give Pareto fronts.',
    )
    top: int = Field(10, ge=1, le=1000, description="Crystals that are listed.")


class Structures(Asked):
    """Read crystals."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"structures": [_POSCAR]}]})


class Build(BaseModel):
    """A crystal of a structure type.

    Attributes:
        prototype: Name of the structure type.
        elements: Site to symbol of its element; sites that are not named keep theirs.
        a: Length of a in angstrom; as the radii of the elements ask for by default.
        ratio: c / a of types that are not cubic.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"prototype": "rock-salt", "elements": {"A": "K"}}]}
    )

    prototype: Name = Field(description="Name of /v1/prototypes.")
    elements: dict[Name, Name] = Field(default_factory=dict, max_length=10, description="Site to element.")
    a: float | None = Field(None, ge=1, le=100, description="Length of a in angstrom; from radii by default.")
    ratio: float | None = Field(None, ge=0.1, le=10, description="c / a; that of the structure type by default.")


class Export(BaseModel):
    """Rows that become a file.

    Attributes:
        model: Model that predicted them.
        properties: Properties that become columns; all that the model predicts by default.
        interval: Level of the intervals.
        rows: Rows as /v1/predict answers them, in the order that they shall have.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"rows": [{"id": "CsCl", "band_gap": 5.1, "status": "ok"}]}]}
    )

    model: Name = Field("", description="Model that predicted them; the default of the service if none is given.")
    properties: list[Name] = Field(default_factory=list, max_length=100, description="Properties; all by default.")
    interval: float = Field(0.9, ge=0.5, le=0.99, description="Level of the intervals.")
    rows: list[dict[str, Any]] = Field(description="Rows in the order that they shall have.")


class Table(BaseModel):
    """Rows as JSON.

    Attributes:
        model: Name of the model, with its version.
        sha256: SHA-256 of the model file.
        units: Units by column.
        interval: Level of the intervals, if there are any.
        rows: One per crystal, in order.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "model": "cryskit-mp@2026.11",
                    "sha256": "...",
                    "units": {"band_gap": "eV"},
                    "interval": 0.9,
                    "rows": [
                        {
                            "id": "CsCl",
                            "formula": "CsCl",
                            "band_gap": 5.1,
                            "band_gap_std": 0.4,
                            "band_gap_lo": 4.4,
                            "band_gap_hi": 5.8,
                            "domain": "in",
                            "status": "ok",
                            "reason": "",
                        }
                    ],
                }
            ]
        },
    )

    model: str = ""
    sha256: str = ""
    units: dict[str, str] = Field(default_factory=dict)
    interval: float | None = None
    rows: list[dict[str, Any]]


class JobState(BaseModel):
    """Where a piece of work is.

    Attributes:
        id: Id of the job.
        kind: What is done.
        state: waiting, running, done, failed or cancelled.
        done: Crystals that are finished.
        total: Crystals in all, 0 as long as that is not known.
        result: Address of the result.
        events: Address of its progress as server-sent events.
    """

    id: str
    kind: str
    state: str
    done: int
    total: int
    result: str
    events: str


class Problem(BaseModel):
    """An error (RFC 9457).

    Attributes:
        type: Kind of the problem.
        title: Phrase of the status.
        status: Status of HTTP.
        detail: What is wrong and what to do.
        problem: What is wrong.
        given: What was given.
        expected: What was expected.
        cure: What to do.
        request_id: Id by which the log finds the request.
    """

    type: str
    title: str
    status: int
    detail: str
    problem: str
    given: str | None = None
    expected: str | None = None
    cure: str
    request_id: str | None = None

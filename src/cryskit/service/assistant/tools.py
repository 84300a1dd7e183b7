"""The tools: what each takes, does with the core, and returns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.data.sources.bundled import sources
from cryskit.service import schemas
from cryskit.service.answers import json_of
from cryskit.service.assistant import forms
from cryskit.service.body import checked, validated
from cryskit.service.core import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from cryskit.service.jobs import Job
    from cryskit.service.limits import Limits

    Work = Callable[[Job], dict[str, Any]]
    Prepare = Callable[[Service, Mapping[str, Any], str], Work]

_FEATURES = 10  # element features of a crystal that an explanation lists
_CRYSTALS = (
    " `structures` is a list; each crystal is a dictionary with id, lattice (three vectors in angstrom), frac_coords and atomic_numbers,"
    " a dictionary of pymatgen, ASE, JARVIS or OPTIMADE, or the text of a CIF, POSCAR or XYZ file. Names of files are not read: give what is in them."
)
_LIMIT = " At most {rows:,} crystals of {atoms:,} atoms in a call."
_SLOW = " At most {explained:,} crystals of {atoms:,} atoms in a call. The first call takes longer."


class Tool(NamedTuple):
    """A tool of an assistant.

    Attributes:
        name: Name by which it is called.
        title: Name that people read.
        about: What it does, with units; limits are in braces.
        form: Schema of its arguments.
        result: Schema of what it returns.
        prepare: Function from the core, the arguments (crystals as JSON) and where their schema is, to the work; it raises errors of the arguments.
    """

    name: str
    title: str
    about: str
    form: type[BaseModel]
    result: type[BaseModel]
    prepare: Prepare

    def described(self, limits: Limits) -> str:
        """Return what it does, with limits.

        Args:
            limits: What a call may hold.
        """
        return self.about.format(**vars(limits))


def _of_crystals(form: type[schemas.Asked], work: Callable[..., Any], shorten: Callable[[Any], Any] = dict) -> Prepare:
    """Return what prepares a tool that takes crystals; `shorten` makes its result small enough to be read."""

    def prepare(core: Service, arguments: Mapping[str, Any], schema: str) -> Work:
        content = checked(arguments, form, core.limits, schema=schema)
        return lambda job: shorten(json.loads(json_of(work(core, content.asked, content.given, job))))

    return prepare


def _of_set(form: type[forms.InSet]) -> Prepare:
    """Return what prepares a tool that searches in a set."""

    def prepare(core: Service, arguments: Mapping[str, Any], schema: str) -> Work:
        options = validated(arguments, form, schema).request()
        content = checked(options, schemas.Search, core.limits, schema=schema)
        source = sources().get(content.asked.data)
        units = {} if source is None else dict(source.units)
        return lambda job: {
            "units": units,
            **json.loads(json_of(core.search(content.asked, content.given, job))),
        }

    return prepare


def _model_card(core: Service, arguments: Mapping[str, Any], schema: str) -> Work:
    asked = validated(arguments, forms.Model, schema)
    core.models.full_name(asked.model)

    def work(_job: Job) -> dict[str, Any]:
        there = {
            "models": [each["model"] for each in core.models.cards()],
            "data": {name: each.title for name, each in sources().items()},
            "limits": dict(vars(core.limits)),
        }
        return core.models.about(asked.model, whole=True) | there

    return work


def _shortened(found: dict[str, Any]) -> dict[str, Any]:
    """Return explanations with the largest features alone, and without what the assistant has given itself."""
    named = ("property", "unit", "kind", "space", "method", "reading")
    rows = [_shortened_row(row) for row in found["rows"]]
    return {"model": found["model"]["name"], "sha256": found["sha256"]} | {n: found[n] for n in named} | {"rows": rows}


def _shortened_row(row: dict[str, Any]) -> dict[str, Any]:
    if "features" not in row:
        return row
    left_out = ("features", "structure", "steps", "without_description")
    largest = sorted(row["features"].items(), key=lambda each: -abs(each[1]))[:_FEATURES]
    orbits = [{name: value for name, value in orbit.items() if name != "features"} for orbit in row["orbits"]]
    kept = {name: value for name, value in row.items() if name not in left_out}
    return kept | {"orbits": orbits, "features": dict(largest)}


TOOLS = (
    Tool(
        "predict",
        "Predict properties of crystals",
        "Predict properties of crystals from their structures: formation energy, band gap, elastic moduli and others (the tool model_card lists them), each with a"
        " calibrated interval and a statement whether the crystal is in the domain of the model. Numbers are in the units that `units` says. One row per crystal, in order; a crystal that"
        " cannot be used is a row whose status is failed and whose reason says why." + _CRYSTALS + _LIMIT,
        forms.Predict,
        forms.Predictions,
        _of_crystals(forms.Predict, Service.predict),
    ),
    Tool(
        "explain",
        "Explain predictions",
        "Explain what a model predicts of one property: contributions of atoms and of element features, which add up to the prediction in the unit that `space` says; `reading` says how."
        " The features listed are the largest." + _CRYSTALS + _SLOW,
        forms.Explain,
        forms.Explained,
        _of_crystals(forms.Explain, Service.explain, _shortened),
    ),
    Tool(
        "describe",
        "Describe crystals in words",
        "Describe crystals in words (Robocrystallographer): space group, coordination, bond lengths in angstrom."
        + _CRYSTALS
        + _SLOW,
        schemas.Describe,
        forms.Descriptions,
        _of_crystals(schemas.Describe, Service.describe),
    ),
    Tool(
        "search",
        "Find crystals that fit words",
        "Find the crystals of a bundled set, or of `candidates`, that fit a description in words, the best first. A model that is named has to be one that compares crystals with words; to find crystals that are like a"
        " given one, call nearest." + _LIMIT,
        forms.Words,
        forms.Ranking,
        _of_set(forms.Words),
    ),
    Tool(
        "nearest",
        "Find crystals that are like a given one",
        "Find the crystals of a bundled set, or of `candidates`, that are most like a given one, by the cosine similarity of the vectors of a model, with the values that are known of them (units in `units`)."
        " The first search in a set takes longer." + _LIMIT,
        forms.Nearest,
        forms.Ranking,
        _of_set(forms.Nearest),
    ),
    Tool(
        "screen",
        "Make a short list of crystals",
        "Predict properties of the crystals given, keep those that satisfy the condition `where`, rank them by `rank`, and return the `top` ones with the probability that the condition holds. Numbers are in the units"
        " that `units` says." + _CRYSTALS + _LIMIT + " For more there is the command cryskit screen.",
        forms.Screen,
        forms.Shortlisted,
        _of_crystals(forms.Screen, Service.screen),
    ),
    Tool(
        "model_card",
        "Say what a model is",
        "Say what a model is: what it predicts, in which units, from which data, with which errors, and what it is not for; also the names of all models, the bundled sets of crystals, and the limits of a call.",
        forms.Model,
        forms.Card,
        _model_card,
    ),
)
"""All tools."""

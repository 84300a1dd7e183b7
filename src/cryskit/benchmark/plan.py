"""The plan of a benchmark, and the rows that it stands for."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cryskit.data.targets import property_name
from cryskit.errors import PlanError
from cryskit.training.plan import Names, Plan
from cryskit.training.plan_problems import problems
from cryskit.yaml_files import read_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Config = dict[str, Any]
_SCRATCH: dict[str, Config] = {"scratch": {}}
_RESERVED = ("properties", *(f"optimisation.{key}" for key in ("epochs", "steps", "seed", "edges", "patience")))
_TEXT = "text"  # key of a regime that is none of a training plan
_MODELS = ("start", "teacher")  # keys of a training plan that name a model, and may name the row that makes it


_Names = Annotated[Names, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Part):
    """A data set, how it is divided, and what of it is learned.

    Attributes:
        source: A bundled data set, a file or a folder.
        properties: Names or aliases of properties, or columns, each learned by a network of its own; or a mapping from a name of your
            choice to the properties that one network learns together.
        split: "random", "formula" or "system" for 80:10:10 at seed 0, or a split file; "matbench" for the five folds of
            Matbench v0.1; "jarvis" for the ids in the file `ids`.
        ids: The train, val and test ids and labels of a JARVIS-Leaderboard benchmark (.json or .json.zip).
        task: Name that the protocol gives the task: "matbench_log_kvrh" (default: the stem of the source), or
            "AI-SinglePropertyPrediction-exfoliation_energy-dft_3d-test-mae".
        validation: Share of the training crystals that choose the epoch where a protocol names no validation crystals.
    """

    source: str
    properties: _Names | Annotated[dict[str, _Names], Field(min_length=1)]
    split: str = "random"
    ids: str | None = None
    task: str = ""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _is_whole(self) -> Data:
        if (self.split == "jarvis") != (self.ids is not None):
            message = "`ids` and `split: jarvis` belong together"
            raise ValueError(message)
        learned = [name for names in self.targets().values() for name in names]
        if self.split in {"jarvis", "matbench"} and len(learned) != 1:
            message = f"a task of {self.split} has one property"
            raise ValueError(message)
        if twice := sorted({name for name in learned if learned.count(name) > 1}):
            message = f"{', '.join(twice)} is learned twice; name the data set twice to compare both ways"
            raise ValueError(message)
        return self

    def targets(self) -> dict[str, tuple[str, ...]]:
        """Return what the rows learn: the name of a target to its properties, by their registry names."""
        if isinstance(self.properties, dict):
            return {target: tuple(map(property_name, names)) for target, names in self.properties.items()}
        return {name: (name,) for name in map(property_name, self.properties)}


class Budget(_Part):
    """How long every run trains: the same for all regimes.

    Attributes:
        epochs: Number of passes over the labelled training crystals, or fraction to number of passes. A regime that trains on
            other crystals, too, makes as many steps.
        steps: Number of steps of the optimiser, rounded to whole passes.
    """

    epochs: Annotated[int, Field(ge=1)] | dict[float, Annotated[int, Field(ge=1)]] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Budget:
        if (self.epochs is None) == (self.steps is None):
            message = "give either epochs or steps"
            raise ValueError(message)
        return self


class Row(NamedTuple):
    """One cell of a benchmark: a training and its judgement.

    Attributes:
        data: Name of the data set.
        property: Property, or name of the properties that one network learns together.
        encoder: Name of the encoder.
        regime: Name of the regime.
        fraction: Share of the crystals that train.
        seed: Seed of the draw, the weights and the order of crystals.
    """

    data: str
    property: str
    encoder: str
    regime: str
    fraction: float
    seed: int


class BenchmarkPlan(_Part):
    """Data x property x encoder x regime x train fraction x seed.

    Attributes:
        name: Name of the benchmark.
        data: Name of each data set to the data set.
        encoders: Name of each encoder to its registry name and arguments.
        regimes: Name of each regime to values laid over the training plan: {} for training from scratch, {"start": {"file": ...}} for
            fine-tuning. In their texts "{encoder}", "{data}", "{property}" and "{seed}" stand for those of the row, and a text
            "{network}" for the configuration of its encoder. Instead of a file, `start` and `teacher` may name an earlier row,
            whose model they are, by the fields in which it differs: {"teacher": {"row": {"encoder": "large", "regime":
            "fine-tuned"}}}. `text` names a table of descriptions that the crystals bring along.
        base: Regime that the others are compared with.
        fractions: Shares of the crystals that train.
        of: Whole that fractions are shares of: the training part of the split ("training"), or all labelled crystals ("all").
        seeds: Seeds of the rows; each draws its own training crystals, weights and order of crystals.
        validation: Number of validation crystals per training crystal, for small fractions; None for the whole part.
        least: Least number of validation crystals, as far as the part goes.
        plan: Training plan that all rows share, without properties and encoder.
        budget: Number of epochs or steps.
        grid: Key of the training plan ("optimisation.rate") to values that every row tries; validation chooses.
        skip: Rows to leave out, each named by some of its fields: {"encoder": "alignn", "fraction": 1.0}.
        leakage: Report what training, test and pre-training share.
        corpus: Data sets on which models that rows start from were trained, to look for near-duplicates in their structures.
        submission: Author, team and so on, for leaderboards.
    """

    name: str
    data: Annotated[dict[str, Data], Field(min_length=1)]
    encoders: Annotated[dict[str, Config], Field(min_length=1)]
    regimes: dict[str, Config] = Field(default_factory=lambda: dict(_SCRATCH))
    base: str = "scratch"
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (1.0,)
    of: Literal["training", "all"] = "training"
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    validation: Annotated[float, Field(gt=0)] | None = None
    least: Annotated[int, Field(ge=1)] = 100
    plan: Config = Field(default_factory=dict)
    budget: Budget
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    skip: tuple[dict[str, Any], ...] = ()
    leakage: bool = True
    corpus: Names = ()
    submission: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_fair(self) -> BenchmarkPlan:
        if self.base not in self.regimes:
            message = f"the base {self.base!r} is none of the regimes {', '.join(self.regimes)}"
            raise ValueError(message)
        if isinstance(self.budget.epochs, dict) and (missing := set(self.fractions) - set(self.budget.epochs)):
            message = f"the budget names no epochs for the fractions {sorted(missing)}"
            raise ValueError(message)
        for where, keys in {**{f"regime {k}": keys_of(v) for k, v in self.regimes.items()}, "grid": self.grid}.items():
            if unequal := sorted(set(keys) & set(_RESERVED)):
                message = f"the {where} sets {', '.join(unequal)}, which has to be the same for all rows"
                raise ValueError(message)
        rows = [
            regime[key]["row"] for regime in self.regimes.values() for key in _MODELS if "row" in regime.get(key, {})
        ]
        for where, rule in [*(("skip", rule) for rule in self.skip), *(("a regime", row) for row in rows)]:
            if unknown := set(rule) - set(Row._fields):
                message = f"{where} names {', '.join(sorted(unknown))}; a row has {', '.join(Row._fields)}"
                raise ValueError(message)
        return self

    @classmethod
    def from_yaml(cls, path: Path) -> BenchmarkPlan:
        """Read a plan from a YAML file.

        Raises:
            PlanError: The file is missing, no YAML, or no plan, or a training in it is none; every wrong key is named.
        """
        try:
            plan = cls.model_validate(read_mapping(path, PlanError))
        except ValidationError as error:
            raise PlanError(
                f"{path} is no plan of a benchmark ({problems(error, cls)})", "Correct these keys"
            ) from error
        for row in plan.rows():
            plan.training_plans(row, {"epochs": 1}, str)  # whose keys are judged before any data is read
        return plan

    def rows(self) -> Iterator[Row]:
        """Yield the rows: all of a seed before the next, small fractions first, the regimes side by side."""
        places = [(name, target) for name, data in self.data.items() for target in data.targets()]
        for seed, fraction, (data, prop), encoder, regime in product(
            self.seeds, sorted(self.fractions), places, self.encoders, self.regimes
        ):
            row = Row(data, prop, encoder, regime, fraction, seed)
            if not any(all(getattr(row, key) == value for key, value in rule.items()) for rule in self.skip):
                yield row

    def learned(self, row: Row) -> tuple[str, ...]:
        """Return the properties that a row learns."""
        return self.data[row.data].targets()[row.property]

    def texts(self, row: Row) -> str:
        """Return the table of descriptions that the crystals of a row bring along; "" if there is none."""
        table: str = self.regimes[row.regime].get(_TEXT, "")
        return table

    def training_plans(self, row: Row, budget: Mapping[str, int], model: Callable[[Row], str]) -> list[Plan]:
        """Return the training plans of a row: one for each point of the grid.

        Args:
            row: The row.
            budget: "epochs" or "steps" to their number.
            model: Function that gives the model file of another row.

        Raises:
            PlanError: What is laid over one another is no training plan.
        """
        below = merged(self.plan, {"encoder": self.encoders[row.encoder]})
        fields = row._asdict() | {"network": self.encoders[row.encoder]}
        regime = {key: value for key, value in self.regimes[row.regime].items() if key != _TEXT}
        values = merged(below, _filled(_with_files(regime, row, model), fields))
        fixed = {"properties": list(self.learned(row)), "optimisation": {**budget, "seed": row.seed}}
        points = [dict(zip(self.grid, point, strict=True)) for point in product(*self.grid.values())]
        return [
            Plan.make(merged(merged(values, _nested(point)), fixed), f"the plan of {tuple(row)}") for point in points
        ]


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Config:
    """Return a configuration with another laid over it, mapping by mapping.

    Args:
        below: Nested mappings.
        above: Values that win. A mapping with another "name" than the one below replaces it: arguments of one part are not mixed
            with those of another.
    """
    values = dict(below)
    for key, value in above.items():
        old = values.get(key)
        alike = isinstance(old, dict) and isinstance(value, dict) and value.get("name") in {None, old.get("name")}
        values[key] = merged(old, value) if isinstance(old, dict) and alike else value
    return values


def keys_of(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield the keys of nested mappings, and of the mappings themselves, joined by dots."""
    for key, value in values.items():
        yield f"{before}{key}"
        if isinstance(value, dict):
            yield from keys_of(value, f"{before}{key}.")


def _nested(point: Mapping[str, Any]) -> Config:
    values: Config = {}
    for dotted, value in point.items():
        *path, last = dotted.split(".")
        leaf: Config = {last: value}
        for key in reversed(path):
            leaf = {key: leaf}
        values = merged(values, leaf)
    return values


def _with_files(regime: Config, row: Row, model: Callable[[Row], str]) -> Config:
    """Put model files in place of the rows that make them."""
    values = dict(regime)
    for key in _MODELS:
        if "row" in values.get(key, {}):
            named = {name: value for name, value in values[key].items() if name != "row"}
            values[key] = {**named, "file": model(row._replace(**values[key]["row"]))}
    return values


def _filled(value: Any, fields: Mapping[str, Any]) -> Any:
    """Put the fields of a row into the texts of an overlay, and its encoder in place of "{network}"."""
    if isinstance(value, dict):
        return {key: _filled(item, fields) for key, item in value.items()}
    if value == "{network}":
        return fields["network"]
    if isinstance(value, str):
        for name, field in fields.items():
            value = value.replace(f"{{{name}}}", str(field))
    return value

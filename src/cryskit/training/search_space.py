"""The space that a tuning searches: keys of a plan, each with the values that it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from cryskit.errors import PlanError
from cryskit.training.plan import Plan
from cryskit.training.settle import settle
from cryskit.yaml_files import parse_mapping, read_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT = """\
start: [scratch, crysae, crysgnn]
encoder.width: [32, 64, 96, 128]
encoder.layers: {low: 2, high: 5}
optimisation.rate: {low: 0.0003, high: 0.01, log: true}
optimisation.weight_decay: {low: 0.0001, high: 0.3, log: true}
optimisation.epochs: [20, 40, 80]
"""
"""The space that is searched where none is given, as YAML."""
START, SCRATCH = "start", "scratch"
"""Key of the model to start from, and its value for random weights."""

_NETWORK = "encoder"
_CURE = "Give each key a list of values, or {low: ..., high: ...} with `log: true` or `step: ...`"

Value = bool | int | float | str | None


class Range(BaseModel):
    """Numbers from `low` to `high`, both included: whole numbers if both are whole.

    Attributes:
        low: Smallest value.
        high: Largest value.
        log: Whether equal ratios, and not equal differences, are equally likely.
        step: Difference of neighbouring values; None for any value between.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float
    high: int | float
    log: bool = False
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _is_range(self) -> Range:
        if self.low >= self.high:
            message = "low has to be below high"
            raise ValueError(message)
        if self.log and (self.low <= 0 or self.step is not None):
            message = "with log, low has to be positive and there is no step"
            raise ValueError(message)
        return self

    def suggested(self, name: str, trial: Any) -> int | float:
        """Return what a trial of Optuna suggests."""
        found: int | float
        if isinstance(self.low, int) and isinstance(self.high, int):
            found = trial.suggest_int(name, self.low, self.high, log=self.log, step=int(self.step or 1))
        else:
            found = trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)
        return found


_Choices = Annotated[tuple[Value, ...], Field(min_length=1)]
Space = dict[str, _Choices | Range]
_SPACE: TypeAdapter[Space] = TypeAdapter(Annotated[Space, Field(min_length=1)])


def space_of(given: Mapping[str, Any] | Path | None, plan: Plan) -> Space:
    """Return the space that is searched for a plan.

    Args:
        given: Key of a plan ("optimisation.rate") to its values, the YAML file of such a mapping, or None for the default without
            the keys that the plan sets itself: where it names an encoder, it does not start from another.
        plan: The plan that the values are laid over.

    Raises:
        PlanError: It is no space, or a value is none that a plan takes.
    """
    origin = "the search space" if given is None or isinstance(given, dict) else str(given)
    if given is None:
        values = _without(parse_mapping(DEFAULT, origin, PlanError), plan)
    else:
        values = dict(given) if isinstance(given, dict) else read_mapping(given, PlanError)  # type: ignore[arg-type]
    try:
        space = _SPACE.validate_python(values)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(one["loc"][0]) if one["loc"] else "it is empty" for one in error.errors()}))
        raise PlanError(f"{origin} is no search space ({wrong})", _CURE) from error
    for key, possible in space.items():
        for value in (possible.low, possible.high) if isinstance(possible, Range) else possible:
            _check(key, value, plan, origin)
    return space


def suggested(space: Space, trial: Any) -> dict[str, Value]:
    """Return the values that a trial of Optuna suggests; who starts from a model takes its network over as it is.

    Args:
        space: The space.
        trial: The trial.
    """
    found: dict[str, Value] = {}
    for key in sorted(space, key=lambda key: key != START):
        if key.startswith(f"{_NETWORK}.") and found.get(START, SCRATCH) != SCRATCH:
            continue
        possible = space[key]
        found[key] = (
            possible.suggested(key, trial) if isinstance(possible, Range) else trial.suggest_categorical(key, possible)
        )
    return found


def laid_over(plan: Plan, settings: Mapping[str, Value]) -> Plan:
    """Return a plan with other values.

    Args:
        plan: The plan.
        settings: Key of the plan, with dots, to value.

    Raises:
        PlanError: There is no such key, or it takes no such value.
    """
    values = plan.model_dump(mode="json", exclude_unset=True)
    for key, value in settings.items():
        if key == START:
            if value != SCRATCH:
                values |= {START: {"file": value}}
                values.pop(_NETWORK, None)
            continue
        *path, last = key.split(".")
        inside = values
        for part in path:
            default = dict(plan.encoder) if part == _NETWORK else {}
            inside = inside.setdefault(part, default)
            if not isinstance(inside, dict):
                raise PlanError(f"There is no key {key} in a plan", "Correct it")
        inside[last] = value
    return Plan.make(values, f"the plan with {', '.join(f'{key} {value}' for key, value in settings.items())}")


def _check(key: str, value: Value, plan: Plan, origin: str) -> None:
    """Refuse a value that a plan does not take."""
    try:
        settle(laid_over(plan, {key: value}))
    except PlanError as error:
        raise PlanError(f"{origin}: {error.problem}", "Correct this key of the search space") from error


def _without(values: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """Return the default space without what a plan sets itself."""
    fixed = plan.model_dump(mode="json", exclude_unset=True)
    if _NETWORK in fixed or START in fixed:
        values = {key: one for key, one in values.items() if key != START}
    if START in fixed:
        values = {key: one for key, one in values.items() if not key.startswith(f"{_NETWORK}.")}
    kept = {}
    for key, one in values.items():
        top, _, below = key.partition(".")
        if below not in (fixed.get(top) or {}):
            kept[key] = one
    return kept

"""Tune a plan: try settings one after another, end early those that fall behind, keep the one with the lowest validation loss.

Optuna (extra `tune`) suggests settings by its tree-structured Parzen estimator and ends trials by successive halving. Every trial trains as
`train` does, on the same split, whose test part nothing looks at. What was tried is in an SQLite file, whose transactions survive
a kill: the trial that was running goes on from its last epoch, and each suggestion is drawn by a seed of its own, so the trials are those
of an undisturbed search.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryskit.atomic_write import replacing
from cryskit.errors import DataError, PlanError
from cryskit.exclusive import exclusive
from cryskit.graphs.remembered import remembered
from cryskit.plots.trials import Curve, plot_trials
from cryskit.training.identity import Identity, claim, digest_of, flat
from cryskit.training.inputs import SPLIT, crystals_of, plan_of, split_of
from cryskit.training.log import LOG, read_log
from cryskit.training.search_space import laid_over, space_of, suggested
from cryskit.training.settle import SettledPlan, settle
from cryskit.training.sparsity import error_of
from cryskit.training.train import train_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cryskit.data.splits import Split
    from cryskit.training.plan import Plan
    from cryskit.training.search_space import Space, Value
    from cryskit.types import Crystal

TRIALS = 20
"""Number of trials unless the caller says otherwise."""
TABLE, FIGURE, STORAGE = "trials.csv", "trials.png", "trials.sqlite"
"""Files of a tuning: every trial, their loss curves, and what Optuna knows."""

_STEPS = 1000  # steps of a whole run; runs of different lengths are compared at the same share of their schedules
_FIRST = 250  # steps after which a trial has to be among the better ones, again after twice as many
_BETTER = 2  # of so many trials, one goes on
_RANDOM = 8  # trials that are drawn at random before earlier ones are learned from
_PATIENCE = 60.0  # seconds to wait for the file while something else reads it, a backup for instance
_SETTINGS, _REASON, _ERROR = "settings", "reason", "error"  # what a trial notes of itself


class _EndedEarly(Exception):  # noqa: N818 - no error
    """A trial that is not to go on."""


class _OutOfTime(Exception):  # noqa: N818 - no error
    """The budget is used up."""


@dataclass(frozen=True)
class Tuned:
    """What a tuning gives.

    Attributes:
        plan: The plan with the best settings.
        path: Its file, which `cryskit train --config` takes.
        settings: Key of the plan to value, of the best trial.
        trial: Number of the best trial.
        loss: Its lowest validation loss.
        table: One row per trial: number, state, settings, validation loss, error.
        folder: Folder with the table, the figure, the split and a folder for each trial, with its model.
    """

    plan: Plan = field(repr=False)
    path: Path
    settings: dict[str, Value]
    trial: int
    loss: float
    table: pd.DataFrame = field(repr=False)
    folder: Path


@remembered()
def tune(
    plan: Any,
    crystals: Any,
    split: Split | str | Path | None = None,
    out: Path | str = "best.yaml",
    folder: Path | str | None = None,
    *,
    trials: int = TRIALS,
    budget: float | None = None,
    space: Mapping[str, Any] | Path | None = None,
    seed: int = 0,
    source: str = "",
    announce: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Search the settings of a plan with the lowest validation loss.

    The test crystals of the split are not looked at. A tuning that was stopped goes on when it is called again, also with more trials.

    Args:
        plan: What is learned, as `cryskit.train` takes it; what it sets itself is not searched unless `space` names it.
        crystals: The whole data set that the split divides: crystals, or whatever `cryskit.read` takes.
        split: Which crystals train and which choose, as `cryskit.train` takes it; kept in the folder.
        out: The plan file to write.
        folder: Folder of the tuning; `<out>.tune` by default.
        trials: Number of trials, those of earlier calls included.
        budget: Seconds after which nothing is begun or goes on in this call; None for no limit.
        space: Key of the plan to a list of values or to low and high, or a YAML file of that; None for `search_space.DEFAULT`.
        seed: Seed of the suggestions.
        source: Where the data came from, for the cards of the models.
        announce: Function that is called with a line after each trial.

    Raises:
        DataError: The data cannot be read, or the file of trials is damaged.
        PlanError: The plan or the space is not valid, Optuna is missing, no trial came to its end, `folder` holds another tuning, or
            another process tunes in it.
    """
    require_optuna()
    started, out = time.monotonic(), Path(out)
    folder = Path(folder) if folder is not None else out.with_name(f"{out.name}.tune")
    asked = _asked(plan)
    searched = space_of(space, asked)
    crystals = crystals_of(crystals)
    divided = split_of(split, crystals, asked.optimisation.seed)
    known = [one for part in divided.divide(crystals)[:2] for one in part]
    labels = digest_of([[*sorted(one.targets.items()), *sorted(one.labels.items())] for one in known])
    data = {"data": divided.data, "split": divided.hash, "labels": labels, "seed": seed}
    identity = Identity(flat(asked.decisive) | data | {f"space.{key}": str(one) for key, one in searched.items()})
    end = None if budget is None else started + budget
    search = _Search(asked, searched, crystals, divided, folder, seed, source, end)
    busy = PlanError(f"Another process tunes in {folder}", "Wait for it, or choose another --out or --folder")
    with exclusive(folder, busy):
        claim(folder, identity)
        divided.save(folder / SPLIT)
        with _study(folder / STORAGE) as study:
            while len(_finished(study)) < trials and not search.is_over() and search.one(study, announce):
                _leave(study, folder)
            return _result(study, asked, out, folder)


def _asked(plan: Any) -> Plan:
    found = plan_of(plan)
    return found.asked if isinstance(found, SettledPlan) else found


def require_optuna() -> None:
    """Refuse to tune without Optuna.

    Raises:
        PlanError: It is not installed.
    """
    try:
        import optuna  # noqa: F401, PLC0415
    except ImportError as error:
        raise PlanError("Tuning needs Optuna, which is not installed", "pip install 'cryskit[tune]'") from error


@contextmanager
def _study(path: Path) -> Iterator[Any]:
    """Open the study in a file, which is made if it is missing, and close the file in the end.

    Raises:
        DataError: The file is damaged.
    """
    import optuna  # noqa: PLC0415
    from sqlalchemy.exc import DatabaseError  # noqa: PLC0415

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if not path.exists():
            # Tables and indexes are made one after the other; a file with some of them would be damaged for good
            with replacing(path) as temporary, _opened(temporary):
                pass
        with _opened(path) as study:
            yield study
    except (DatabaseError, optuna.exceptions.StorageInternalError) as error:
        raise DataError(f"{path} is damaged ({error.__cause__ or error})", "Delete the folder to begin anew") from error
    finally:
        optuna.logging.set_verbosity(level)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open the study in a file; tables that are missing are made."""
    import optuna  # noqa: PLC0415

    storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": _PATIENCE}})
    try:
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=_FIRST, reduction_factor=_BETTER)
        yield optuna.create_study(storage=storage, study_name="tune", load_if_exists=True, pruner=pruner)
    finally:
        storage.remove_session()
        storage.engine.dispose()


@dataclass(frozen=True)
class _Search:
    """What all trials of a tuning share."""

    plan: Plan
    space: Space
    crystals: list[Crystal]
    split: Split
    folder: Path
    seed: int
    source: str
    end: float | None

    def is_over(self) -> bool:
        """Return whether the budget is used up."""
        return self.end is not None and time.monotonic() > self.end

    def one(self, study: Any, announce: Callable[[str], None]) -> bool:
        """Make one trial, or go on with the one that was stopped; return False if the budget ended it."""
        from optuna.trial import TrialState  # noqa: PLC0415

        trial = self._next(study)
        settings: dict[str, Value] = trial.user_attrs[_SETTINGS]
        settled = settle(laid_over(self.plan, settings))
        place = self.folder / f"trial-{trial.number}"
        reported = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)

        def watch(done: float, loss: float) -> None:
            if self.is_over():
                raise _OutOfTime
            if not isfinite(loss):
                raise _EndedEarly("diverged")
            step = round(done * _STEPS)
            if step not in reported:
                trial.report(loss, step)
            if step < _STEPS and trial.should_prune():
                raise _EndedEarly("fell behind")

        try:
            card = train_once(
                *(settled, self.crystals, self.split, place / "model.safetensors", place),
                name=place.name,
                source=self.source,
                cache=self.folder,
                judging=False,
                progress=False,
                watch=watch,
            )
        except _OutOfTime:
            return False
        except _EndedEarly as why:
            trial.set_user_attr(_REASON, str(why))
            study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.set_user_attr(_ERROR, error_of(card.metrics)["error"])
            study.tell(trial, min(entry["validation_loss"] for entry in read_log(place / LOG)))
        announce(_line(study, trial.number))
        return True

    def _next(self, study: Any) -> Any:
        """Return the trial that was stopped, or a new one with settings of its own."""
        from optuna.samplers import TPESampler  # noqa: PLC0415
        from optuna.trial import Trial, TrialState  # noqa: PLC0415

        for stopped in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if _SETTINGS in stopped.user_attrs:
                return Trial(study, stopped._trial_id)  # noqa: SLF001 - Optuna has no other way to go on with a trial
            study.tell(stopped.number, state=TrialState.FAIL)  # it was killed before it had its settings
        known = sum(one.state != TrialState.FAIL for one in study.get_trials(deepcopy=False))
        (mixed,) = np.random.SeedSequence((self.seed, known)).generate_state(1)
        study.sampler = TPESampler(seed=int(mixed), n_startup_trials=_RANDOM)
        trial = study.ask()
        trial.set_user_attr(_SETTINGS, suggested(self.space, trial))
        return trial


def _finished(study: Any) -> list[Any]:
    """Return the trials that came to their end, early or not."""
    return [one for one in study.get_trials(deepcopy=False) if one.state.name in {"COMPLETE", "PRUNED"}]


def _line(study: Any, number: int) -> str:
    """Return what came out of a trial, as a line."""
    one = study.get_trials(deepcopy=False)[number]
    said = one.user_attrs.get(_REASON) or f"validation loss {one.value:.4g}"
    settings = ", ".join(f"{key} {_short(value)}" for key, value in one.user_attrs[_SETTINGS].items())
    return f"trial {number}: {said} ({settings})"


def _short(value: Value) -> Value:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _table(study: Any) -> pd.DataFrame:
    """Return one row per trial."""
    states = {"COMPLETE": "complete", "PRUNED": "ended early", "RUNNING": "unfinished"}
    rows = [
        {
            "trial": one.number,
            "state": states[one.state.name],
            "reason": one.user_attrs.get(_REASON, ""),
            **one.user_attrs.get(_SETTINGS, {}),
            "validation_loss": one.value if one.state.name == "COMPLETE" else None,
            "last_loss": one.intermediate_values[max(one.intermediate_values)] if one.intermediate_values else None,
            "done": max(one.intermediate_values, default=0) / _STEPS,
            "error": one.user_attrs.get(_ERROR),
        }
        for one in study.get_trials(deepcopy=False)
        if one.state.name in states
    ]
    last = ["validation_loss", "last_loss", "done", "error"]
    table = pd.DataFrame(rows)
    return table[[name for name in table if name not in last] + last]


def _leave(study: Any, folder: Path) -> None:
    """Write the table of trials."""
    with replacing(folder / TABLE) as temporary:
        _table(study).to_csv(temporary, index=False)


def _result(study: Any, asked: Plan, out: Path, folder: Path) -> Tuned:
    """Write plan, table and figure of what was tried."""
    complete = [one for one in _finished(study) if one.state.name == "COMPLETE"]
    if not complete:
        raise PlanError(
            "No trial came to its end", "Give a larger --budget or more --trials, and the same command goes on"
        )
    best = min(complete, key=lambda one: (one.value, one.number))
    settings = dict(best.user_attrs[_SETTINGS])
    plan = settle(laid_over(asked, settings)).asked
    with replacing(out) as temporary:
        temporary.write_text(plan.to_yaml(), encoding="utf-8")
    _leave(study, folder)
    plot_trials([_curve(one, best.number) for one in _finished(study) if one.intermediate_values], folder / FIGURE)
    return Tuned(plan, out, settings, best.number, best.value, _table(study), folder)


def _curve(trial: Any, best: int) -> Curve:
    steps = sorted(trial.intermediate_values)
    losses = [trial.intermediate_values[step] for step in steps]
    return Curve([step / _STEPS for step in steps], losses, trial.state.name == "COMPLETE", trial.number == best)

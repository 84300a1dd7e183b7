"""What `cryskit train --folds N` does: train and judge every fold, print means and standard deviations over folds."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryskit.cli import plans, training
from cryskit.cli.crystals import on_terminal
from cryskit.cli.figures import print_figures
from cryskit.cli.output import note, print_json
from cryskit.errors import counted
from cryskit.exclusive import is_main_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.data.splits import Split
    from cryskit.training.cross_validation import CrossValidation
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal

SUFFIX = (".csv", ".parquet", *training.SUFFIX)
"""Endings of `--out`: those of the out-of-fold table, and that of a model, whose name then is that of the folder alone."""

Folds = Annotated[
    int | None,
    typer.Option(
        "--folds",
        min=2,
        metavar="N",
        help="Cross-validate: train N times, each judged on the N-th part that it leaves out; --out is the table (.csv, .parquet).",
        show_default=False,
    ),
]


def refuse_contradictions(split: str | None, penalty: str | None) -> None:
    """Refuse options that have no meaning with folds, before anything is read.

    Args:
        split: The value of `--split`.
        penalty: The value of `--selector-penalty`.

    Raises:
        BadParameter: The penalty is to be chosen.
        PlanError: The split is a file, or a word that is no kind of group.
    """
    from cryskit.training.cross_validation import kind_of

    kind_of(split)
    if penalty == plans.AUTO:
        raise typer.BadParameter("a number is needed with --folds", param_hint="'--selector-penalty'")


def cross_validate(
    settled: "SettledPlan",
    crystals: "Sequence[Crystal]",
    folds: int,
    split: str | None,
    fraction: float,
    common: training.Common,
    settings: dict[str, Any],
) -> bool:
    """Cross-validate, show the figures, and return whether some crystals could not be used.

    Args:
        settled: The plan.
        crystals: The whole data set.
        folds: Number of folds.
        split: What folds keep together; None for formulas.
        fraction: Share of the training crystals of each fold to use.
        common: The options of every training.
        settings: Further arguments of `cryskit.train`.
    """
    from cryskit.training import train as supervised
    from cryskit.training.cross_validation import splits_of

    every: list[Split] = splits_of(folds, split, crystals, settled.plan.optimisation.seed)
    every = [one.first(fraction) for one in every]
    with training.quietly(common.place):
        found = supervised.train(
            *(settled, crystals, None, common.out, common.place),
            folds=every,
            progress=on_terminal(),
            announce=note,
            **settings,
        )
    if is_main_process():
        _show(found, as_json=common.as_json)
    return any("unusable" in one["crystals"] or one["crystals"]["test failed"] for one in found.folds)


def _show(found: "CrossValidation", *, as_json: bool) -> None:
    """Print mean and standard deviation of every figure, and the files."""
    from cryskit.atomic_write import read_json
    from cryskit.training.cross_validation import spread

    if as_json:
        print_json(read_json(found.summary, "Give the same command again"))
        return
    figures: dict[str, dict[str, float | str]] = {
        name: {
            figure: sum(one["metrics"].get(name, {}).get(figure, 0) for one in found.folds)
            if figure.partition("_")[0] == "n"
            else spread(mean, deviation)
            for figure, (mean, deviation) in each.items()
        }
        for name, each in found.metrics.items()
    }
    count = counted(len(found.table), "crystal")
    typer.echo(
        f"Mean ± standard deviation over {len(found.folds)} folds, errors on {count} that a model had not seen:\n"
    )
    print_figures(figures, found.units)
    typer.echo(f"\ntable    {found.path}\nsummary  {found.summary}")
    typer.echo(
        f"models   {found.folder / 'fold-0.safetensors'} to fold-{len(found.folds) - 1}.safetensors; none of all crystals"
    )


def the_only(values: list[str] | None, option: str) -> str | None:
    """Return the value of an option that may be given once, None if it was not given.

    Args:
        values: Every value that was given.
        option: Name of the option.

    Raises:
        BadParameter: It was given more than once.
    """
    if values and len(values) > 1:
        raise typer.BadParameter(
            f"given {len(values)} times ({', '.join(values)}); give it once", param_hint=f"'{option}'"
        )
    return values[0] if values else None

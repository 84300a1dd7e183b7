"""`cryskit fit`: a small table of labelled crystals in, the best model that it gives out."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryskit.cli import options
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import Column, note, print_json, print_table, require
from cryskit.cli.training import SUFFIX, quietly

if TYPE_CHECKING:
    from cryskit.small_data.fit import Fitted

_SECONDS = {"s": 1, "m": 60, "h": 3600, "": 1}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")

Source = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="A file or folder of crystals with labels, a bundled data set, or a table of ids with --structures.",
    ),
]
Target = Annotated[str, typer.Option("--target", metavar="NAME", help="Column, or property, to learn.")]
Kind = Annotated[
    options.PropertyKind | None,
    typer.Option(
        "--kind",
        help="Learn the target as a number or as a class.  [default: as the registry or the labels say]",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The model file to write (.safetensors).")]
Structures = Annotated[
    Path | None,
    typer.Option(
        "--structures", metavar="DIR", help="Folder of the structure files, which are named by the ids of the table."
    ),
]
Budget = Annotated[
    str,
    typer.Option("--budget", metavar="TIME", help="Time that it may take, about: 90s, 10m, 2h.", show_default=True),
]
Encoders = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        metavar="NAME|FILE",
        help=(
            "Model whose encoder is tried, or magpie, statistics over the composition (extra baselines); may be given several times.  "
            "[default: crysae, crysgnn, cryskit-mp, and magpie where matminer is installed]"
        ),
    ),
]
Vectors = Annotated[
    Path | None,
    typer.Option(
        "--vectors",
        metavar="FILE",
        help="Vectors of the crystals that another program wrote (tools/extract), to be tried, too (.parquet).",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder", metavar="DIR", help="Folder of the report and of what a stopped fit needs.  [default: OUT.fit]"
    ),
]


def fit(
    table: Source,
    target: Target,
    kind: Kind = None,
    out: Out = Path("model.safetensors"),
    structures: Structures = None,
    budget: Budget = "10m",
    encoders: Encoders = None,
    vectors: Vectors = None,
    folder: Folder = None,
    seed: options.Seed = 0,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Fit the best model that a small table gives.

    Pre-trained encoders with regressors, fine-tuned networks and their mean are compared by nested cross-validation by formula; of a
    class, which is words, true and false, or 0 and 1, logistic regression. The result is one model file for `cryskit predict --model`, and
    a report. A fit that was stopped goes on when the same command is given again.
    """
    require(out, SUFFIX)
    seconds = seconds_of(budget)
    keep_pages()
    from cryskit.small_data.fit import fit_table

    place = folder or out.with_name(f"{out.name}.fit")
    with quietly(place):
        found = fit_table(
            table,
            target,
            out,
            kind=kind.value if kind else None,
            structures=structures,
            budget=seconds,
            folder=place,
            encoders=encoders,
            vectors=vectors,
            seed=seed,
            limit=limit,
            announce=_announcer(),
        )
    _show(found, as_json=as_json)


def seconds_of(duration: str) -> float:
    """Return the seconds of a duration such as "90s", "10m" or "2h".

    Raises:
        BadParameter: It is none.
    """
    found = _DURATION.fullmatch(duration.strip())
    if not found or not float(found[1]):
        raise typer.BadParameter(f"{duration!r} is no time; give 90s, 10m or 2h", param_hint="--budget")
    return float(found[1]) * _SECONDS[found[2]]


def _announcer() -> Callable[[str], None]:
    """Return a function that shows each step on stderr, with the time since the start, if that is a terminal."""
    from tqdm import tqdm

    shown = tqdm(bar_format="{elapsed} {desc}", leave=False, disable=None, file=sys.stderr)
    announce: Callable[[str], None] = shown.set_description_str
    return announce


def _show(found: "Fitted", *, as_json: bool) -> None:
    """Print errors and files."""
    if as_json:
        errors = _figures(found) if found.figures else _errors(found)
        files = {"model": str(found.path), "report": str(found.report)}
        print_json({**files, "unit": found.unit, "errors": errors, "warnings": list(found.warnings)})
        return
    typer.echo("Errors on formulas that a model had not seen (nested cross-validation):\n")
    (_print_figures if found.figures else _print_errors)(found)
    typer.echo(f"\nmodel   {found.path}\nreport  {found.report}")
    for warning in found.warnings:
        note(f"Note: {warning}.")


def _errors(found: "Fitted") -> dict[str, Any]:
    """Return the errors of a scalar by name."""
    return {name: {"mae": error, "deviation": spread} for name, (error, spread) in found.errors.items()}


def _figures(found: "Fitted") -> dict[str, Any]:
    """Return the figures of a class by name."""
    return {
        name: {figure: {"value": value, "deviation": spread} for figure, (value, spread) in figures.items()}
        for name, figures in found.figures.items()
    }


def _print_errors(found: "Fitted") -> None:
    """Print the errors of a scalar, the smallest first."""
    from cryskit.small_data.judge import SAID

    rows = sorted(found.errors.items(), key=lambda one: one[1][0])
    print_table(
        ["model", Column("mean absolute error", found.unit), Column("deviation over folds", found.unit)],
        [[SAID.get(name, name), f"{error:.4g}", f"{spread:.2g}"] for name, (error, spread) in rows],
    )


def _print_figures(found: "Fitted") -> None:
    """Print the figures of a class with their deviations over folds, the smallest log loss first."""
    from cryskit.small_data.report_classes import SHOWN, figure_of, ordered

    names = ordered(found.figures)
    rows = [[name, *(figure_of(found.figures, name, figure) for figure in SHOWN)] for name in names]
    print_table(["model", *SHOWN.values()], rows)

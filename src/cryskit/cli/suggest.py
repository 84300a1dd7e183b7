"""`cryskit suggest`: which crystals to compute or to make next."""

from typing import Annotated, Any

import typer

from cryskit.cli import options
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import TABLES, note, output_rows, require
from cryskit.errors import counted
from cryskit.predict.published import DEFAULT

NAMED = 5  # rows without a value


def suggest(
    candidates: options.Sources,
    goal: Annotated[
        str,
        typer.Option(
            "--goal",
            metavar="GOAL",
            help='"max NAME" (or NAME), "min NAME" (or -NAME) or "NAME near VALUE", of a property.',
        ),
    ],
    model: options.Model = DEFAULT,
    batch: Annotated[int, typer.Option("--batch", min=1, metavar="N", help="Number of crystals to suggest.")] = 20,
    measured: Annotated[
        str | None,
        typer.Option(
            "--measured",
            metavar="SRC",
            help="Crystals with values of the property that are known by now, or a table of ids of candidates with values.",
        ),
    ] = None,
    acquisition: Annotated[
        str,
        typer.Option(
            "--acquisition",
            metavar="ucb|ei|pi|uncertainty|mean",
            help="What a crystal promises: upper confidence bound, expected improvement, its probability, what would teach most, or the best mean.",
        ),
    ] = "ucb",
    outside: Annotated[
        bool, typer.Option("--outside", help="Suggest crystals outside the domain of the model, too.")
    ] = False,
    out: options.Table = None,
    seed: options.Seed = 0,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Suggest which crystals to compute or to make next.

    Candidates are judged by what the model predicts and how uncertain it is; values that were measured since (--measured) correct both
    for crystals like theirs. Compute the suggestions, add their values to the table of --measured, and give the same command again.
    """
    require(out, TABLES)
    from cryskit.goals import Goal

    Goal.parse(goal)
    keep_pages()
    from cryskit.predict.tables import records
    from cryskit.suggestions.suggest import suggest as run
    from cryskit.suggestions.suggest import suggestion_schema

    facts: dict[str, Any] = {"batch": batch, "measured": measured, "acquisition": acquisition, "outside": outside}
    table = run(candidates, model, goal, **facts, seed=seed, limit=limit)
    rows, name = records(table), table.columns[3]
    schema = suggestion_schema(name, table.attrs["units"][name])
    attributes = {str(key): value for key, value in table.attrs.items()}
    without = attributes.pop("without_value")
    output_rows(rows, schema, attributes, out, as_json=as_json)
    _note(attributes, without)


def _note(facts: dict[str, Any], without: list[str]) -> None:
    """Say how many values are known and what was left out, on stderr."""
    known, unusable, copies = (facts[name] for name in ("measured", "unusable", "copies"))
    said = [f"{counted(known, 'value')} known"]
    said += ["" if known else "`chance` is that of being better than the best prediction"]
    said += [f"{counted(unusable, 'row')} unusable" if unusable else ""]
    said += [f"{copies} left out as {'a copy' if copies == 1 else 'copies'} of other structures" if copies else ""]
    note(", ".join(filter(None, said)))
    if without:
        shown = ", ".join(without[:NAMED]) + (", ..." if len(without) > NAMED else "")
        note(
            f"Without a value that can be used, or no candidate: {counted(len(without), 'row')} of --measured ({shown})"
        )

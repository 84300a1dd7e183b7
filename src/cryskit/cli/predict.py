"""`cryskit predict`: crystals in, properties out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryskit.cli import options
from cryskit.cli.crystals import stream
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import TABLES, output_rows, require
from cryskit.predict.published import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cryskit.types import Property


def predict(
    sources: options.Sources,
    model: options.Model = DEFAULT,
    structures: options.Structures = None,
    properties: options.Properties = None,
    interval: options.Interval = options.LEVEL,
    out: options.Table = None,
    units: options.Units = False,
    as_json: options.Json = False,
    frame: Annotated[
        options.Frames,
        typer.Option("--frame", help="Frame of tensors: that of the lattice as it was read, or the IEEE standard one."),
    ] = options.Frames.INPUT,
    derive: Annotated[
        bool, typer.Option("--derive", help="Add what follows from tensors: moduli, sound, refractive indices.")
    ] = False,
    plots: Annotated[
        Path | None,
        typer.Option(
            "--plots",
            metavar="DIR",
            help="Draw Young's modulus by direction for each elastic tensor, as a figure and as a page in three dimensions.",
            show_default=False,
        ),
    ] = None,
    limit: options.Limit = options.LIMIT,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Predict properties of crystals.

    One row per structure, in order: its id, each property in its own unit, status (ok, warned or failed) and reason. A calibrated model
    gives each property's standard deviation (_std) and interval (_lo, _hi), and the domain (in, edge or out), too. Files and JSON also have the
    path of each crystal that was read from a file, and its formula.

    Tensors are columns of components (_c11 ...) in Voigt's notation, in JSON matrices, in Parquet lists, with their frame and the rotation from
    the lattice's frame to the IEEE standard one; a calibrated model gives the error that is expected of the whole tensor, as a share of its norm.
    """
    require(out, TABLES)
    keep_pages()
    from functools import partial

    from cryskit.data.read import from_files
    from cryskit.predict.tables import prediction_row, traced
    from cryskit.predict.units import renamed, with_units
    from cryskit.reliability.intervals import require_level

    require_level(interval)
    predictor = options.load_predictor(model, accelerator, batch_edges)
    schema = traced(predictor.schema(properties, derive=derive), path=from_files(sources))
    predictions = predictor.stream(stream(sources, limit, "predicting", structures), interval)
    rows: Iterable[Mapping[str, Any]] = map(partial(prediction_row, frame=frame.value), predictions)
    if plots:
        rows = _drawn(rows, [each for each in predictor.card.properties if each.symmetry == "elastic"], plots)
    if units:
        rows, schema = renamed(rows, schema, with_units(schema)), with_units(schema)
    if output_rows(rows, schema, predictor.facts(schema, interval), out, as_json=as_json).failed:
        raise typer.Exit(1)


def _drawn(
    rows: "Iterable[Mapping[str, Any]]", wanted: "Sequence[Property]", folder: Path
) -> "Iterator[Mapping[str, Any]]":
    """Yield rows, and write a figure and a page of Young's modulus of each elastic tensor in them."""
    from cryskit.errors import DataError, PlanError
    from cryskit.plots.young import plot_young
    from cryskit.plots.young_page import write_young_page

    if not wanted:
        raise PlanError("The model predicts no elastic tensor to draw Young's modulus of", "Leave --plots out")
    folder.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    for row in rows:
        for each in wanted:
            if (matrix := row.get(each.name)) is not None:
                stem = _stem(row["id"], names)
                of = f"{row['formula']}, {'IEEE standard' if row['frame'] == options.Frames.IEEE else 'input'} frame"
                try:
                    plot_young(matrix, folder / f"{stem}.png", of=of)
                    write_young_page(matrix, folder / f"{stem}.html", of=of)
                except DataError as error:
                    typer.echo(f"{row['id']}: {error}", err=True)
        yield row


def _stem(name: str, taken: set[str]) -> str:
    """Return a name of files that none of these have, and add it to them."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "crystal"
    found, number = plain, 1
    while found in taken:
        found, number = f"{plain}-{number}", number + 1
    taken.add(found)
    return found

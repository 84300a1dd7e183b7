"""`cryskit predict`: crystals in, properties out."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryskit.cli import options
from cryskit.cli.crystals import stream
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import TABLES, output_rows, require
from cryskit.cli.young import drawn
from cryskit.predict.published import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def predict(
    sources: options.Sources,
    model: options.Model = DEFAULT,
    structures: options.Structures = None,
    vectors: options.Vectors = None,
    properties: options.Properties = None,
    interval: options.Interval = options.LEVEL,
    out: options.Table = None,
    units: options.Units = False,
    as_json: options.Json = False,
    frame: options.Frame = options.Frames.INPUT,
    derive: Annotated[
        bool, typer.Option("--derive", help="Add what follows from tensors: moduli, sound, refractive indices.")
    ] = False,
    plots: options.YoungPlots = None,
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
    predictor = options.load_predictor(model, accelerator, batch_edges, vectors)
    schema = traced(predictor.schema(properties, derive=derive), path=from_files(sources))
    predictions = predictor.stream(stream(sources, limit, "predicting", structures), interval)
    rows: Iterable[Mapping[str, Any]] = map(partial(prediction_row, frame=frame.value), predictions)
    if plots:
        rows = drawn(rows, predictor.card.properties, plots)
    if units:
        rows, schema = renamed(rows, schema, with_units(schema)), with_units(schema)
    if output_rows(rows, schema, predictor.facts(schema, interval), out, as_json=as_json).failed:
        raise typer.Exit(1)

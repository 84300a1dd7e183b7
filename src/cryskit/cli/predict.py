"""`cryskit predict`: crystals in, properties out."""

import typer

from cryskit.cli import options
from cryskit.cli.crystals import stream
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import TABLES, output_rows, require
from cryskit.predict.published import DEFAULT


def predict(
    sources: options.Sources,
    model: options.Model = DEFAULT,
    properties: options.Properties = None,
    interval: options.Interval = options.LEVEL,
    out: options.Table = None,
    as_json: options.Json = False,
    limit: options.Limit = options.LIMIT,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Predict properties of crystals.

    One row per structure, in order: its id, each property in its own unit, status (ok, warned or failed) and reason. A calibrated model
    gives each property's standard deviation (_std) and interval (_lo, _hi), too.
    """
    require(out, TABLES)
    keep_pages()
    from cryskit.predict.tables import prediction_row
    from cryskit.reliability.intervals import require_level

    require_level(interval)
    predictor = options.load_predictor(model, accelerator, batch_edges)
    schema = predictor.schema(properties)
    rows = map(prediction_row, predictor.stream(stream(sources, limit, "predicting"), interval))
    if output_rows(rows, schema, predictor.facts(schema, interval), out, as_json=as_json).failed:
        raise typer.Exit(1)

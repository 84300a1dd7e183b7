"""`cryskit predict`: crystals in, properties out."""

import typer

from cryskit.cli import options
from cryskit.cli.crystals import stream
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import TABLES, document, note, print_json, require, show_frame, write_frame
from cryskit.predict.published import DEFAULT


def predict(
    paths: options.Paths,
    model: options.Model = DEFAULT,
    properties: options.Properties = None,
    out: options.Table = None,
    as_json: options.Json = False,
    limit: options.Limit = options.LIMIT,
) -> None:
    """Predict properties of crystals.

    One row per structure, in order: its id, each property in its own unit, status (ok, warned or failed) and reason.
    """
    require(out, TABLES)
    keep_pages()
    from cryskit.predict.predictor import load

    predictor = load(model)
    table = predictor.predict(stream(paths, limit, "predicting"), properties, limit=limit)
    units = table.attrs["units"]
    if out is not None:
        write_frame(table, out, units, model=predictor.card.name)
    if as_json:
        print_json(document(table, units, model=predictor.card.name))
    elif out is None:
        show_frame(table, units)
    failed = int((table["status"] == "failed").sum())
    if out is not None:
        note(f"{len(table)} rows, {failed} of them failed, written to {out}")
    if failed:
        raise typer.Exit(1)

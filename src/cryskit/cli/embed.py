"""`cryskit embed`: crystals in, one vector per crystal out."""

from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import stream
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import output_rows, require
from cryskit.predict.published import DEFAULT


def embed(
    sources: options.Sources,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write the table to a .parquet, .json or .csv file, or the vectors to an .npy file and the ids to a .csv file of the same name.",
        ),
    ],
    model: options.Model = DEFAULT,
    structures: options.Structures = None,
    atoms: Annotated[
        bool, typer.Option("--atoms", help="Write the vectors of all atoms, for `train --teacher`.")
    ] = False,
    limit: options.Limit = options.LIMIT,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Write the vectors that a model makes of crystals or atoms.

    One row per structure, in order: its id, its vector (or `vectors`, atom by atom in a row), status (ok, warned or
    failed) and reason.
    """
    endings = (".parquet", ".json") if atoms else (".parquet", ".json", ".csv", ".npy")
    require(out, endings)
    keep_pages()
    from cryskit.predict.tables import ATOM_EMBEDDINGS, EMBEDDINGS, flat_embeddings, flat_row

    predictor = options.load_predictor(model, accelerator, batch_edges)
    schema = ATOM_EMBEDDINGS if atoms else EMBEDDINGS
    embedded = predictor.stream_atom_embeddings if atoms else predictor.stream_embeddings
    rows = embedded(stream(sources, limit, "embedding", structures))
    if out.suffix.lower() == ".csv":
        schema, rows = flat_embeddings(predictor.encoder.width), map(flat_row, rows)
    if output_rows(rows, schema, predictor.facts(schema), out, as_json=False).failed:
        raise typer.Exit(1)

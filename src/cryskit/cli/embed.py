"""`cryskit embed`: crystals in, one vector per crystal out."""

from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import stream
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import note, require, write_frame
from cryskit.predict.published import DEFAULT


def embed(
    paths: options.Paths,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Write the table to a .parquet or .json file.")],
    model: options.Model = DEFAULT,
    atoms: Annotated[
        bool, typer.Option("--atoms", help="Write the vectors of all atoms, for `train --teacher`.")
    ] = False,
    limit: options.Limit = options.LIMIT,
) -> None:
    """Write the vector that a model makes of each crystal, or of each of its atoms.

    One row per structure, in order: its id, its vector (or `vectors`, atom by atom in a row), status (ok or failed) and
    reason.
    """
    require(out, (".parquet", ".json"))
    keep_pages()
    from cryskit.predict.predictor import load

    predictor = load(model)
    embedded = predictor.embed_atoms if atoms else predictor.embed
    table = embedded(stream(paths, limit, "embedding"), limit=limit)
    write_frame(table, out, {}, model=predictor.card.name)
    failed = int((table["status"] == "failed").sum())
    note(f"{len(table)} rows, {failed} of them failed, written to {out}")
    if failed:
        raise typer.Exit(1)

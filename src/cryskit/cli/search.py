"""`cryskit search`: words in, the crystals that fit them best out."""

from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import bar
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import TABLES, output_rows, require
from cryskit.predict.published import SEARCHING


def search(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="Description of what is looked for, in quotes.")],
    data: options.Data,
    model: Annotated[
        Path, typer.Option("--model", metavar="NAME|FILE", help="A model of `cryskit pretrain contrast`.")
    ] = Path(SEARCHING),
    top: Annotated[int, typer.Option("--top", min=1, metavar="N", help="Number of crystals to show.")] = 10,
    out: options.Table = None,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Rank the crystals of a data set by how well they fit words.

    The crystals need no descriptions: the model compares their graphs with the words.
    """
    require(out, TABLES)
    keep_pages()
    from cryskit.data.read import read
    from cryskit.predict.search import search as run
    from cryskit.predict.tables import RANKING, records

    predictor = options.load_predictor(model, accelerator, batch_edges)
    rows = records(run(predictor, bar(read(data, limit=limit), "searching"), words))
    facts = predictor.facts(RANKING)
    if out is not None:
        output_rows(rows, RANKING, facts, out, as_json=False)
    if as_json or out is None:
        output_rows(rows[:top], RANKING, facts, None, as_json=as_json)
    if any(row["status"] == "failed" for row in rows):
        raise typer.Exit(1)

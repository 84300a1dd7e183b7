"""`cryskit search`: words in, the crystals that fit them best out."""

from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import bar
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import TABLES, document, note, print_json, require, show_frame, write_frame


def search(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What is looked for, in quotes.")],
    data: options.Data,
    model: Annotated[Path, typer.Option("--model", metavar="FILE", help="A model of `cryskit pretrain contrast`.")],
    top: Annotated[int, typer.Option("--top", min=1, metavar="N", help="How many crystals to show.")] = 10,
    out: options.Table = None,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Rank the crystals of a data set by how well they fit words.

    Nobody needs to have described them: the model compares their graphs with the words.
    """
    require(out, TABLES)
    keep_pages()
    from cryskit.data.sources import resolve
    from cryskit.predict.predictor import load
    from cryskit.predict.search import search as run

    predictor = load(model)
    table = run(predictor, bar(resolve(data, limit), "searching"), words)
    failed = int((table["status"] == "failed").sum())
    if out is not None:
        write_frame(table, out, {}, model=predictor.card.name)
        note(f"{len(table)} rows, {failed} of them failed, written to {out}")
    if as_json:
        print_json(document(table.head(top), {}, model=predictor.card.name))
    elif out is None:
        show_frame(table.head(top), {})
    if failed:
        raise typer.Exit(1)

"""`cryskit describe`: descriptions of crystals in words."""

from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import stream
from cryskit.cli.output import note, print_json, require
from cryskit.errors import counted
from cryskit.parallel import cores

TIMEOUT = 60.0


def describe(
    sources: options.Sources,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .parquet file to write.")],
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Number of processes.  [default: one per core]")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="S", help="Seconds that one crystal may take.")
    ] = TIMEOUT,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Describe crystals in words, with Robocrystallographer.

    One row per structure, in order: its id, text (its parts: global and local), hash of the text, version of what described it,
    status and reason. Where a crystal cannot be described, or not in time, one or two sentences by rule stand in and its status
    is short; a row that is no crystal has none and is failed. A run that was stopped goes on when the same command is given again.
    """
    require(out, (".parquet",))
    from cryskit.text.describe import version
    from cryskit.text.table import write

    made = version()
    counts = write(out, stream(sources, limit, "describing"), workers=workers or cores(), timeout=timeout)
    rows = sum(counts.values())
    if as_json:
        print_json({"file": str(out), "version": made, "rows": rows, **counts})
    else:
        note(f"{counted(rows, 'row')}, {counts['short']} short, {counts['failed']} failed, written to {out}")
    if counts["failed"]:
        raise typer.Exit(1)

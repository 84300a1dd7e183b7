"""`cryskit screen`: any number of crystals through models, then a ranked short list."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import counting
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import exit_on_sigterm, note, require
from cryskit.predict.published import DEFAULT

if TYPE_CHECKING:
    from cryskit.screen.folder import Folder
    from cryskit.screen.run import Asked

TIMEOUT = 60.0
PART_ROWS = 8192
MERGED = (".parquet", ".csv")


def screen(
    sources: options.SomeSources = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME|FILE",
            help="A published model or a model file; may be given several times.",
            show_default=DEFAULT,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the screening.", show_default=False)
    ] = ...,  # type: ignore[assignment]
    properties: options.Properties = None,
    structures: options.Structures = None,
    interval: options.Interval = options.LEVEL,
    limit: options.Limit = options.LIMIT,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=0.01, metavar="S", help="Seconds that one crystal may take to be read, or built."
        ),
    ] = TIMEOUT,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, metavar="N", help="Processes that read and build.", show_default="one per core"
        ),
    ] = None,
    share: Annotated[
        str,
        typer.Option(
            "--share", metavar="K/N", help="Compute only every N-th part, from the K-th on: for arrays of jobs."
        ),
    ] = "1/1",
    vectors: Annotated[
        bool, typer.Option("--vectors", help="Keep the vectors of crystals, by the first model.")
    ] = False,
    part_rows: Annotated[
        int,
        typer.Option(
            "--part-rows", min=1, metavar="N", help="Rows of a part, about; the last part is lost when a run is killed."
        ),
    ] = PART_ROWS,
    status: Annotated[
        bool, typer.Option("--status", help="Say how far the screening in the folder is, and leave.")
    ] = False,
    merge: Annotated[
        Path | None,
        typer.Option(
            "--merge",
            metavar="FILE",
            help="Write all parts of the folder to one .parquet or .csv file.",
            show_default=False,
        ),
    ] = None,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Screen any number of crystals.

    They are predicted part by part into the folder, in constant memory. The same command goes on where a run was
    killed. A crystal that cannot be read, or takes too long, is one failed row.
    """
    require(merge, MERGED)
    from cryskit.screen.folder import Folder

    folder = Folder(out)
    if status:
        _say_status(folder)
        return
    if sources:
        from cryskit.predict.device import device_of
        from cryskit.screen.run import Asked

        asked = Asked(
            tuple(sources),
            tuple(models or [DEFAULT]),
            tuple(properties) if properties else None,
            structures,
            interval,
            limit,
            timeout,
            vectors,
            part_rows,
            batch_edges,
            device_of(accelerator).type,
        )
        keep_pages()
        with exit_on_sigterm():
            _run(asked, folder, workers or _cores(), share, accelerator)
    if merge is not None:
        from cryskit.screen.merge import merge as merge_parts

        note(f"{merge_parts(folder, merge):,} rows written to {merge}")
    failed = sum(part.counts["failed"] for part in folder.parts())
    if failed and sources:
        raise typer.Exit(1)


def _run(asked: "Asked", folder: "Folder", workers: int, share: str, accelerator: options.Hardware) -> None:
    from cryskit.screen.local import LocalEngine
    from cryskit.screen.network import Networks
    from cryskit.screen.run import Share
    from cryskit.screen.run import screen as run

    part = Share.of_text(share)
    predictors = [options.load_predictor(model, accelerator, asked.batch_edges) for model in asked.models]
    networks = Networks(predictors, asked.properties, asked.interval, vectors=asked.vectors)
    with counting("screening") as advance:
        run(asked, networks, folder, LocalEngine(workers, asked.timeout), part, advance)
    _say_status(folder)


def _say_status(folder: "Folder") -> None:
    from cryskit.errors import counted

    parts, count = folder.parts(), folder.count
    rows = sum(part.rows for part in parts)
    found = ", ".join(f"{sum(part.counts[name] for part in parts):,} {name}" for name in ("ok", "warned", "failed"))
    of = "" if count is None else f" of {count}"
    size = sum(part.bytes for part in parts)
    note(f"{folder.path}: {len(parts)}{of} {counted(2, 'part')[2:]}, {rows:,} rows ({found}), {size / 1e6:.1f} MB")
    if count is None or len(parts) < count:
        note("Not complete: give the same command again to go on")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""`cryskit screen`: any number of crystals through models, then a ranked short list."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import counting
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import Column, exit_on_sigterm, note, print_table, require
from cryskit.cli.threads import sleep_while_waiting
from cryskit.errors import PlanError
from cryskit.predict.published import DEFAULT

if TYPE_CHECKING:
    from cryskit.screen.engine import Engine
    from cryskit.screen.folder import Folder
    from cryskit.screen.run import Asked
    from cryskit.screen.select import Chosen, Wanted

TIMEOUT = 60.0
PART_ROWS = 8192
MERGED = (".parquet", ".csv")
ENERGY, HULL = "formation_energy_per_atom", "energy_above_hull"
ADDED = ("rank", "front", "known", HULL, "probability")
FINISHED = "--where, --rank, --top, --diverse, --known or --hull for a short list, --merge or --status"
SHOWN = 10
TOP = 100

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE",
        help="A published model or a model file; may be given several times.",
        show_default=DEFAULT,
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the screening.", show_default=False)]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0.01, metavar="S", help="Seconds that one crystal may take to be read, or built."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Processes that read and build, with ray on each node.",
        show_default="one per core",
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="local|ray",
        help="Where crystals are read and graphs built: on this computer, or on all nodes of a Ray cluster (extra ray).",
    ),
]
ShareOf = Annotated[
    str,
    typer.Option("--share", metavar="K/N", help="Compute every N-th part only, from the K-th on: for arrays of jobs."),
]
Vectors = Annotated[bool, typer.Option("--vectors", help="Keep the vectors of crystals, by the first model.")]
PartRows = Annotated[
    int,
    typer.Option("--part-rows", min=1, metavar="N", help="Rows of a part, about: so many a killed run does again."),
]
Status = Annotated[bool, typer.Option("--status", help="Say how far the screening in the folder is, and leave.")]
Merge = Annotated[
    Path | None,
    typer.Option("--merge", metavar="FILE", help="Write all parts to one .parquet or .csv file.", show_default=False),
]
Where = Annotated[
    str,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Crystals of the short list: '1 < band_gap < 2 and contains(\"Li\") and domain != out'.",
        show_default=False,
    ),
]
Rank = Annotated[
    list[str] | None,
    typer.Option(
        "--rank",
        metavar="GOAL",
        help='"max NAME" (or NAME), "min NAME" (or -NAME) or "NAME near VALUE"; several give Pareto fronts.',
        show_default=False,
    ),
]
Top = Annotated[
    int | None,
    typer.Option("--top", min=0, metavar="N", help="Crystals of the short list; 0 for all.", show_default=str(TOP)),
]
Diverse = Annotated[
    int | None,
    typer.Option(
        "--diverse",
        min=1,
        metavar="N",
        help="Keep N crystals of the short list that are unlike one another (needs --vectors).",
        show_default=False,
    ),
]
KnownFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--known",
        metavar="SRC",
        help="Crystals that are known: the short list leaves them out. May be given several times.",
        show_default=False,
    ),
]
KeepKnown = Annotated[bool, typer.Option("--keep-known", help="Mark known crystals only, in the column `known`.")]
HullOf = Annotated[
    bool,
    typer.Option("--hull", help=f"Add energy_above_hull, of {ENERGY} predicted and, of known crystals, given."),
]


def screen(
    out: Out,
    sources: options.SomeSources = None,
    models: Models = None,
    properties: options.Properties = None,
    structures: options.Structures = None,
    interval: options.Interval = options.LEVEL,
    limit: options.Limit = options.LIMIT,
    timeout: Timeout = TIMEOUT,
    workers: Workers = None,
    engine: EngineName = "local",
    share: ShareOf = "1/1",
    vectors: Vectors = False,
    part_rows: PartRows = PART_ROWS,
    status: Status = False,
    merge: Merge = None,
    where: Where = "",
    rank: Rank = None,
    top: Top = None,
    diverse: Diverse = None,
    known: KnownFiles = None,
    keep_known: KeepKnown = False,
    hull: HullOf = False,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Screen any number of crystals, and make a short list of them.

    They are predicted part by part into the folder, in constant memory. The same command goes on where a run was
    killed; a crystal that cannot be read, or takes too long, is one failed row. With --where, --rank, --top, --diverse,
    --known or --hull the folder gets a short list (top.csv, top.parquet, structures) and a report that works offline.
    """
    require(merge, MERGED)
    sleep_while_waiting()
    from cryskit.screen.folder import Folder

    folder = Folder(out)
    if status:
        for line in _status(folder):
            typer.echo(line)
        return
    listed = bool(where or rank or known or hull or diverse or top is not None)
    _require_purpose(out, asked=bool(sources or merge or listed), marking=keep_known, known=bool(known))
    if sources:
        from cryskit.screen.engines import ENGINES
        from cryskit.screen.run import Asked

        wanted_models, wanted = tuple(models or [DEFAULT]), tuple(properties) if properties else None
        given = (tuple(sources), wanted_models, wanted, structures, interval, limit, timeout, vectors, part_rows)
        _run(Asked(*given, batch_edges), folder, ENGINES[engine](workers, timeout), share, accelerator)
    if merge is not None:
        _merge(folder, merge)
    if listed:
        from cryskit.screen.select import Wanted

        goals, count = tuple(rank or ()), (TOP if top is None else top) or None
        _select(folder, Wanted(where, goals, count, diverse, ENERGY if hull else "", keep_known), known or [], workers)
    if sources and any(part.counts["failed"] for part in folder.parts()):
        raise typer.Exit(1)


def _require_purpose(out: Path, *, asked: bool, marking: bool, known: bool) -> None:
    """Refuse a command that would do nothing, or not what one of its options says."""
    if marking and not known:
        raise PlanError("--keep-known marks crystals of --known, which is not given", "Give --known FILE, too")
    if not asked:
        raise PlanError(f"Nothing is asked of {out}", f"Give SOURCES to screen, or {FINISHED}")


def _merge(folder: "Folder", path: Path) -> None:
    from cryskit.screen.merge import merge

    note(f"{merge(folder, path):,} rows written to {path}")


def _run(asked: "Asked", folder: "Folder", engine: "Engine", share: str, accelerator: options.Hardware) -> None:
    from cryskit.predict.device import device_of
    from cryskit.screen.network import Networks
    from cryskit.screen.run import Share
    from cryskit.screen.run import screen as run

    keep_pages()
    part, asked = Share.of_text(share), replace(asked, device=device_of(accelerator).type)
    with exit_on_sigterm():
        predictors = [options.load_predictor(model, accelerator, asked.batch_edges) for model in asked.models]
        networks = Networks(predictors, asked.properties, asked.interval, vectors=asked.vectors)
        with counting("screening") as advance:
            run(asked, networks, folder, engine, part, advance)
    for line in _status(folder):
        note(line)


def _status(folder: "Folder") -> list[str]:
    """Return how far a screening is, in lines."""
    parts, count = folder.parts(), folder.count
    rows, size = sum(part.rows for part in parts), sum(part.bytes for part in parts)
    found = ", ".join(f"{sum(part.counts[name] for part in parts):,} {name}" for name in ("ok", "warned", "failed"))
    of = "" if count is None else f" of {count}"
    models = ", ".join(folder.asked["models"])
    said = f"{folder.path}: {len(parts)}{of} parts, {rows:,} rows ({found}), {size / 1e6:.1f} MB, by {models}"
    complete = count is not None and len(parts) == count
    return [said] if complete else [said, "Not complete: give its command again to go on"]


def _select(folder: "Folder", wanted: "Wanted", known: list[str], workers: int | None) -> None:
    from cryskit.screen.known import known_of
    from cryskit.screen.local import LocalEngine
    from cryskit.screen.report import REPORT, write_report
    from cryskit.screen.select import require_possible, select, write_chosen

    require_possible(folder, wanted)
    of = known_of(folder, known, wanted.hull or None, LocalEngine(workers)) if known else None
    chosen = select(folder, wanted, of)
    note(", ".join(f"{count:,} {name}" for name, count in chosen.funnel.items()))
    write_chosen(folder, chosen)
    write_report(folder, chosen, wanted, folder.path / REPORT)
    _show(chosen)
    note(f"Short list and report written to {folder.path}: top.csv, top.parquet, top-crystals.parquet, {REPORT}")


def _show(chosen: "Chosen") -> None:
    """Print the first rows of a short list: what it was ranked by and what was added to the table."""
    from cryskit.predict.units import units_of

    names, units = chosen.table.column_names, units_of(chosen.table.schema) | {HULL: "eV/atom"}
    wanted = {*ADDED, "id", "formula", "domain", *(goal.name for goal in chosen.goals)}
    shown = [name for name in dict.fromkeys(["rank", "id", "formula", *names]) if name in wanted and name in names]
    rows = chosen.table.slice(0, SHOWN).select(shown).to_pylist()
    print_table([Column(name, units.get(name, "")) for name in shown], (list(row.values()) for row in rows))

"""`cryskit benchmark`: models compared on the same rows, with the same budgets, on test crystals they never saw."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.cli import options, training
from cryskit.cli.crystals import bar, on_terminal
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import note, print_json, print_table, report
from cryskit.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from cryskit.benchmark.card import RowCard
    from cryskit.benchmark.report import Report
    from cryskit.benchmark.run import Task

Place = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="The folder of the results.  [default: named after PLAN]", show_default=False
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on in a folder whose rows are all of another plan.")]
Share = Annotated[
    str,
    typer.Option(
        "--share", metavar="K/N", help="Do the K-th of N shares of the rows: for N jobs side by side in one folder."
    ),
]


def benchmark(
    plan: Annotated[
        Path, typer.Argument(metavar="PLAN.yaml", exists=True, dir_okay=False, help="Plan of what is compared.")
    ],
    out: Place = None,
    resume: Resume = False,
    share: Share = "1/1",
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Compare networks and ways of training, fairly.

    They are compared on data sets, properties, train fractions and seeds. Every row leaves a card; rows that have one are not repeated, and a row that was stopped
    goes on when the same command is given again.
    """
    keep_pages()
    from cryskit.benchmark import run
    from cryskit.benchmark.card import ROWS, row_path
    from cryskit.benchmark.draw import load
    from cryskit.benchmark.plan import BenchmarkPlan
    from cryskit.benchmark.report import write_report
    from cryskit.benchmark.submit import submissions
    from cryskit.data.read import read
    from cryskit.errors import PlanError
    from cryskit.types import Crystal, Failure

    asked, part = BenchmarkPlan.from_yaml(plan), run.Share.parse(share)
    folder = out or plan.with_suffix("")
    data = {name: load(one, limit, bar) for name, one in asked.data.items()}
    failures = [row for one in data.values() for row in one.rows if isinstance(row, Failure)]
    report(failures, sum(len(one.rows) for one in data.values()))
    corpus = [c for source in asked.corpus for c in bar(read(source, limit=limit), source) if isinstance(c, Crystal)]
    bench = run.Benchmark(asked, data, folder, corpus, f"cryskit benchmark {plan.name}")
    total = len(bench.tasks)
    is_known = any(row_path(folder, task.hash).exists() for task in bench.tasks)
    if any((folder / ROWS).glob("*.json")) and not (is_known or resume or part.jobs > 1):
        raise PlanError(
            f"{folder} holds rows of another benchmark", "Give another --out, or --resume to add the rows of this plan"
        )
    with training.quietly(folder):
        cards = bench.run(lambda number, task, card: _note_row(number, total, task, card), part, progress=on_terminal())
    written = write_report(asked.name, cards, asked.base, folder)
    _show(written, cards, submissions(bench, cards) if len(cards) == total else [], folder, as_json=as_json)
    for card in (card for card in cards if card.traceback):
        note(f"Fault of the program in the row {card.row}: {card.reason} (see {folder / ROWS / card.traceback})")
    if failures or any(card.status == "failed" for card in cards):
        raise typer.Exit(1)


def _note_row(number: int, total: int, task: "Task", card: "RowCard") -> None:
    row = task.row
    fold = f" {task.split.name}" if task.folds > 1 else ""
    name = f"{row.data}{fold} {row.property} {row.encoder} {row.regime} {row.fraction:g} seed {row.seed}"
    several = card.result is not None and len(card.result.properties) > 1
    figures = [
        f"{prop.name + ' ' if several else ''}{prop.figure} {prop.error:.4g}"
        for prop in (card.result.properties if card.result else ())
    ]
    note(f"[{number}/{total}] {name}: {card.status}, {', '.join(figures) or card.reason}")


def _show(
    written: "Report | None", cards: "Sequence[RowCard]", folders: list[Path], out: Path, *, as_json: bool
) -> None:
    from cryskit.benchmark.compare import Gain
    from cryskit.benchmark.tables import class_table, error_table, gain_table, rank_table
    from cryskit.predict.tables import records

    failed = [
        card.model_dump(mode="json", include={"row", "reason", "traceback"})
        for card in cards
        if card.status == "failed"
    ]
    if as_json:
        frames = (
            {} if written is None else {"errors": written.errors, "ranks": written.ranks, "classes": written.classes}
        )
        known = {key: records(frame) for key, frame in frames.items()}
        gains = [] if written is None else [dict(zip(Gain._fields, one, strict=True)) for one in written.gains]
        print_json({"folder": str(out), "rows": len(cards), **known, "gains": gains, "failed": failed})
        return
    if written is not None:
        shown = {"errors": error_table(written.errors), "classes": class_table(written.classes)}
        shown["gains"] = gain_table(written.gains)
        for table in (*shown.values(), rank_table(written.ranks)):
            if len(table):
                _print(table)
    note(f"{len(cards) - len(failed)} of {counted(len(cards), 'row')} done")
    for folder in folders:
        note(f"submission  {folder}")
    if written is not None:
        note(f"report      {out / 'report.md'} (tables, plots and predictions in the same folder)")


def _print(table: "pd.DataFrame") -> None:
    print_table([str(name) for name in table.columns], table.to_numpy().tolist())
    typer.echo("")

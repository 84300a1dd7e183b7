"""`cryskit pretrain`: crystals without labels in, an encoder to start from out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryskit.cli import training
from cryskit.cli.crystals import described, on_terminal, usable
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import Column, note, print_json, print_table, require
from cryskit.cli.plans import plan_of
from cryskit.errors import counted
from cryskit.exclusive import is_main_process
from cryskit.parallel import cores

if TYPE_CHECKING:
    from cryskit.predict.card import Card
    from cryskit.types import Failure


Objective = Annotated[
    str,
    typer.Argument(metavar="OBJECTIVE", help="An objective that needs no labels, such as crysae, crysgnn or contrast."),
]
Sources = Annotated[
    list[str],
    typer.Option("--data", metavar="SRC", help="A bundled data set, a file or a folder; may be given several times."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME", help="Name of a set of settings of the objective, such as masked or paper."
    ),
]
Splits = Annotated[
    list[Path] | None,
    typer.Option(
        "--split", metavar="FILE", help="Hold out the test crystals of this split; may be given several times."
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        "--patience", min=1, metavar="N", help="Stop after this many epochs without a better validation loss."
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache", metavar="DIR", help="Folder of built graphs, which other runs may share.  [default: the run's]"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, metavar="N", help="Number of processes that build graphs.  [default: one per core]"
    ),
]


@training.with_common
def pretrain(
    common: training.Common,
    objective: Objective,
    data: Sources,
    preset: Preset = None,
    split: Splits = None,
    patience: Patience = None,
    cache: Cache = None,
    workers: Workers = None,
) -> None:
    """Train an encoder on crystals without labels.

    `cryskit train --start` begins with it. Of each data set, 90 % of the crystals train and 10 % choose the epoch, unless a split of it is given; of several crystals
    of one structure the first is kept. Data sets may be larger than memory (a folder of Parquet files is one data set). Every
    crystal that was seen is listed in a manifest in the folder of the model. A run that was stopped goes on when the same command is
    given again.
    """
    require(common.out, training.SUFFIX)
    keep_pages()
    learn = {"name": objective, "preset": preset}
    loop = common.loop | {"patience": patience}
    settled = plan_of(
        common.config, {}, common.network, loop, objective=learn, text_encoder=common.reader, labels=False
    )
    from cryskit.data.splits import Split
    from cryskit.training.pretrain import pretrain as run

    divisions = [Split.load(path) for path in split or ()]
    failures: list[Failure] = []
    sources = {src: described(usable(src, common.limit, failures), common.text) for src in data}
    place = common.place
    settings: dict[str, Any] = {"splits": divisions, "cache": cache, "workers": workers or cores()}
    with training.quietly(place):
        card = run(settled, sources, common.out, place, **settings, progress=on_terminal())
    if is_main_process():
        training.tell_unusable(card, place)
        _show(card, common.out, place, as_json=common.as_json)
    if "unusable" in card.rows or failures:
        raise typer.Exit(1)


def _show(card: "Card", out: Path, folder: Path, *, as_json: bool) -> None:
    manifest = out.with_name(card.data["file"])
    losses = {name: metrics["loss"] for name, metrics in card.metrics.items()}
    if as_json:
        print_json(
            {
                "model": str(out),
                "manifest": str(manifest),
                "folder": str(folder),
                "epoch": card.epoch,
                "crystals": card.rows,
                "validation": losses,
            }
        )
        return
    apart = ", ".join(f"{card.rows[name]} {name}" for name in ("duplicates", "held out") if name in card.rows)
    if apart:
        note(f"Not trained on: {apart}")
    typer.echo(
        f"Trained on {counted(card.rows['training'], 'crystal')}; losses on {counted(card.rows['validation'], 'validation crystal')}:\n"
    )
    print_table([Column("loss"), Column("validation")], losses.items())
    typer.echo(
        f"\nmodel     {out}\nmanifest  {manifest}\nrun       {folder} (plan, log, checkpoints; best epoch {training.best_of(card, folder)})"
    )

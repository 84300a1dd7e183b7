"""`cryskit pretrain`: crystals without labels in, an encoder to start from out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.cli import options, running
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import Column, note, print_json, print_table, require
from cryskit.cli.planning import plan_of, reading
from cryskit.cli.reading import described, on_terminal, usable

if TYPE_CHECKING:
    from cryskit.predict.card import Card
    from cryskit.types import Failure


Objective = Annotated[
    str, typer.Argument(metavar="OBJECTIVE", help="What is learned without labels: crysae, crysgnn or contrast.")
]
Sources = Annotated[
    list[str],
    typer.Option("--data", metavar="SRC", help="A bundled data set, a file or a folder; may be given several times."),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", metavar="NAME", help="Settings of the objective: masked, paper, and for crysae code."),
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
        "--cache", metavar="DIR", help="Where built graphs are kept for other runs, too.  [default: the run's]"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, metavar="N", help="Processes that build graphs.  [default: one per core]"),
]


def pretrain(
    objective: Objective,
    data: Sources,
    out: running.Out,
    preset: Preset = None,
    encoder: running.Encoder = None,
    width: running.Width = None,
    layers: running.Layers = None,
    split: Splits = None,
    seed: running.Seed = None,
    epochs: running.Epochs = None,
    patience: Patience = None,
    text: running.Text = None,
    text_encoder: running.Reader = running.READER,
    config: running.Config = None,
    folder: running.Folder = None,
    accelerator: running.Accelerator = None,
    devices: running.Devices = None,
    precision: running.Precision = None,
    compiled: running.Compile = False,
    tensorboard: running.TensorBoard = False,
    cache: Cache = None,
    workers: Workers = None,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Train an encoder on crystals without looking at their labels, for `cryskit train --start`.

    Of each data set, 90 % of the crystals train and 10 % choose the epoch, unless a split of it is given; of several crystals
    of one structure the first is kept. Data sets may be larger than memory (a folder of Parquet files is one data set). Every
    crystal that was seen is listed in a manifest beside the model. A run that was stopped goes on when the same command is
    given again.
    """
    require(out, running.SUFFIX)
    keep_pages()
    hardware = {"accelerator": accelerator, "devices": devices, "precision": precision}
    loop = running.loop_of(compiled, tensorboard, seed=seed, epochs=epochs, patience=patience, **hardware)
    network = {"name": encoder, "width": width, "layers": layers}
    from cryskit.registry import OBJECTIVES

    learn = {"name": objective, "preset": preset}
    default = getattr(OBJECTIVES[objective], "default", None)
    plan = plan_of(config, {}, network, loop, objective=learn, default=default, labels=False)
    from cryskit.data.splits import Split
    from cryskit.runs import pretrain as run

    divisions = [Split.load(path) for path in split or ()]
    failures: list[Failure] = []
    plan = reading(plan, text_encoder if text else None)
    sources = {src: described(usable(src, limit, failures), text) for src in data}
    place = running.place_of(out, folder)
    count = workers or running.cores()
    with running.quietly(place):
        card = run(plan, sources, out, place, splits=divisions, cache=cache, workers=count, progress=on_terminal())
    if running.speaks():
        running.tell_unusable(card, place)
        _show(card, out, place, as_json=as_json)
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
    typer.echo(f"{card.rows['training']} crystals trained; on the {card.rows['validation']} of the validation part:\n")
    print_table([Column("loss"), Column("validation")], losses.items())
    typer.echo(
        f"\nmodel     {out}\nmanifest  {manifest}\nrun       {folder} (plan, log, checkpoints; best epoch {card.epoch})"
    )

"""`cryskit train`: labelled crystals in, a model file out."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.cli import options
from cryskit.cli.figures import print_figures
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import note, print_json, require
from cryskit.cli.planning import check_labels, divide, plan_of
from cryskit.cli.reading import collect, on_terminal

if TYPE_CHECKING:
    from cryskit.predict.card import Card

SUFFIX = (".safetensors",)

Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The model file to write (.safetensors).")]
Properties = Annotated[
    list[str] | None, typer.Option("--property", metavar="NAME", help="Learn this; may be given several times.")
]
Encoder = Annotated[str | None, typer.Option("--encoder", metavar="NAME", help="The network.  [default: cgcnn]")]
Width = Annotated[int | None, typer.Option("--width", min=1, metavar="N", help="Width of its vectors.")]
Layers = Annotated[int | None, typer.Option("--layers", min=1, metavar="N", help="Number of its layers.")]
Fraction = Annotated[
    float, typer.Option("--train-fraction", metavar="F", help="Share of the training crystals to use.")
]
Division = Annotated[
    str,
    typer.Option("--split", metavar="random|formula|system|FILE", help="Divide the data 80:10:10, or as a file says."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, metavar="N", help="Of the split, the weights and the order.  [default: 0]"),
]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, metavar="N", help="Passes over the training crystals.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="A plan as YAML; options win over it.")]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", help="Of the run: log, checkpoints, plots.  [default: OUT.run]"),
]
Accelerator = Annotated[str | None, typer.Option("--accelerator", metavar="auto|cpu|gpu|mps", help="The hardware.")]
Devices = Annotated[int | None, typer.Option("--devices", min=1, metavar="N", help="How many of them.")]
Precision = Annotated[
    str | None, typer.Option("--precision", metavar="32-true|bf16-mixed|16-mixed", help="Of the numbers.")
]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the network with torch.compile.")]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Also log for TensorBoard.")]


def train(
    data: options.Data,
    out: Out,
    properties: Properties = None,
    encoder: Encoder = None,
    width: Width = None,
    layers: Layers = None,
    train_fraction: Fraction = 1.0,
    split: Division = "random",
    seed: Seed = None,
    epochs: Epochs = None,
    config: Config = None,
    folder: Folder = None,
    accelerator: Accelerator = None,
    devices: Devices = None,
    precision: Precision = None,
    compiled: Compile = False,
    tensorboard: TensorBoard = False,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Train a model on crystals whose properties are known.

    A run that was stopped goes on when the same command is given again.
    """
    require(out, SUFFIX)
    keep_pages()
    loop = {"seed": seed, "epochs": epochs, "accelerator": accelerator, "devices": devices, "precision": precision}
    flags = {"compile": compiled or None, "tensorboard": tensorboard or None}
    network = {"name": encoder, "width": width, "layers": layers}
    plan = plan_of(config, {"properties": properties}, network, loop | flags)
    crystals, failures = collect(data, limit)
    check_labels(crystals, plan.properties)
    division = divide(crystals, split, plan.optimisation.seed, train_fraction)
    place = folder or out.with_name(f"{out.name}.run")
    from cryskit.runs import train as run  # before _quietly: Lightning sets its own levels when it is imported

    with _quietly(place):
        card = run(plan, crystals, division, out, place, source=data, progress=on_terminal())
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes, one for each device, the first speaks
        division.save(place / "split.json")
        _show(card, out, place, as_json=as_json)
    if failures:
        raise typer.Exit(1)


@contextmanager
def _quietly(folder: Path) -> Iterator[None]:
    """Let Lightning show its progress bar on stderr but not speak of other products, and end as other verbs do if stopped.

    Args:
        folder: Of the run, from which it can go on.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except SystemExit as stop:  # what Lightning makes of Ctrl-C
        note(f"Stopped; the same command goes on from the last epoch in {folder}")
        raise typer.Exit(130) from stop


def _show(card: "Card", out: Path, folder: Path, *, as_json: bool) -> None:
    units = {p.name: p.unit for p in card.properties}
    if as_json:
        print_json(
            {
                "model": str(out),
                "folder": str(folder),
                "epoch": card.epoch,
                "crystals": card.rows,
                "units": units,
                "validation": card.metrics,
            }
        )
        return
    typer.echo(f"{card.rows['training']} crystals trained; on the {card.rows['validation']} of the validation part:\n")
    print_figures(card.metrics, units)
    typer.echo(f"\nmodel  {out}\nrun    {folder} (plan, split, log, checkpoints, plots; best epoch {card.epoch})")

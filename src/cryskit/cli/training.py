"""Common parts of the verbs that train: their options, the quiet around Lightning, and their closing lines."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cryskit.atomic_write import read_json
from cryskit.cli import options
from cryskit.cli.output import as_notes, note
from cryskit.errors import counted
from cryskit.registry import ENCODERS

if TYPE_CHECKING:
    from cryskit.predict.card import Card

SUFFIX = (".safetensors",)
SPLIT = "split.json"
"""File of a run with its split."""

_SHOWN = 10

Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The model file to write (.safetensors).")]
Encoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help=f"The network: {', '.join(ENCODERS)}.  [default: cgcnn, unless a plan or a model to start from says otherwise]",
    ),
]
Width = Annotated[int | None, typer.Option("--width", min=1, metavar="N", help="Length of the vectors of the network.")]
Layers = Annotated[int | None, typer.Option("--layers", min=1, metavar="N", help="Number of layers of the network.")]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, metavar="N", help="Seed of the split, the weights and the order of crystals.  [default: 0]"
    ),
]
Text = Annotated[
    Path | None,
    typer.Option("--text", metavar="FILE", help="Table of `cryskit describe` whose descriptions are read, too."),
]
Reader = Annotated[
    str,
    typer.Option(
        "--text-encoder",
        metavar="NAME|FOLDER",
        help="Text encoder that reads the descriptions: matscibert, minilm or another.",
    ),
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", min=1, metavar="N", help="Passes over the training crystals.  [default: 100]")
]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="A plan as YAML; options win over it.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder", metavar="DIR", help="Folder of the run, for log, checkpoints and plots.  [default: OUT.run]"
    ),
]
Accelerator = Annotated[
    str | None, typer.Option("--accelerator", metavar="auto|cpu|gpu|mps", help="Hardware to train on.")
]
Devices = Annotated[
    int | None, typer.Option("--devices", min=1, metavar="N", help="Number of devices that share each batch.")
]
Nodes = Annotated[
    int | None,
    typer.Option("--nodes", min=1, metavar="M", help="Number of computers with so many devices each.  [default: 1]"),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision", metavar="32-true|bf16-matmul|bf16-mixed|16-mixed", help="Numerical precision of training."
    ),
]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the network with torch.compile.")]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Also log for TensorBoard.")]


def place_of(out: Path, folder: Path | None) -> Path:
    """Return the folder of the run that writes `out`."""
    return folder or out.with_name(f"{out.name}.run")


class Common(NamedTuple):
    """The options that every training has; `with_common` gives them to a verb."""

    out: Out
    encoder: Encoder = None
    width: Width = None
    layers: Layers = None
    seed: Seed = None
    epochs: Epochs = None
    text: Text = None
    text_encoder: Reader = "matscibert"
    config: Config = None
    folder: Folder = None
    accelerator: Accelerator = None
    devices: Devices = None
    nodes: Nodes = None
    precision: Precision = None
    compiled: Compile = False
    tensorboard: TensorBoard = False
    limit: options.Limit = options.LIMIT
    as_json: options.Json = False

    @property
    def place(self) -> Path:
        """Folder of the run."""
        return place_of(self.out, self.folder)

    @property
    def reader(self) -> str | None:
        """Name of the text encoder, None if no descriptions are read."""
        return self.text_encoder if self.text else None

    @property
    def network(self) -> dict[str, Any]:
        """Name and size of the network, None where they are not given."""
        return {"name": self.encoder, "width": self.width, "layers": self.layers}

    @property
    def loop(self) -> dict[str, Any]:
        """Settings of the training loop, None where they are not given."""
        names = ("seed", "epochs", "accelerator", "devices", "nodes", "precision")
        flags = {"compile": self.compiled or None, "tensorboard": self.tensorboard or None}
        return {name: getattr(self, name) for name in names} | flags


def with_common(verb: Callable[..., None]) -> Callable[..., None]:
    """Let a verb take the options of every training, which it is given as its argument `common`, behind its own."""
    own = [one for name, one in signature(verb).parameters.items() if name != "common"]
    every = [*own, *signature(Common).parameters.values()]

    @wraps(verb)
    def called(**given: Any) -> None:
        common = Common(**{name: given.pop(name) for name in Common._fields})
        verb(common=common, **given)

    called.__dict__["__signature__"] = Signature([one.replace(kind=Parameter.KEYWORD_ONLY) for one in every])
    called.__annotations__ = {one.name: one.annotation for one in every}
    return called


@contextmanager
def quietly(folder: Path) -> Iterator[None]:
    """Show Lightning's progress bar on stderr but not its advice, print warnings as notes, and end as other verbs do if stopped.

    Args:
        folder: Folder of the run, from which it can go on.
    """
    from cryskit.training.fit import (
        FewValidationCrystals,
    )  # before the levels: Lightning sets its own when it is imported

    loggers = {name: logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")}
    levels = {name: logger.level for name, logger in loggers.items()}
    for logger in loggers.values():
        logger.setLevel(logging.WARNING)
    try:
        with redirect_stdout(sys.stderr), as_notes(FewValidationCrystals):
            yield
    except SystemExit as stop:  # what Lightning makes of Ctrl-C
        note(f"Stopped; the same command goes on from the last epoch in {folder}")
        raise typer.Exit(130) from stop
    finally:
        for name, logger in loggers.items():
            logger.setLevel(levels[name])


def tell_unusable(card: "Card", folder: Path) -> None:
    """Say on stderr which crystals could not be built and why, the first ten of them.

    Args:
        card: Card of the model.
        folder: Folder of its run.
    """
    from cryskit.training.run import UNUSABLE

    if "unusable" not in card.rows:
        return
    reasons = _left(folder / UNUSABLE, dict)
    note(
        f"Left out, because no graph can be built of it: {counted(len(reasons), 'crystal')} (all in {folder / UNUSABLE})"
    )
    for name in list(reasons)[:_SHOWN]:
        note(f"  {name}: {' '.join(reasons[name].split())}")


def tell_impossible(card: "Card", folder: Path) -> None:
    """Say on stderr which labels cannot be and were left out, the first ten of them.

    Args:
        card: Card of the model.
        folder: Folder of its run.
    """
    from cryskit.training.labels import COUNT, IMPOSSIBLE

    if COUNT not in card.rows:
        return
    rows = _left(folder / IMPOSSIBLE, list)
    note(f"Left out, because no such value can be: {counted(len(rows), 'label')} (all in {folder / IMPOSSIBLE})")
    for row in rows[:_SHOWN]:
        note(f"  {row['crystal']}: {row['property']} {row['value']}. {row['reason']}")


def best_of(card: "Card", folder: Path) -> str:
    """Return the best epoch of a run as people count, "20 of 60".

    Args:
        card: Card of the model.
        folder: Folder of its run.
    """
    from cryskit.training.log import LOG, read_log

    return f"{1 + (card.epoch or 0)} of {len(read_log(folder / LOG))}"


def transfer_of(card: "Card", folder: Path) -> dict[str, Any]:
    """Return what became of every tensor of the file that a run started from; empty if it started from none.

    Args:
        card: Card of the model.
        folder: Folder of its run.
    """
    from cryskit.training.run import TRANSFER

    found: dict[str, Any] = _left(folder / TRANSFER, dict) if card.start else {}
    return found


def _left(path: Path, kind: type) -> Any:
    """Return what a run has left in a JSON file of its folder."""
    from cryskit.errors import DataError

    cure = "Delete the folder of the run and train again; the model file is sound"
    found = read_json(path, cure)
    if not isinstance(found, kind):
        raise DataError(f"{path} is damaged (it holds no {kind.__name__})", cure)
    return found

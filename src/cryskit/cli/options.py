"""The arguments and options that several verbs share. Nothing heavy is imported here: `--help` reads it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.data.readers.formats import NAMES

if TYPE_CHECKING:
    from cryskit.predict.predictor import Predictor

LIMIT = 500
"""Atoms that a cell may have unless the caller says otherwise, as for `cryskit.read`."""
BATCH_EDGES = 30_000
"""Edges in a batch unless the caller says otherwise, as for `cryskit.Predictor`."""
LEVEL = 0.9
"""Level of intervals unless the caller says otherwise, as for `cryskit.Predictor`."""


class Part(StrEnum):
    """The parts of a split."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    CALIBRATION = "calibration"


class Kind(StrEnum):
    """What a split keeps together: nothing, a reduced formula, a chemical system."""

    RANDOM = "random"
    FORMULA = "formula"
    SYSTEM = "system"


class PropertyKind(StrEnum):
    """What a property is learned as."""

    SCALAR = "scalar"
    CLASS = "class"


class Frames(StrEnum):
    """The frames in which tensors are given."""

    INPUT = "input"
    IEEE = "ieee"


class Hardware(StrEnum):
    """The kinds of hardware that a model can compute on."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"
    MPS = "mps"


def _required(given: list[str]) -> list[str]:
    """Refuse sources that are not there before anything is loaded."""
    from cryskit.data.sources import require_source

    for src in given:
        require_source(src)
    return given


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SRC...",
        callback=_required,
        help=f"{NAMES} files, folders of structure files (with the folders in them), or bundled data sets (`cryskit data list`).",
    ),
]
SomeSources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SRC...]",
        callback=lambda given: _required(given or []),
        help=f"{NAMES} files, folders of structure files, or bundled data sets; none to go on with the rows that a folder has.",
        show_default=False,
    ),
]
Source = Annotated[
    str, typer.Argument(metavar="SRC", help="A bundled data set (`cryskit data list`), a file or a folder.")
]
Data = Annotated[
    str,
    typer.Option("--data", metavar="SRC", help="A bundled data set (`cryskit data list`), a file or a folder."),
]
Structures = Annotated[
    Path | None,
    typer.Option(
        "--structures",
        metavar="DIR",
        help="Folder of the structure files that the rows of a table name, by id or file name.",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="NAME[@VERSION]|FILE", help="A published model (`cryskit models list`) or a model file."
    ),
]
Vectors = Annotated[
    Path | None,
    typer.Option(
        "--vectors",
        metavar="FILE",
        help="Vectors of the crystals that another program wrote, for a model of `cryskit fit --vectors` (.parquet).",
        show_default=False,
    ),
]
Properties = Annotated[
    list[str] | None,
    typer.Option(
        "--property", metavar="NAME", help="Only this property; may be given several times.", show_default=False
    ),
]
Interval = Annotated[
    float,
    typer.Option(
        "--interval",
        metavar="LEVEL",
        help="Share of crystals whose labels the intervals should cover, 0.5 to 0.99, of a model that gives intervals.",
    ),
]
Frame = Annotated[
    Frames,
    typer.Option("--frame", help="Frame of tensors: that of the lattice as it was read, or the IEEE standard one."),
]
YoungPlots = Annotated[
    Path | None,
    typer.Option(
        "--plots",
        metavar="DIR",
        help="Draw Young's modulus by direction for each elastic tensor, as a figure and as a page in three dimensions.",
        show_default=False,
    ),
]
Table = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write the table to a .csv, .xlsx, .json or .parquet file.", show_default=False
    ),
]
Units = Annotated[bool, typer.Option("--units", help="Write units into the names of columns: band_gap (eV).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Atoms that a cell may have.")]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of the random order.")]
Accelerator = Annotated[
    Hardware,
    typer.Option("--accelerator", help="Hardware to compute on; auto is a CUDA GPU if there is one, else the CPU."),
]
BatchEdges = Annotated[
    int,
    typer.Option(
        "--batch-edges",
        min=1,
        metavar="N",
        help="Edges (an atom and one of its neighbours) computed at a time: fewer need less memory.",
    ),
]


def load_predictor(
    model: str | Path, accelerator: Hardware, batch_edges: int, vectors: Path | None = None
) -> "Predictor":
    """Load a model for a verb, onto the hardware that it is to compute on.

    Args:
        model: A published name or a model file.
        accelerator: The value of `--accelerator`.
        batch_edges: The value of `--batch-edges`.
        vectors: The value of `--vectors`.

    Raises:
        DataError: The vectors are no such table, or those of another model.
        ModelError: The file is missing, damaged, or no model of cryskit.
        PlanError: PyTorch finds no such hardware on this computer.
        UnknownNameError: The model is neither a published name nor a file.
    """
    from cryskit.cli.crystals import watch_descriptions
    from cryskit.predict.device import device_of
    from cryskit.predict.load import load

    device = device_of(accelerator)
    predictor = load(model, batch_edges=batch_edges).to(device)
    watch_descriptions(predictor)
    return predictor.with_vectors(vectors) if vectors else predictor

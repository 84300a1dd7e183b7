"""The arguments and options that several verbs share. Nothing heavy is imported here: `--help` reads it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cryskit.data.readers.formats import NAMES

LIMIT = 500
"""Atoms that a cell may have unless the caller says otherwise, as for `cryskit.read`."""


class Part(StrEnum):
    """The parts of a split."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Kind(StrEnum):
    """What a split keeps together: nothing, a reduced formula, a chemical system."""

    RANDOM = "random"
    FORMULA = "formula"
    SYSTEM = "system"


Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH...",
        exists=True,
        help=f"{NAMES} files, or folders of structure files.",
    ),
]
Source = Annotated[
    str, typer.Argument(metavar="SRC", help="A bundled data set (`cryskit data list`), a file or a folder.")
]
Data = Annotated[
    str,
    typer.Option("--data", metavar="SRC", help="A bundled data set (`cryskit data list`), a file or a folder."),
]
Model = Annotated[
    str, typer.Option("--model", metavar="NAME|FILE", help="A published model (`cryskit models list`) or a model file.")
]
Properties = Annotated[
    list[str] | None,
    typer.Option(
        "--property", metavar="NAME", help="Only this property; may be given several times.", show_default=False
    ),
]
Table = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write the table to a .csv, .json or .parquet file.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Atoms that a cell may have.")]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of the random order.")]

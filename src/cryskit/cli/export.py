"""`cryskit export`: the network of a model as one file for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli.output import note, require


class Format(StrEnum):
    """Formats of exported networks."""

    PT2 = "pt2"
    ONNX = "onnx"


def export(
    model: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]|FILE", help="Published model or model file to export.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write, a .pt2 or .onnx file.")],
    format: Annotated[  # noqa: A002 - it is the name of the option
        Format | None,
        typer.Option(
            "--format", help="pt2, of torch.export, or onnx (extra onnx); the end of the file's name by default."
        ),
    ] = None,
) -> None:
    """Write the network of a model for torch.export or ONNX.

    The file computes predictions from the arrays of a graph, of any number of atoms and crystals. Building graphs stays in Python: cryskit.exported.load(FILE).predict(...) does it. Golden inputs and
    predictions are in the file and are checked when it is loaded. Intervals and the domain are not exported.
    """
    require(out, (f".{format.value}",) if format else tuple(f".{each.value}" for each in Format))
    from cryskit.exported import export as write
    from cryskit.exported import load

    path = write(model, out)
    found = load(path)
    note(
        f"{found.card.full_name}, {', '.join(found.properties)}, written to {path} ({path.stat().st_size / 1e6:.1f} MB); "
        f"its golden predictions are reproduced within {found.deviation():.1e}"
    )

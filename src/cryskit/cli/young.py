"""Pictures of Young's modulus by direction for the rows of a table with elastic tensors."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cryskit.cli.options import Frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cryskit.types import Property


def drawn(
    rows: "Iterable[Mapping[str, Any]]", wanted: "Sequence[Property]", folder: Path
) -> "Iterator[Mapping[str, Any]]":
    """Yield rows, and write a figure and a page of Young's modulus of each elastic tensor in them.

    Args:
        rows: Rows with tensors, their frame and the formula of the crystal.
        wanted: Properties of the rows.
        folder: Folder of the pictures, which are called by the ids of the rows.

    Raises:
        PlanError: None of the properties is an elastic tensor.
    """
    from cryskit.errors import DataError, PlanError
    from cryskit.plots.young import plot_young
    from cryskit.plots.young_page import write_young_page

    elastic = [each.name for each in wanted if each.symmetry == "elastic"]
    if not elastic:
        raise PlanError("There is no elastic tensor to draw Young's modulus of", "Leave --plots out")
    folder.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    for row in rows:
        for name in elastic:
            if (matrix := row.get(name)) is not None:
                stem = _stem(row["id"], names)
                of = f"{row['formula']}, {'IEEE standard' if row['frame'] == Frames.IEEE else 'input'} frame"
                try:
                    plot_young(matrix, folder / f"{stem}.png", of=of)
                    write_young_page(matrix, folder / f"{stem}.html", of=of)
                except DataError as error:
                    typer.echo(f"{row['id']}: {error}", err=True)
        yield row


def _stem(name: str, taken: set[str]) -> str:
    """Return a name of files that none of these have, and add it to them."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "crystal"
    found, number = plain, 1
    while found in taken:
        found, number = f"{plain}-{number}", number + 1
    taken.add(found)
    return found

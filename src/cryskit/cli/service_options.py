"""Options of `cryskit serve` and `cryskit mcp` alike: the models that answer, and how much they may take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.predict.published import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE",
        help="Model that answers where a request names none; further ones are model files that requests may name, too.",
        show_default=DEFAULT,
    ),
]
Rows = Annotated[int, typer.Option("--max-rows", min=1, metavar="N", help="Crystals of a request.")]
Memory = Annotated[
    float,
    typer.Option("--memory", min=0.1, metavar="GB", help="Memory that models may take; the rest is loaded again."),
]
Workers = Annotated[int, typer.Option("--workers", min=1, metavar="N", help="Processes that read files.")]
Seconds = Annotated[float, typer.Option("--max-seconds", min=1, metavar="S", help="Time that a request may take.")]


def named_models(given: "Sequence[str] | None") -> tuple[str, dict[str, Path]]:
    """Return the name of the default model, and name to file of those that are not published.

    Args:
        given: Values of `--model`, the default first; None for the model that is the default anyway.
    """
    from cryskit.predict.card import read_card
    from cryskit.predict.published import path_of, version_of

    names, own = [], {}
    for each in given or [DEFAULT]:
        path = path_of(each)
        name = read_card(path).full_name
        names.append(name)
        if not version_of(path):
            own[name] = path
    return names[0], own

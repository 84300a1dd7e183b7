"""`cryskit data fetch`: crystals of another computer into a file, with a card that says where they are from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.cli import options
from cryskit.cli.output import exit_on_sigterm, note, print_json, require
from cryskit.errors import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryskit.data.remote.fetch import Fetched
    from cryskit.data.remote.pages import Page

Named = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A data set on another computer: optimade:PROVIDER?FILTER, mp:QUERY, jarvis:NAME, matbench:TASK, cod:ID or https://...",
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The .parquet file to write; its card is next to it.")]
PageLimit = Annotated[
    int | None,
    typer.Option("--page-limit", min=1, metavar="N", help="Rows to ask for at once.", show_default=False),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME",
        help="A further field of the provider to keep, such as _oqmd_delta_e; may be given several times.",
        show_default=False,
    ),
]


def fetch(
    source: Named,
    out: Out,
    page_limit: PageLimit = None,
    field: Fields = None,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Fetch crystals of another computer into a Parquet file.

    Given again, a fetch that was stopped goes on where it was, and one that is complete asks nobody. Next to FILE are a card with provider,
    licence, query, date and checksum (.card.json) and, if rows cannot be used, a list of them (.failures.jsonl). Only this command and
    sources with such a name connect to other computers; --offline, or CRYSKIT_OFFLINE=1, forbids it.
    """
    require(out, (".parquet",))
    from cryskit.data.remote import fetch as run
    from cryskit.data.sources import remote

    asked = remote(source, page_limit=page_limit, further=tuple(field or ()))
    with exit_on_sigterm():
        found = run(asked, out, limit=limit, watch=_watch())
    _show(found, as_json=as_json)
    if found.card["failed"]:
        raise typer.Exit(1)


def _watch() -> "Callable[[Page], None]":
    """Return a function that shows on stderr, if that is a terminal, how many rows were fetched."""
    import sys

    from tqdm import tqdm

    shown = tqdm(desc="fetching", unit=" rows", leave=False, disable=None, file=sys.stderr)

    def watch(page: "Page") -> None:
        shown.total = page.facts.get("data_returned") if isinstance(page.facts.get("data_returned"), int) else None
        shown.update(page.rows or 0)
        if page.next is None:
            shown.close()

    return watch


def _show(found: "Fetched", *, as_json: bool) -> None:
    card = found.card
    announced = card["server"].get("data_returned")
    total = card["rows"] + card["failed"]
    if not found.is_new:
        note(f"{found.path} was fetched {card['fetched']['last']} and is as it was; remove it to fetch it again")
    if isinstance(announced, int) and announced != total:
        note(f"{card['provider']} speaks of {counted(announced, 'row')} and gave {total}")
    if found.failures is not None:
        kinds = ", ".join(f"{count} {name}" for name, count in card["reasons"].items())
        note(f"{card['failed']} of {counted(total, 'row')} cannot be used ({kinds}), listed in {found.failures}")
    if as_json:
        print_json({"file": str(found.path), **card})
    else:
        typer.echo(
            f"{counted(card['rows'], 'crystal')} of {card['title'] or card['provider']} in {found.path}, licence: {card['licence']}"
        )

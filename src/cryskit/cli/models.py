"""`cryskit models`: the models there are and what their cards say."""

from collections.abc import Mapping
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.figures import print_figures
from cryskit.cli.output import print_json, print_table

app = typer.Typer(no_args_is_help=True, help="List published models, or show the card of one.")


@app.command("list")
def list_models(as_json: options.Json = False) -> None:
    """List the models that come with the package."""
    from cryskit.predict.card import read_card
    from cryskit.predict.published import models

    cards = {name: read_card(path) for name, path in models().items()}
    if as_json:
        print_json({name: card.model_dump(mode="json") for name, card in cards.items()})
        return
    rows = [
        [
            name,
            str(card.encoder["name"]),
            card.rows.get("training"),
            ", ".join(p.name for p in card.properties) or "none: pre-trained",
        ]
        for name, card in cards.items()
    ]
    print_table(["name", "encoder", "crystals", "properties"], rows)


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A published model or a model file.")],
    as_json: options.Json = False,
) -> None:
    """Show the card of a model: what it predicts, how well, and what it was trained on."""
    from cryskit.predict.card import read_card
    from cryskit.predict.published import path_of

    card = read_card(path_of(model))
    if as_json:
        print_json(card.model_dump(mode="json"))
        return
    typer.echo(f"{card.name}\n{card.description}\n")
    units = {p.name: p.unit for p in card.properties}
    if units:
        print_figures({name: card.metrics.get(name, {}) for name in units}, units)
    else:
        print_table(["loss", "validation"], [[name, found.get("loss")] for name, found in card.metrics.items()])
    facts = {
        "encoder": _words(card.encoder),
        "graph": _words(vars(card.spec)),
        "objective": _words(card.plan.get("objective", {})),
        "start": _words(card.start),
        "data": _words(card.data),
        "sources": _words(card.sources),
        "split": _words(card.split),
        "crystals": _words(card.rows),
        "elements": str(len(card.elements) or "not said"),
        "licence": card.licence,
        "cite": "; ".join(card.citation),
        "versions": _words(card.versions),
    }
    typer.echo()
    for key, text in facts.items():
        if text:
            typer.echo(f"{key:<10}{text}")


def _words(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())

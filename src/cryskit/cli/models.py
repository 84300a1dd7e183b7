"""`cryskit models`: the published models, the cards of models, and models converted from other programs."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cryskit.cli import options
from cryskit.cli.figures import print_figures
from cryskit.cli.output import note, print_json, print_table, require

app = typer.Typer(no_args_is_help=True, help="List, show, convert, push and pull models.")

Hub = Annotated[
    Path | None,
    typer.Option(
        "--hub",
        metavar="FOLDER",
        file_okay=False,
        help="Folder that is the hub; Hugging Face's if it is not given (extra hub).",
    ),
]
Named = Annotated[str, typer.Argument(metavar="NAME[@VERSION]|FILE", help="A published model or a model file.")]


@app.command("list")
def list_models(as_json: options.Json = False) -> None:
    """List the models that come with the package.

    All versions are listed, the newest of each last. A model is named with its version (cryskit-mp@2026.11), or without, which means the newest version.
    """
    from cryskit.predict.card import read_card
    from cryskit.predict.published import versions

    cards = [read_card(path) for found in versions().values() for path in found.values()]
    if as_json:
        print_json({card.full_name: card.model_dump(mode="json") for card in cards})
        return
    rows = [
        [
            card.name,
            card.version,
            str(card.encoder["name"]),
            card.rows.get("training"),
            ", ".join(p.name for p in card.properties) or "none: pre-trained",
        ]
        for card in cards
    ]
    print_table(["name", "version", "encoder", "crystals", "properties"], rows)


@app.command("show")
def show_model(
    model: Named,
    as_json: options.Json = False,
) -> None:
    """Show the card of a model.

    It says what the model predicts, its errors and on which crystals they were found, and what it was trained on. Of files only the names are shown; --json prints the card as it is in the file.
    """
    from cryskit.predict.card import read_card, without_folders
    from cryskit.predict.model_card import judged_on
    from cryskit.predict.published import path_of

    card = read_card(path_of(model))
    if as_json:
        print_json(card.model_dump(mode="json"))
        return
    typer.echo(f"{card.full_name}\n{card.description}\n")
    units = {p.name: p.unit for p in card.judged}
    if units and card.metrics:
        typer.echo(f"{judged_on(card)}:\n")
    if units:
        print_figures({name: card.metrics.get(name, {}) for name in units}, units)
    else:
        print_table(["loss", "validation"], [[name, found.get("loss")] for name, found in card.metrics.items()])
    facts = {
        "encoder": _listed(card.encoder),
        "graph": _listed(vars(card.spec)),
        "objective": _listed(card.plan.get("objective", {})),
        "start": _listed(without_folders(card.start)),
        "teacher": _listed(without_folders(card.teacher)),
        "data": _listed(without_folders(card.data)),
        "sources": _listed(card.sources),
        "split": _listed(card.split),
        "crystals": _listed(card.rows),
        "intervals": _calibrated(card.calibration),
        "elements": str(len(card.elements) or "not said"),
        "licence": card.licence,
        "cite": "; ".join(card.citation),
        "versions": _listed(card.versions),
        "format": card.format,
    }
    typer.echo()
    for key, text in facts.items():
        if text:
            typer.echo(f"{key:<10}{text}")


class CardFormat(StrEnum):
    """Formats of model cards."""

    MD = "md"
    JSON = "json"


@app.command("card")
def model_card(
    model: Named,
    format: Annotated[  # noqa: A002 - it is the name of the option
        CardFormat,
        typer.Option("--format", help="md, Markdown with a YAML head as hubs show it, or json, as it is in the file."),
    ] = CardFormat.MD,
) -> None:
    """Print the card of a model as a page for a hub."""
    from cryskit.predict.card import digest, read_card
    from cryskit.predict.model_card import markdown
    from cryskit.predict.published import path_of

    path = path_of(model)
    if format is CardFormat.JSON:
        print_json(read_card(path).model_dump(mode="json"))
    else:
        typer.echo(markdown(read_card(path), digest(path), path.name), nl=False)


@app.command("push")
def push_model(
    model: Named,
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="Repository to write to; it is made if it is not there.")
    ],
    hub: Hub = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
) -> None:
    """Put a model on a hub.

    With it go its SHA-256 and its card as a page. On Hugging Face it needs a login (hf auth login). With --hub FOLDER nothing leaves this computer.
    """
    from cryskit.predict.hub import push

    note(f"written to {push(model, repository, hub, private=private)}")


@app.command("pull")
def pull_model(
    repository: Annotated[
        str,
        typer.Argument(
            metavar="OWNER/NAME[@REVISION]", help="Repository to fetch from; a revision is a commit or tag."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The model file to write (.safetensors).")],
    hub: Hub = None,
    sha256: Annotated[str, typer.Option("--sha256", metavar="HEX", help="SHA-256 that the file has to have.")] = "",
) -> None:
    """Fetch a model from a hub.

    The file has to have the SHA-256 that the repository says, and has to be a model file; it is refused otherwise, and nothing is written. With HF_HUB_OFFLINE=1 only what was fetched before is used. Name a
    commit to get the same file for ever.
    """
    require(out, (".safetensors",))
    from cryskit.predict.hub import pull

    found = pull(repository, out, hub, sha256=sha256)
    note(f"{found.card.full_name} written to {found.path}, SHA-256 {found.sha256}")


def _calibrated(calibration: Mapping[str, Any]) -> str:
    """Return on what the intervals of a model were calibrated; or that it has none."""
    if not calibration:
        return "none: the model was not calibrated"
    counts = ", ".join(f"{name} {count}" for name, count in calibration["crystals"].items())
    return f"calibrated on the {calibration['origin']} (crystals: {counts})"


@app.command("convert-cgcnn")
def convert_cgcnn(
    weights: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="State dictionary of the network, a .safetensors file."
        ),
    ],
    wanted: Annotated[str, typer.Option("--property", metavar="NAME", help="Property that the network predicts.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The model file to write (.safetensors).")],
    table: Annotated[
        Path | None,
        typer.Option("--table", metavar="FILE", exists=True, help="Its atom_init.json, if that is not the usual one."),
    ] = None,
    mean: Annotated[
        float | None, typer.Option("--mean", metavar="X", help="Mean of the targets it was trained on.")
    ] = None,
    deviation: Annotated[
        float | None, typer.Option("--deviation", metavar="X", help="Standard deviation of these targets.")
    ] = None,
) -> None:
    """Make a model file of published weights of CGCNN.

    The model computes the same function as the program of Xie and Grossman (2018). Mean and deviation are taken from the tensors normalizer.mean and normalizer.std of the file where the options do not say
    them; one of the two has to. Pickles (.pth.tar) are refused, since opening one can run code: save the state dictionary as safetensors.
    """
    require(out, (".safetensors",))
    from cryskit import properties
    from cryskit.predict.from_cgcnn import from_published_cgcnn, read_element_table, read_published_state

    found = read_published_state(weights)
    mean, deviation = _known(mean, found.mean, "mean"), _known(deviation, found.deviation, "deviation")
    predictor = from_published_cgcnn(
        found.state,
        properties.get(wanted),
        mean,
        deviation,
        table=None if table is None else read_element_table(table),
    )
    predictor.card.name = out.stem
    predictor.save(out)
    note(f"{predictor.card.name}, a model of {', '.join(predictor.properties)}, written to {out}")


def _known(given: float | None, found: float | None, what: str) -> float:
    """Return a figure of the targets that an option gives, else the file; without it predictions would be in no known unit."""
    value = found if given is None else given
    if value is None:
        raise typer.BadParameter(
            f"the file does not say the {what} of the targets, so what the network gives is in no known unit: save it with the file, "
            "or say it (mean 0 and deviation 1 if the targets were not normalised)",
            param_hint=f"'--{what}'",
        )
    return value


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())

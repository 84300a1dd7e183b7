"""`cryskit train`: labelled crystals in, a model file out."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryskit.cli import cross_validation, options, training
from cryskit.cli.crystals import collect, described, on_terminal
from cryskit.cli.figures import print_figures
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import note, print_json, print_table, require
from cryskit.cli.plans import AUTO, check_labels, divide, inputs_of, plan_of, taught_by
from cryskit.errors import counted
from cryskit.exclusive import is_main_process

if TYPE_CHECKING:
    from cryskit.data.splits import Split
    from cryskit.predict.card import Card
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal

Properties = Annotated[
    list[str] | None, typer.Option("--property", metavar="NAME", help="Property to learn; may be given several times.")
]
Kind = Annotated[
    options.PropertyKind | None,
    typer.Option(
        "--kind",
        help="Learn the properties as numbers or as classes.  [default: as the registry or the labels say]",
        show_default=False,
    ),
]
Fraction = Annotated[
    float, typer.Option("--train-fraction", metavar="F", help="Share of the training crystals to use.")
]
Division = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        metavar="random|formula|system|FILE",
        help="Divide the data 80:10:10, or as a file says; with --folds, what a fold keeps together.  [default: random, formula with --folds]",
        show_default=False,
    ),
]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="NAME|FILE", help="Begin with the encoder of this model; its size is taken over."),
]
Parts = Annotated[
    str | None,
    typer.Option(
        "--start-parts",
        metavar="encoder|convolutions|model",
        help="Move all of its encoder, all but the embedding of the elements, or the encoder and the heads of shared properties.",
    ),
]
Freeze = Annotated[
    int | None,
    typer.Option(
        "--freeze",
        min=0,
        metavar="N",
        help="Number of levels of the moved encoder that are not trained, the embedding first.",
    ),
]
Decay = Annotated[
    float | None,
    typer.Option("--rate-decay", metavar="F", help="Multiply the learning rate of a level with F per level above it."),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="NAME|FILE",
        help="Also learn the atom vectors of this model or table, which is not trained.",
    ),
]
Delta = Annotated[
    float | None,
    typer.Option(
        "--delta",
        min=0,
        max=1,
        metavar="F",
        help="Share of the labels in the loss; the teacher has the rest.  [default: 0.5]",
    ),
]
Selector = Annotated[bool, typer.Option("--selector", help="Let the network select among the 92 element features.")]
Penalty = Annotated[
    str | None,
    typer.Option(
        "--selector-penalty",
        metavar="F|auto",
        help="Strength of the selection; a larger one selects fewer features, auto trains four times and lets validation decide.",
    ),
]


@training.with_common
def train(
    common: training.Common,
    data: options.Data,
    structures: options.Structures = None,
    properties: Properties = None,
    kind: Kind = None,
    split: Division = None,
    folds: cross_validation.Folds = None,
    train_fraction: Fraction = 1.0,
    start: Start = None,
    start_parts: Parts = None,
    freeze: Freeze = None,
    rate_decay: Decay = None,
    teacher: Teacher = None,
    delta: Delta = None,
    selector: Selector = False,
    selector_penalty: Penalty = None,
    intervals: Annotated[
        bool,
        typer.Option("--intervals/--no-intervals", help="Give the model intervals and a domain for its predictions."),
    ] = True,
) -> None:
    """Train a model on crystals whose properties are known.

    A run that was stopped goes on when the same command is given again.
    """
    require(common.out, cross_validation.SUFFIX if folds else training.SUFFIX)
    divided_by = cross_validation.the_only(split, "--split")
    if folds:
        cross_validation.refuse_contradictions(divided_by, selector_penalty)
    keep_pages()
    network = common.network | {"inputs": inputs_of(selector, selector_penalty)}
    begin = {"file": start, "parts": start_parts, "freeze": freeze, "decay": rate_decay}
    top, objective = taught_by(teacher, delta, common.config)
    top |= {"properties": properties}
    top |= {"kinds": kind.value if kind else None}
    asked: dict[str, Any] = {"objective": objective, "start": begin, "text_encoder": common.reader}
    settled = plan_of(common.config, top, network, common.loop, **asked)
    if settled.teacher and settled.teacher.warning and is_main_process():
        note(f"Note: {settled.teacher.warning}.")
    crystals, failures = collect(data, common.limit, structures)
    crystals = list(described(crystals, common.text))
    check_labels(crystals, settled.plan)
    if folds:
        settings = {"source": data, "judging": intervals}
        unusable = cross_validation.cross_validate(
            settled, crystals, folds, divided_by, train_fraction, common, settings
        )
    else:
        division = divide(crystals, divided_by or "random", settled.plan.optimisation.seed, train_fraction)
        automatic = selector_penalty == AUTO
        card, place = _run(
            settled, crystals, division, common.out, common.place, data, automatic=automatic, judging=intervals
        )
        unusable = "unusable" in card.rows
        if is_main_process():
            division.save(place / training.SPLIT)
            _show(card, common.out, place, as_json=common.as_json)
    if failures or unusable:
        raise typer.Exit(1)


def _run(
    settled: "SettledPlan",
    crystals: "list[Crystal]",
    division: "Split",
    out: Path,
    place: Path,
    source: str,
    *,
    automatic: bool,
    judging: bool,
) -> "tuple[Card, Path]":
    """Train once, or once per penalty of the selector; return the card of the model and the folder of its run."""
    from cryskit.training import sparsity
    from cryskit.training import train as supervised

    settings: dict[str, Any] = {"source": source, "judging": judging, "progress": on_terminal()}
    with training.quietly(place):
        if automatic:
            return sparsity.train_sparsest(settled, crystals, division, out, place, **settings)
        return supervised.train(settled, crystals, division, out, place, **settings), place


def _show(card: "Card", out: Path, folder: Path, *, as_json: bool) -> None:
    training.tell_unusable(card, folder)
    training.tell_impossible(card, folder)
    units = {p.name: p.unit for p in card.judged if not p.classes}
    transfer = training.transfer_of(card, folder)
    left = _features_left(out)
    if as_json:
        print_json(
            {
                "model": str(out),
                "folder": str(folder),
                "start": card.start,
                "transfer": transfer,
                "epoch": card.epoch,
                "crystals": card.rows,
                "units": units,
                "validation": card.metrics,
                **({"features": list(chain(*left.values()))} if left else {}),
            }
        )
        return
    typer.echo(
        f"Trained on {counted(card.rows['training'], 'crystal')}; errors on {counted(card.rows['validation'], 'validation crystal')}:\n"
    )
    print_figures(card.metrics, units)
    if card.calibration:
        typer.echo(f"\nintervals  calibrated on the {card.calibration['origin']}")
    if left:
        _show_features(left)
    if transfer:
        counts = ", ".join(f"{len(names)} {what}" for what, names in transfer.items())
        typer.echo(f"\nstart  {card.start['file']}: tensors {counts} (each of them in transfer.json)")
    typer.echo(
        f"\nmodel  {out}\nrun    {folder} (plan, split, log, checkpoints, plots; best epoch {training.best_of(card, folder)})"
    )


def _features_left(out: Path) -> dict[str, list[str]]:
    """Return the element features that a feature selector has left, by block; empty if the model has none."""
    from cryskit.explain.selector import features_left
    from cryskit.predict.load import load

    return features_left(load(out).encoder)


def _show_features(left: dict[str, list[str]]) -> None:
    """Print which element features are left, a line for each property of the elements."""
    from cryskit.elements import BLOCKS, FEATURE_COUNT

    typer.echo(f"\nelement features left by the selector: {sum(map(len, left.values()))} of {FEATURE_COUNT}\n")
    rows = []
    for block, names in left.items():
        whole, words = BLOCKS[block].stop - BLOCKS[block].start, block.replace("_", " ")
        said = "all" if len(names) == whole else ", ".join(name.removeprefix(f"{words} ") for name in names)
        rows.append([words, f"{len(names)} of {whole}", said or "none"])
    print_table(["property of the elements", "left", "which"], rows)

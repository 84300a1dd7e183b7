"""`cryskit evaluate`: compare predictions with known properties."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.cli import options, training
from cryskit.cli.crystals import bar, collect
from cryskit.cli.figures import print_coverage, print_figures, print_likeness
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import note, require, write_text
from cryskit.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.data.splits import Split
    from cryskit.evaluate.evaluate import Evaluation
    from cryskit.predict.card import Card
    from cryskit.types import Crystal, Failure


class Figures(StrEnum):
    """The formats of files of figures."""

    PNG = "png"
    PDF = "pdf"
    SVG = "svg"


_Plots = Annotated[
    Path | None,
    typer.Option("--plots", metavar="DIR", help="Plot predictions, reliability of classes, and errors over intervals."),
]


def evaluate(
    data: options.Data,
    model: options.Model,
    structures: options.Structures = None,
    vectors: options.Vectors = None,
    properties: options.Properties = None,
    split: Annotated[
        Path | None,
        typer.Option("--split", metavar="FILE", exists=True, help="Evaluate on one part of this split of the data."),
    ] = None,
    part: Annotated[
        options.Part | None,
        typer.Option("--part", help="Part of the split to evaluate on.  [default: test]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write figures and predictions to a .json file.")
    ] = None,
    plots: _Plots = None,
    interval: options.Interval = options.LEVEL,
    form: Annotated[Figures, typer.Option("--format", help="Format of the plots.")] = Figures.PNG,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Compare predictions with known properties.

    MAE: mean absolute error; RMSE: root mean square error; R2: coefficient of determination; MAD: what the MAE would be if
    the mean of the labels were always guessed. Intervals of a calibrated model: share of labels that they cover, their mean width,
    and the rank correlation of width and size of the error. Of classes: balanced accuracy (mean over classes), accuracy, and what
    always guessing the most frequent class would have; ROC-AUC, F1, log loss; how often sets have the true class, and their size.
    All apart for crystals that trained the model (by id, or formula and volume per atom), other cells of their formulas, new formulas.
    """
    if part and not split:
        raise typer.BadParameter("needs --split, whose part it is", param_hint="'--part'")
    require(out, (".json",))
    keep_pages()
    from cryskit.data.splits import Split
    from cryskit.evaluate.evaluate import evaluate as run
    from cryskit.predict.card import digest
    from cryskit.predict.published import path_of

    predictor = options.load_predictor(model, accelerator, batch_edges, vectors)
    crystals, failures = collect(data, limit, structures)
    used = Split.load(split) if split else None
    judged = _part(crystals, used, part) if used else crystals
    _warn(predictor.card, crystals, judged, used, training.place_of(path_of(model), None) / training.SPLIT)
    chosen: Sequence[Crystal | Failure] = judged if used else [*crystals, *failures]
    shown, known = bar(chosen, "predicting", len(chosen)), digest(path_of(model))
    found = run(predictor, shown, properties, interval=interval, digest=known)
    if out:
        write_text(found.to_json(), out)
    if plots:
        _plot(found, predictor.card, plots, form, _part_of(data, part) if used else Path(data).name)
    if as_json:
        typer.echo(found.to_json())
    else:
        _print(found)
    if found.failed or failures:
        raise typer.Exit(1)


def _print(found: "Evaluation") -> None:
    print_figures(found.metrics, found.units)
    print_coverage(found.coverage, found.units, found.interval)
    print_likeness(found.likeness, found.units)


def _part_of(data: str, part: options.Part | None) -> str:
    return f"the {part or options.Part.TEST} part of {Path(data).name}"


def _part(crystals: "Sequence[Crystal]", split: "Split", part: options.Part | None) -> "Sequence[Crystal]":
    parts = split.divide(crystals)
    return parts[list(options.Part).index(part or options.Part.TEST)]


def _warn(
    card: "Card", crystals: "Sequence[Crystal]", judged: "Sequence[Crystal]", used: "Split | None", file: Path
) -> None:
    """Say so, in one line, where a model is judged on crystals that it has seen in training."""
    from cryskit.evaluate.trained import seen_in_training

    seen = seen_in_training(card, crystals, judged, used, file)
    if seen is None:
        return
    if card.was_fitted:
        note(
            f"{card.name} was fitted to this data, so the figures flatter it; its errors on formulas that it had not seen are those that `cryskit models show` prints, "
            "and out-of-fold.csv in the folder of the fit has a prediction of every row by a model that had not seen it"
        )
        return
    cure = f"give the split of its run, --split {file if file.exists() else 'FILE'}"
    if seen.training is None:
        split = f"another split ({card.split['name']})" if used and "name" in card.split else "a part of this data"
        note(
            f"{card.name} was trained on {split}, so some of the {counted(seen.judged, 'judged crystal')} may have trained it and flatter it; "
            f"to judge it on others, {cure}"
        )
        return
    which = "have the ids of crystals that " if seen.by_id else ""
    said = [f"{seen.training} of {counted(seen.judged, 'judged crystal')} {which}trained {card.name}"] * bool(
        seen.training
    )
    said += [f"{seen.validation} of {seen.judged} {which}chose its epoch"] * bool(seen.validation)
    note(f"{' and '.join(said)}, so the figures flatter it; to judge it on others, {cure}")


def _plot(found: "Evaluation", card: "Card", folder: Path, form: Figures, of: str) -> None:
    from cryskit.plots.intervals import plot_intervals
    from cryskit.plots.judged import plot_judged

    of = f"{card.full_name} on {of}"
    for prop in card.properties:
        if prop.name in found.metrics:
            note(f"plot  {plot_judged(found.table, prop, folder, form=form, of=of)}")
        if prop.name in found.coverage:
            path = folder / f"intervals-{prop.name}.{form}"
            plot_intervals(found.table, prop, found.interval, path)
            note(f"plot  {path}")

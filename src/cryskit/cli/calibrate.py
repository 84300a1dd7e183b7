"""`cryskit calibrate`: fit the intervals of a model to crystals with labels that it has not learned from."""

from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import collect
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import note, print_table, require


def calibrate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A published model (`cryskit models list`) or a model file.")
    ],
    data: options.Data,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The .safetensors file to write: the model with intervals.")
    ],
    split: Annotated[
        Path | None,
        typer.Option("--split", metavar="FILE", exists=True, help="Calibrate on one part of this split of the data."),
    ] = None,
    part: Annotated[
        list[options.Part] | None,
        typer.Option(
            "--part",
            help="Part of the split to calibrate on; may be given several times.  [default: calibration]",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--training",
            metavar="SRC",
            help="The crystals that the model was trained on; with --split the training part of the data. Some are kept in the file.",
        ),
    ] = None,
    limit: options.Limit = options.LIMIT,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Fit the intervals of a model to crystals with labels.

    The crystals must not have trained the model. Intervals then hold for crystals and labels like these.
    """
    require(out, (".safetensors",))
    keep_pages()
    from cryskit.data.splits import Split
    from cryskit.training.calibrate import calibrate as run
    from cryskit.training.calibrate import calibrated
    from cryskit.training.labels import without_impossible

    predictor = options.load_predictor(model, accelerator, batch_edges)
    crystals, failures = collect(data, limit)
    training, origin = collect(reference, limit)[0] if reference else [], Path(data).name
    if split:
        divided = Split.load(split).divide(crystals)
        parts = part or [options.Part.CALIBRATION]
        crystals = [c for one in parts for c in divided[list(options.Part).index(one)]]
        training = training or divided.train
        origin = f"{' and '.join(one.value for one in parts)} part of {split.stem}"
    possible, _ = without_impossible(crystals, predictor.card.properties)
    found = run(predictor, training, possible)
    calibrated(predictor, found, origin)
    predictor.save(out)
    print_table(["property", "crystals"], found.facts.items())
    note(f"model  {out}, calibrated on the {origin}")
    if failures:
        raise typer.Exit(1)

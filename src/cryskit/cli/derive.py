"""`cryskit data derive`: what follows from the tensors in a data set."""

from typing import TYPE_CHECKING, Any

import typer

from cryskit.cli import options
from cryskit.cli.crystals import collect
from cryskit.cli.output import TABLES, output_rows, require
from cryskit.cli.young import drawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def derive(
    src: options.Source,
    structures: options.Structures = None,
    frame: options.Frame = options.Frames.INPUT,
    out: options.Table = None,
    units: options.Units = False,
    as_json: options.Json = False,
    plots: options.YoungPlots = None,
    limit: options.Limit = options.LIMIT,
) -> None:
    """Compute moduli, sound speeds or refractive indices from tensors.

    One row per crystal that has tensors: the tensors in Voigt's notation, what follows from them, their frame and the rotation to the IEEE standard
    one, as `cryskit predict --derive` gives of predicted tensors. They should be in the frame of the lattice: `cryskit data audit` says if they are.
    """
    require(out, TABLES)
    from cryskit.data.read import from_files
    from cryskit.errors import DataError
    from cryskit.predict.tables import prediction_row, prediction_schema, traced
    from cryskit.predict.tensors import known_tensors
    from cryskit.predict.units import renamed, units_of, with_units
    from cryskit.properties import registered_or_new
    from cryskit.types import Prediction

    crystals = [crystal for crystal in collect(src, limit, structures)[0] if crystal.tensors]
    if not crystals:
        raise DataError(f"{src} has no crystal with a tensor", "Give data with a column such as elastic_tensor")
    wanted = [registered_or_new(name) for name in dict.fromkeys(name for c in crystals for name in c.tensors)]
    schema = traced(prediction_schema(wanted, derive=True), path=from_files(src))
    rows: Iterable[Mapping[str, Any]] = (
        prediction_row(Prediction(c.id, {}, path=c.path, formula=c.formula, tensors=known_tensors(c)), frame.value)
        for c in crystals
    )
    if plots:
        rows = drawn(rows, wanted, plots)
    if units:
        rows, schema = renamed(rows, schema, with_units(schema)), with_units(schema)
    facts = {"model": f"the tensors of {src}", "units": units_of(schema)}
    if output_rows(rows, schema, facts, out, as_json=as_json).failed:
        raise typer.Exit(1)

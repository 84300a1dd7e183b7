"""`cryskit data`: list the bundled data sets; fetch, convert, audit and split data."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from cryskit.cli import derive, fetch, options
from cryskit.cli.crystals import bar, collect
from cryskit.cli.output import print_json, print_table, require
from cryskit.errors import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.data.audit import Audit, TensorLabels

_SHOWN = 5

app = typer.Typer(no_args_is_help=True, help="List, fetch, convert, audit and split data sets.")
app.command("fetch")(fetch.fetch)
app.command("derive")(derive.derive)


@app.command("list")
def list_sources(as_json: options.Json = False) -> None:
    """List the data sets that come with the package."""
    from cryskit.data.sources import sources

    if as_json:
        print_json([asdict(source) for source in sources().values()])
        return
    rows = [[s.name, s.rows, s.doi, ", ".join(s.properties)] for s in sources().values()]
    print_table(["name", "crystals", "doi", "properties"], rows)


@app.command("convert")
def convert(
    src: options.Source,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .parquet file to write.")],
    structures: options.Structures = None,
    tensors: Annotated[
        options.Frames,
        typer.Option("--tensors", help="Frame in which tensors are given; they are written in that of the lattice."),
    ] = options.Frames.INPUT,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Turn anything that can be read into one interchange Parquet file."""
    require(out, (".parquet",))
    from cryskit.data.interchange import write
    from cryskit.data.tensors import from_ieee
    from cryskit.errors import DataError

    crystals, failures = collect(src, limit, structures)
    if not crystals:
        raise DataError(f"{src} has no usable crystal", "Mend the rows named above")
    if tensors is options.Frames.IEEE:
        crystals = [from_ieee(crystal) for crystal in crystals]
    written = write(out, bar(crystals, "writing", len(crystals)))
    if as_json:
        failed = [{"id": failure.id, "reason": str(failure.error)} for failure in failures]
        print_json({"file": str(out), "rows": written.rows, "manifest": written.manifest, "failed": failed})
    else:
        typer.echo(f"{counted(written.rows, 'crystal')} written to {out}, manifest {written.manifest}")
    if failures:
        raise typer.Exit(1)


@app.command("split")
def split(
    src: options.Source,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE|DIR", help="The .json file to write; with --folds the folder.")
    ],
    kind: Annotated[
        options.Kind,
        typer.Option("--kind", help="Crystals that are kept together: none, those of a formula, of a chemical system."),
    ] = options.Kind.RANDOM,
    fractions: Annotated[
        str | None,
        typer.Option(
            "--fractions",
            metavar="F,F,F[,F]",
            help="Shares of the crystals for training, validation, test and, if there is a fourth, calibration.  [default: 0.8,0.1,0.1]",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds", min=2, metavar="K", help="Number of splits, whose test parts together are the data set."
        ),
    ] = None,
    seed: options.Seed = 0,
    structures: options.Structures = None,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Divide a data set and keep the division as a file.

    Its parts are training, validation and test crystals and, where four fractions are given, crystals that calibrate intervals.
    """
    if folds and fractions:
        raise typer.BadParameter(
            "does not go with --folds: the test parts have a K-th each", param_hint="'--fractions'"
        )
    shares = _fractions(fractions or "0.8,0.1,0.1")
    if not folds:
        require(out, (".json",))
    from cryskit.data import splits

    crystals, failures = collect(src, limit, structures)
    if folds:
        made = splits.folds(crystals, folds, kind.value, seed=seed)
        files = [out / f"fold{i}of{folds}.json" for i in range(1, folds + 1)]
    else:
        made, files = [splits.make(crystals, kind.value, fractions=shares, seed=seed)], [out]
    for each, file in zip(made, files, strict=True):
        each.save(file)
    rows = [
        [s.name, len(s.train), len(s.validation), len(s.test), s.hash, str(file)]
        for s, file in zip(made, files, strict=True)
    ]
    columns = ["split", "train", "validation", "test", "hash", "file"]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, [[*row[:4], str(row[4])[:12], row[5]] for row in rows])
    if failures:
        raise typer.Exit(1)


@app.command("audit")
def audit(
    src: options.Source,
    structures: options.Structures = None,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
) -> None:
    """Look for repeated crystals and doubtful or missing labels.

    Of tensors it says whether they are symmetric and positive definite, and in which frame they have the symmetry of their crystals: that of the
    lattice, as they should, the IEEE standard one, or neither.
    """
    from cryskit.data.audit import audit as look
    from cryskit.data.read import read

    found = look(bar(read(src, limit=limit, structures=structures), "auditing"))
    if as_json:
        print_json(_plain(found))
    else:
        _show(found)
    if found.of("failure"):
        raise typer.Exit(1)


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{shortened(text)!r} is no list of numbers", param_hint="'--fractions'") from error


def _plain(found: "Audit") -> dict[str, object]:
    return asdict(found) | {
        "table": [row._asdict() for row in found.table],
        "tensors": [row._asdict() for row in found.tensors],
        "findings": [finding._asdict() for finding in found.findings],
    }


def _show(found: "Audit") -> None:
    from cryskit.cli.output import Column
    from cryskit.data.audit import Kind

    elements = ", ".join(list(found.elements)[:5])
    typer.echo(
        f"{counted(found.crystals, 'crystal')}, {counted(found.atoms, 'atom')}, {counted(found.formulas, 'formula')}, "
        f"{counted(len(found.elements), 'element')} (most frequent: {elements})\n"
    )
    if found.table:
        columns = ["property", "unit", "known", "missing", "lowest", "median", "highest", "outside range", "outliers"]
        print_table([Column(name) for name in columns], found.table)
    if found.tensors:
        _show_tensors(found.tensors)
    for kind in get_args(Kind):
        findings = found.of(kind)
        if findings:
            typer.echo(f"\n{kind}: {len(findings)}")
        for finding in findings[:_SHOWN]:
            ids = ", ".join(finding.ids[:4]) + (", ..." if len(finding.ids) > 4 else "")
            typer.echo(f"  {ids}: {finding.property}{' ' * bool(finding.property)}{finding.message}")
        if len(findings) > _SHOWN:
            typer.echo(f"  and {len(findings) - _SHOWN} more (all with --json)")


def _show_tensors(tensors: "Sequence[TensorLabels]") -> None:
    """Print how many tensors there are, and in which frames they have the symmetry of their crystals."""
    columns = ["tensor", "unit", "known", "missing", "impossible", "frame of the lattice", "IEEE frame", "neither"]
    typer.echo()
    print_table(columns, tensors)
    for each in tensors:
        if each.ieee > each.neither:
            typer.echo(
                f"{each.ieee} of {each.known} {each.property} seem to be in the IEEE standard frame; "
                "`cryskit data convert --tensors ieee` turns them into that of their lattices"
            )

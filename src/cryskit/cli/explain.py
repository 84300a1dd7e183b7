"""`cryskit explain`: explanations of the predictions of a model."""

from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.crystals import stream
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import note, require, write_text
from cryskit.errors import counted
from cryskit.predict.published import DEFAULT


def explain(
    sources: options.Sources,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Write a page (.html, works offline) or the numbers (.json).")
    ],
    model: options.Model = DEFAULT,
    structures: options.Structures = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--property", metavar="NAME", help="Property to explain.  [default: the model's first]", show_default=False
        ),
    ] = None,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
    limit: options.Limit = options.LIMIT,
) -> None:
    """Explain predictions by element features and atoms.

    It says which element features the model uses, and what each atom contributes. Contributions of atoms add up to the prediction, in the
    space where the property is learned (log10 for moduli). The completeness error says how nearly. What is explained is what `cryskit predict` says, by the same graph and description.
    """
    require(out, (".html", ".json"))
    keep_pages()
    import json

    from cryskit.explain.atoms import Explainer
    from cryskit.explain.document import document, row
    from cryskit.explain.report import page
    from cryskit.predict.card import digest
    from cryskit.predict.published import path_of

    explainer = Explainer(options.load_predictor(model, accelerator, batch_edges), name, edges=batch_edges)
    rows = [row(found) for found in explainer.stream(stream(sources, limit, "explaining", structures))]
    whole = document(explainer, rows, digest(path_of(model)))
    drawn = out.suffix.lower() == ".html"
    write_text(page(whole) if drawn else json.dumps(whole, indent=1, allow_nan=False), out)
    failures = [found for found in rows if found["status"] == "failed"]
    for failure in failures:
        note(f"{failure['id']}: {failure['reason']}")
    note(f"{explainer.wanted.name} of {counted(len(rows), 'row')}, {len(failures)} failed, written to {out}")
    if failures:
        raise typer.Exit(1)

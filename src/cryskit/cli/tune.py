"""`cryskit tune`: a plan and a search space in, the plan with the best settings out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryskit.cli import options, training
from cryskit.cli.cross_validation import the_only
from cryskit.cli.crystals import collect
from cryskit.cli.fit import seconds_of
from cryskit.cli.memory import keep_pages
from cryskit.cli.output import note, print_json, print_table, require
from cryskit.cli.plans import check_labels, divide

if TYPE_CHECKING:
    from cryskit.training.plan import Plan as TrainingPlan
    from cryskit.training.tune import Tuned

SUFFIX = (".yaml", ".yml")

_SHOWN = 5

Plan = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PLAN.yaml]",
        exists=True,
        dir_okay=False,
        help="A plan; what it sets itself is not searched, unless --space names it.",
        show_default=False,
    ),
]
Properties = Annotated[
    list[str] | None,
    typer.Option(
        "--property", metavar="NAME", help="Property to learn; may be given several times.", show_default=False
    ),
]
Trials = Annotated[
    int, typer.Option("--trials", min=1, metavar="N", help="Number of trials, those of earlier calls included.")
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="Time after which this call stops, about: 90s, 30m, 2h.  [default: no limit]",
        show_default=False,
    ),
]
Space = Annotated[
    Path | None,
    typer.Option(
        "--space",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Search space as YAML: keys of a plan with lists of values, or with low and high.  [default: see --print-space]",
        show_default=False,
    ),
]
Division = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        metavar="random|formula|system|FILE",
        help="Divide the data 80:10:10, or as a file says; the test part is not used.  [default: random]",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The plan file to write (.yaml).")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="DIR",
        help="Folder of the trials, from which a stopped tuning goes on.  [default: OUT.tune]",
        show_default=False,
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="Seed of the suggestions; that of the split is in the plan.")
]


def _print_space(value: bool) -> None:
    if value:
        from cryskit.training.search_space import DEFAULT

        typer.echo(DEFAULT, nl=False)
        raise typer.Exit


def tune(
    data: options.Data,
    plan: Plan = None,
    out: Out = Path("best.yaml"),
    structures: options.Structures = None,
    properties: Properties = None,
    split: Division = None,
    trials: Trials = 20,
    budget: Budget = None,
    space: Space = None,
    folder: Folder = None,
    seed: Seed = 0,
    accelerator: training.Accelerator = None,
    limit: options.Limit = options.LIMIT,
    as_json: options.Json = False,
    _: Annotated[
        bool,
        typer.Option(
            "--print-space", callback=_print_space, is_eager=True, help="Print the default search space and leave."
        ),
    ] = False,
) -> None:
    """Search the settings of a training by validation error.

    Learning rate, size of the network, epochs, start and more. The result is a plan for `cryskit train --config`. Trials that fall behind are ended early, test crystals are not looked at, and a
    tuning that was stopped goes on when the same command is given again. Needs the extra `tune`.
    """
    require(out, SUFFIX)
    divided_by = the_only(split, "--split")
    seconds = seconds_of(budget) if budget else None
    keep_pages()
    from cryskit.training.search_space import space_of
    from cryskit.training.tune import require_optuna
    from cryskit.training.tune import tune as search

    require_optuna()
    asked = _asked(plan, properties, accelerator)
    space_of(space, asked)
    place = folder or out.with_name(f"{out.name}.tune")
    crystals, failures = collect(data, limit, structures)
    check_labels(crystals, asked)
    division = divide(crystals, divided_by or "random", asked.optimisation.seed, 1.0)
    with training.quietly(place):
        found = search(
            *(asked, crystals, division, out, place),
            trials=trials,
            budget=seconds,
            space=space,
            seed=seed,
            source=data,
            announce=note,
        )
    _show(found, data, trials, as_json=as_json)
    if failures:
        raise typer.Exit(1)


def _asked(plan: Path | None, properties: list[str] | None, accelerator: str | None) -> "TrainingPlan":
    """Return the plan of a file with what the options say in its place."""
    from cryskit.training.plan import Plan as Whole

    asked = Whole.from_yaml(plan) if plan else Whole()
    values = asked.model_dump(mode="json", exclude_unset=True)
    if properties:
        values["properties"] = properties
    if accelerator:
        values["optimisation"] = values.get("optimisation", {}) | {"accelerator": accelerator}
    asked = Whole.make(values)
    if not asked.properties:
        raise typer.BadParameter("name at least one property to learn", param_hint="'--property'")
    return asked


def _show(found: "Tuned", data: str, trials: int, *, as_json: bool) -> None:
    """Print the best trials and the files."""
    from cryskit.predict.tables import records

    finished = found.table[found.table["state"] != "unfinished"]
    if as_json:
        files = {"plan": str(found.path), "folder": str(found.folder)}
        print_json(
            {
                **files,
                "trial": found.trial,
                "validation_loss": found.loss,
                "settings": found.settings,
                "trials": records(found.table),
            }
        )
        return
    best = finished[finished["state"] == "complete"].sort_values("validation_loss").head(_SHOWN)
    shown = best.drop(columns=["state", "reason", "last_loss", "done"])
    early = int((finished["state"] == "ended early").sum())
    typer.echo(f"{len(finished)} of {trials} trials, {early} ended early; the best by validation loss:\n")
    print_table([str(name) for name in shown], (list(row.values()) for row in records(shown)))
    typer.echo(f"\nplan    {found.path}\ntrials  {found.folder / 'trials.csv'}, trials.png")
    typer.echo(
        f"next    cryskit train --data {data} --config {found.path} --split {found.folder / training.SPLIT} --out model.safetensors"
    )

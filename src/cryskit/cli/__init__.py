"""The command line: one file per verb, and the only place that prints.

Nothing heavy is imported until a verb runs, so that `cryskit --help` answers at once.
"""

import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cryskit.cli import (
    assistant,
    benchmark,
    calibrate,
    data,
    describe,
    embed,
    evaluate,
    explain,
    export,
    fit,
    models,
    predict,
    pretrain,
    screen,
    search,
    serve,
    suggest,
    train,
    tune,
)
from cryskit.cli.output import as_notes, connections_forbidden, log_shown, note
from cryskit.errors import CryskitError, FilesNotReadWarning, one_line


class Verbs(TyperGroup):
    """Ends with one clear line and exit code 2 where the call was wrong or a file cannot be read or written."""

    def invoke(self, ctx: Any) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (CryskitError, OSError) as error:
            note(f"Error: {one_line(error)}")
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=Verbs,
    name="cryskit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("predict")(predict.predict)
app.command("screen")(screen.screen)
app.command("explain")(explain.explain)
app.command("embed")(embed.embed)
app.command("export")(export.export)
app.command("describe")(describe.describe)
app.command("search")(search.search)
app.command("serve")(serve.serve)
app.command("mcp")(assistant.mcp)
app.command("suggest")(suggest.suggest)
app.command("fit")(fit.fit)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("pretrain")(pretrain.pretrain)
app.command("evaluate")(evaluate.evaluate)
app.command("calibrate")(calibrate.calibrate)
app.command("benchmark")(benchmark.benchmark)
app.add_typer(models.app, name="models")
app.add_typer(data.app, name="data")


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"cryskit {version('cryskit')}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print where errors arose that nobody foresaw.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Refuse to connect to other computers, as CRYSKIT_OFFLINE=1 does.")
    ] = False,
) -> None:
    """Learn representations of crystals and predict their properties.

    Exit codes: 0, every row is fine; 1, some rows failed and are named with a reason; 2, the call itself was wrong.
    """
    ctx.with_resource(as_notes(FilesNotReadWarning))
    if debug:
        ctx.with_resource(log_shown())
    if offline:
        ctx.with_resource(connections_forbidden())


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file may have bytes that are no UTF-8
    app()

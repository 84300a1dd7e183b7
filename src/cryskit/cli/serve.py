"""`cryskit serve`: models as a service over HTTP."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cryskit.cli import options
from cryskit.cli.output import note
from cryskit.cli.service_options import Memory, Models, Rows, Seconds, Workers, named_models

TOKEN = "CRYSKIT_TOKEN"  # noqa: S105 - the name of a variable
_SHORTEST = 16

Host = Annotated[
    str,
    typer.Option("--host", metavar="ADDRESS", help="Address to bind to; others need --token or --proxy-header."),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N", help="Port to bind to.")]
Token = Annotated[
    Path | None,
    typer.Option(
        "--token",
        metavar="FILE",
        help=f"File with the secret that requests have to bring.  [env: {TOKEN}]",
        show_default=False,
    ),
]
ProxyHeader = Annotated[
    str,
    typer.Option(
        "--proxy-header",
        metavar="NAME",
        help="Header that a reverse proxy sets once it knows who asks.",
        show_default=False,
    ),
]
Body = Annotated[float, typer.Option("--max-body", min=0.001, metavar="MB", help="Size of a request.")]
Files = Annotated[int, typer.Option("--max-files", min=1, metavar="N", help="Files of a request.")]
Queue = Annotated[int, typer.Option("--max-queue", min=1, metavar="N", help="Requests that run or wait.")]
Drain = Annotated[
    float, typer.Option("--drain", min=0, metavar="S", help="Time to finish what was begun when asked to end.")
]
Assistants = Annotated[bool, typer.Option("--mcp", help="Offer tools for assistants at /mcp; needs the extra `mcp`.")]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    model: Models = None,
    token: Token = None,
    proxy_header: ProxyHeader = "",
    workers: Workers = 2,
    memory: Memory = 1.0,
    body: Body = 32.0,
    files: Files = 1000,
    rows: Rows = 10_000,
    limit: options.Limit = options.LIMIT,
    queue: Queue = 128,
    seconds: Seconds = 600.0,
    drain: Drain = 30.0,
    mcp: Assistants = False,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Answer requests over HTTP, and show a page in the browser.

    Requests are for predictions, explanations, vectors, descriptions and searches.

    It binds to this computer alone unless it is said who may ask. Requests name published models and those of --model, never a path or an
    address, and what they send is read by processes with limits on time and memory. /openapi.json describes the requests. Needs the extra
    `serve`.
    """
    from cryskit.service.limits import Limits
    from cryskit.service.run import require_guarded
    from cryskit.service.run import serve as run
    from cryskit.service.settings import Settings

    default, own = named_models(model)
    limits = Limits(int(body * 1e6), files, rows, limit, queue=queue, seconds=seconds)
    settings = Settings(
        default,
        own,
        host,
        port,
        _secret(token),
        proxy_header,
        accelerator,
        batch_edges,
        processes=workers,
        model_bytes=int(memory * 1e9),
        drain=drain,
        limits=limits,
        mcp=mcp,
    )
    require_guarded(settings)
    note(f"cryskit serves {default} at http://{host}:{port}, SIGTERM or Ctrl-C ends it")
    run(settings)


def _secret(file: Path | None) -> str:
    """Return the secret of a file or of the environment, "" if there is none."""
    text = (file.read_text(encoding="utf-8") if file is not None else os.environ.get(TOKEN, "")).strip()
    if (file is not None or text) and len(text) < _SHORTEST:
        raise typer.BadParameter(f"a token has {_SHORTEST} characters or more", param_hint="'--token'")
    return text

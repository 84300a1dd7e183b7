"""`cryskit mcp`: models as tools of an assistant."""

from cryskit.cli import options
from cryskit.cli.service_options import Memory, Models, Rows, Seconds, Workers, named_models


def mcp(
    model: Models = None,
    workers: Workers = 1,
    memory: Memory = 1.0,
    rows: Rows = 1000,
    limit: options.Limit = options.LIMIT,
    seconds: Seconds = 600.0,
    accelerator: options.Accelerator = options.Hardware.AUTO,
    batch_edges: options.BatchEdges = options.BATCH_EDGES,
) -> None:
    """Offer models as tools to an assistant.

    They are offered by the Model Context Protocol, on standard input and output. The assistant starts this command and ends it; see "Tools for
    assistants" in the documentation for what to write into its settings. Tools predict, explain, describe, search and screen the structures that
    the assistant passes; they take no path and no address. `cryskit serve --mcp` offers the same tools over HTTP. Needs the extra `mcp`.
    """
    from cryskit.service.assistant import require_installed

    require_installed()
    from cryskit.service.assistant.transports import serve_stdio
    from cryskit.service.core import Service
    from cryskit.service.limits import Limits
    from cryskit.service.settings import Settings

    default, own = named_models(model)
    settings = Settings(
        default,
        own,
        accelerator=accelerator,
        batch_edges=batch_edges,
        processes=workers,
        model_bytes=int(memory * 1e9),
        drain=1.0,
        limits=Limits(rows=rows, atoms=limit, seconds=seconds),
    )
    serve_stdio(Service(settings))

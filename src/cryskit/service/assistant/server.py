"""The server that assistants talk to: a list of tools, and calls of them as pieces of work of the core."""

from __future__ import annotations

import asyncio
import json
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mcp import types
from mcp.server import Server

from cryskit.errors import CryskitError, UnknownNameError
from cryskit.service.assistant.tools import TOOLS
from cryskit.service.json_body import in_pieces
from cryskit.service.logs import LOG
from cryskit.service.problems import ServiceError, details, unforeseen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server import ServerRequestContext

    from cryskit.service.assistant.tools import Tool
    from cryskit.service.core import Service
    from cryskit.service.jobs import Job
    from cryskit.service.limits import Limits

    Report = Callable[[float, float | None], Awaitable[None]]

INSTRUCTIONS = (
    "Properties of crystals from their structures, by models that run here. Begin with model_card: it says what is predicted, in which units, and how large the errors are."
    " Always say the unit, the interval and the domain of a number that you pass on: where the domain is out, the model has seen nothing like the crystal and the"
    " interval may be too narrow. A prediction is no measurement. Structures are given in the call, as dictionaries or as the text of CIF, POSCAR or XYZ files;"
    " the tools read no files and fetch nothing."
)
"""What an assistant reads before it calls a tool."""
_POLL = 0.5  # seconds between two reports of progress


def build(core: Service) -> Server[Any]:
    """Return the server of a core.

    Args:
        core: Core of the service, which whoever builds the server starts and closes.
    """
    by_name = {tool.name: tool for tool in TOOLS}
    listed = types.ListToolsResult(tools=[_described(core, tool) for tool in TOOLS])

    async def list_tools(
        _context: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return listed

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        arguments = params.arguments or {}
        return await _called(core, by_name, params.name, arguments, context.session.report_progress)

    return Server(
        "cryskit",
        version=version("cryskit"),
        title="cryskit",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _described(core: Service, tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.described(core.limits),
        input_schema=tool.form.model_json_schema(),
        output_schema=tool.result.model_json_schema(),
        annotations=types.ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


async def _called(
    core: Service, tools: Mapping[str, Tool], name: str, arguments: dict[str, Any], report: Report
) -> types.CallToolResult:
    """Return the result of a tool, or the error that says what to do."""
    begun = time.monotonic()
    try:
        if name not in tools:
            raise UnknownNameError("tool", name, tools)
        pieces = await asyncio.to_thread(_pieces, arguments, core.limits)
        work = tools[name].prepare(core, pieces, f"the schema of the tool {name}")
        found = await _finished(core, name, work, report)
    except CryskitError as error:
        result = _problem(error)
    else:
        content: list[Any] = [types.TextContent(type="text", text=json.dumps(found, ensure_ascii=False))]
        result = types.CallToolResult(content=content, structured_content=found)
    known = name if name in tools else "unknown"
    facts = {"tool": known, "failed": result.is_error, "ms": round(1000 * (time.monotonic() - begun), 1)}
    LOG.info("tool", extra={"facts": facts})
    return result


async def _finished(core: Service, name: str, work: Callable[[Job], Any], report: Report) -> Any:
    """Return the result of a piece of work, whose progress is reported; it ends if nobody waits for it any more.

    Raises:
        CryskitError: There is too much to do, or the work failed.
    """
    job = core.jobs.start(name, work)
    done = asyncio.wrap_future(job.future)
    try:
        while not (await asyncio.wait([done], timeout=_POLL))[0]:
            await report(job.done, job.total or None)
    finally:
        if not job.future.done():
            job.cancel()
    core.jobs.discard(job)
    error = None if done.cancelled() else done.exception()
    if done.cancelled() or isinstance(error, asyncio.CancelledError):
        raise ServiceError(503, "The work was ended before it was done", "Call again once the service runs")
    if error is None:
        return done.result()
    if isinstance(error, CryskitError):
        raise error
    LOG.error("error", exc_info=error)
    raise unforeseen() from error


def _pieces(arguments: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Return arguments with each crystal as JSON; refuse arguments that are too large, whichever way they came."""
    found = in_pieces(arguments, limits.rows)
    size = sum(map(_size, found.values()))
    if size > limits.body:
        cure = "Send fewer crystals at a time, or use the command line"
        expected = f"at most {limits.body:,} bytes"
        raise ServiceError(413, "The arguments are too large", cure, given=f"{size:,} bytes", expected=expected)
    return found


def _size(value: Any) -> int:
    if isinstance(value, list) and all(isinstance(each, bytes) for each in value):
        return sum(map(len, value))
    return len(json.dumps(value))


def _problem(error: CryskitError) -> types.CallToolResult:
    """Return an error as a result that an assistant can act upon."""
    found = details(error)
    lines = [found["detail"], *(f"{each['field']}: {each['problem']}" for each in found.get("errors", ()))]
    lines += [f"{key}: {found[key]}" for key in ("given", "expected") if key in found]
    content: list[Any] = [types.TextContent(type="text", text="\n".join(lines))]
    return types.CallToolResult(content=content, structured_content={"problem": found}, is_error=True)

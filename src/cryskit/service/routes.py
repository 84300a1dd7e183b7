"""The addresses that take crystals and answer with rows."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import Response  # noqa: TC002

from cryskit.service import schemas
from cryskit.service.answers import TYPES, answer, form_of
from cryskit.service.bodies import SMALL
from cryskit.service.body import Content, content_of
from cryskit.service.core import Table
from cryskit.service.job_routes import accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryskit.service.core import Service
    from cryskit.service.jobs import Job
    from cryskit.service.parsing import Given

    Work = Callable[[Any, Sequence[Given], Job], Any]

_CELL = 60  # bytes of a value in memory, about
_ATOMS = 1000  # values in the explanation of a crystal, about
_FEW = 8  # rows that are written at once
_AT_ONCE = 500  # files or structures beyond which a request is a job from the beginning


def router(service: Service) -> APIRouter:
    """Return the routes of what models do.

    Args:
        service: The service that answers.
    """
    made = APIRouter(prefix="/v1", tags=["crystals"])
    kinds: list[tuple[str, type[schemas.Asked], Work]] = [
        ("predict", schemas.Predict, service.predict),
        ("explain", schemas.Explain, service.explain),
        ("embed", schemas.Embed, service.embed),
        ("describe", schemas.Describe, service.describe),
        ("search", schemas.Search, service.search),
        ("structures", schemas.Structures, service.structures),
    ]
    for kind, form, work in kinds:
        made.add_api_route(
            f"/{kind}",
            _endpoint(service, kind, form, work),
            methods=["POST"],
            name=kind,
            summary=(form.__doc__ or "").partition("\n")[0],
            responses=_responses(),
            openapi_extra=_body(form),
        )
    return made


def _worked(work: Work, content: Content, job: Job) -> Any:
    """Do the work of a request; a function without a closure, of which a failed job would keep what was sent."""
    return _done(job, work(content.asked, content.given, job))


def _endpoint(service: Service, kind: str, form: type[schemas.Asked], work: Work) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        wanted = form_of(request.query_params.get("format", ""), request.headers.get("accept", ""))
        content = await content_of(request, form, service.bodies)
        job = service.jobs.start(kind, partial(_worked, work, content))
        later = "respond-async" in request.headers.get("prefer", "") or len(content.given) > _AT_ONCE
        job.kept = later
        if not later:
            await _ended(job, service.limits.patience)
        if not job.future.done():
            job.kept = True
        if job.kept:
            return accepted(job)
        service.jobs.discard(job)
        found = job.future.result()
        if wanted == "json" and isinstance(found, Table) and len(found.rows) <= _FEW and content.size < SMALL:
            return _answered(kind, content, found, wanted)  # in less time than another thread needs to begin
        return await asyncio.to_thread(_answered, kind, content, found, wanted)

    return endpoint


def _done(job: Job, found: Any) -> Any:
    """Return what a job found, once its size is known."""
    rows = found.rows if isinstance(found, Table) else found["rows"]
    job.size = sum(_CELL * (len(row) + _width(row.get("vector")) + _ATOMS * ("atoms" in row)) for row in rows)
    return found


def _width(vector: Any) -> int:
    return 0 if vector is None else len(vector)


async def _ended(job: Job, seconds: float) -> None:
    """Wait until a job ended, or for some seconds."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    job.future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ended.wait()


def _answered(kind: str, content: Content, found: Any, form: str) -> Response:
    """Return what was found, with a tag that is the same for the same question to the same model file."""
    facts = found.get("sha256") if isinstance(found, dict) else found.facts.get("sha256", found.facts)
    digest = hashlib.sha256(repr((kind, form, facts, content.options)).encode("utf-8", "backslashreplace"))
    for each in content.crystals:
        digest.update(repr((each.kind, each.name, len(each.content))).encode("utf-8", "backslashreplace"))
        digest.update(each.content)
    return answer(found, form, {"ETag": f'"{digest.hexdigest()[:32]}"'})


def _responses() -> dict[int | str, dict[str, Any]]:
    problem = {"model": schemas.Problem, "content": {"application/problem+json": {}}}
    named = {
        413: "Too large, or too many crystals",
        415: "Neither JSON nor multipart",
        422: "Options that cannot be",
        429: "Too much to do; Retry-After says when to ask again",
        503: "Something is not installed, or the service is about to end",
    }
    tables: dict[str, dict[str, Any]] = {kind: {} for kind in TYPES.values() if not kind.endswith("json")}
    return {
        200: {"model": schemas.Table, "description": "One row per crystal, in order", "content": tables},
        202: {"model": schemas.JobState, "description": "A job: ask at the address in Location"},
        **{status: problem | {"description": said} for status, said in named.items()},
    }


def _body(form: type[schemas.Asked]) -> dict[str, Any]:
    """Return what /openapi.json says of the body of a request."""
    schema = form.model_json_schema()
    examples = schema.pop("examples", [])
    files = {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}}
    fields = {name: each for name, each in schema["properties"].items() if name != "structures"}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schema,
                    "examples": {f"example {i}": {"value": each} for i, each in enumerate(examples, 1)},
                },
                "multipart/form-data": {"schema": {"type": "object", "properties": {**files, **fields}}},
            },
        }
    }

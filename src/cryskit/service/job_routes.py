"""The addresses of jobs: where they are, their results, their progress as events, their end."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import JSONResponse, Response, StreamingResponse

from cryskit.errors import CryskitError
from cryskit.service import schemas
from cryskit.service.answers import answer, form_of
from cryskit.service.problems import ServiceError, details, unforeseen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cryskit.service.core import Service
    from cryskit.service.jobs import Job

_POLL = 0.2  # seconds between two looks at a job
_ENDED = ("done", "failed", "cancelled")


def router(service: Service) -> APIRouter:
    """Return the routes of jobs.

    Args:
        service: The service that works.
    """
    made = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    problem: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "No such job"}}

    @made.get("/{job_id}", responses=problem | {200: {"model": schemas.JobState}})
    async def state(job_id: str) -> Response:
        """Return where a job is."""
        return JSONResponse(about(service.jobs.get(job_id)))

    @made.get("/{job_id}/result", responses=problem | {200: {"model": schemas.Table}})
    async def result(job_id: str, request: Request) -> Response:
        """Return the result of a job; 202 as long as there is none."""
        job = service.jobs.get(job_id)
        wanted = form_of(request.query_params.get("format", ""), request.headers.get("accept", ""))
        if not job.future.done():
            return accepted(job)
        if job.state == "cancelled":
            raise ServiceError(409, "The job was cancelled", "Send the request again")
        tag = f'"{job_id}-{wanted}"'
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": tag})
        return await asyncio.to_thread(answer, job.future.result(), wanted, {"ETag": tag})

    @made.get("/{job_id}/events", responses=problem | {200: {"content": {"text/event-stream": {}}}})
    async def events(job_id: str) -> Response:
        """Return the progress of a job as server-sent events, the last of which is done, failed or cancelled."""
        return StreamingResponse(_events(service, service.jobs.get(job_id)), media_type="text/event-stream")

    @made.delete("/{job_id}", responses=problem | {200: {"model": schemas.JobState}})
    async def cancel(job_id: str) -> Response:
        """End a job."""
        job = service.jobs.get(job_id)
        job.cancel()
        return JSONResponse(about(job))

    return made


def about(job: Job) -> dict[str, Any]:
    """Return where a job is, with its addresses and, if it failed, the problem.

    Args:
        job: A job whose result is kept.
    """
    place = f"/v1/jobs/{job.id}"
    found = job.about() | {"result": f"{place}/result", "events": f"{place}/events"}
    if found["state"] == "failed":
        error = job.future.exception()
        found["problem"] = details(error if isinstance(error, CryskitError) else unforeseen())
    return found


def accepted(job: Job) -> Response:
    """Return the answer to a request that became a job.

    Args:
        job: A job whose result is kept.
    """
    headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": "1"}
    return JSONResponse(about(job), 202, headers)


async def _events(service: Service, job: Job) -> AsyncIterator[str]:
    """Yield an event for every change of a job, until it ended or the service is about to."""
    before = None
    while True:
        now = about(job)
        if now != before:
            name = now["state"] if now["state"] in _ENDED else "progress"
            yield f"event: {name}\ndata: {json.dumps(now)}\n\n"
            before = now
        if now["state"] in _ENDED or service.jobs.draining:
            return
        await asyncio.sleep(_POLL)

"""The application: routes, errors as problems, what every request passes through."""

from __future__ import annotations

import hashlib
import json
from contextlib import asynccontextmanager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cryskit.data.sources.bundled import sources
from cryskit.errors import CryskitError
from cryskit.service import job_routes, page_routes, routes
from cryskit.service.core import Service
from cryskit.service.limits import BodyLimit
from cryskit.service.logs import RequestLog, log_error
from cryskit.service.problems import of_http, response, unforeseen
from cryskit.service.security import HEADERS, REQUEST_ID, Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cryskit.service.assistant.transports import HttpTools
    from cryskit.service.settings import Settings

_TITLE = "cryskit"
_ABOUT = "Properties of crystals from their structures: predictions with intervals and domain, explanations, vectors, descriptions, search."


def build(settings: Settings, service: Service | None = None) -> FastAPI:
    """Return the application; `app.state.service` is its core.

    Args:
        settings: How the service is set up.
        service: The core; one is made of the settings by default.
    """
    core = service or Service(settings)
    tools = _tools(core) if settings.mcp else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(core.start)
        async with tools.running() if tools else nullcontext():
            yield
        await anyio.to_thread.run_sync(core.close)

    app = FastAPI(
        title=_TITLE,
        description=_ABOUT,
        version=version("cryskit"),
        lifespan=lifespan,
        docs_url=None,  # its page would load its program from elsewhere
        redoc_url=None,
    )
    app.state.service = core
    app.include_router(routes.router(core))
    app.include_router(job_routes.router(core))
    app.include_router(page_routes.router(core))
    app.include_router(_published(core))
    app.include_router(_operation(core))
    if tools:
        app.router.routes.append(tools.route)
    app.add_exception_handler(CryskitError, _problem)
    app.add_exception_handler(HTTPException, _problem)
    app.add_exception_handler(Exception, _problem)
    app.add_middleware(BodyLimit, limits=settings.limits)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(RequestLog, metrics=core.metrics)
    return app


def _tools(core: Service) -> HttpTools:
    """Return the tools for assistants."""
    from cryskit.service.assistant import require_installed  # noqa: PLC0415 - here and below: an extra

    require_installed()
    from cryskit.service.assistant.transports import HttpTools  # noqa: PLC0415

    return HttpTools(core)


async def _problem(request: Request, error: Exception) -> Response:
    """Return any error as a problem; what nobody foresaw is in the log alone."""
    request_id = getattr(request.state, "request_id", "")
    if isinstance(error, HTTPException):
        error = of_http(error)
    log_error(error, request_id=request_id)
    if not isinstance(error, CryskitError):
        return response(unforeseen(), request_id, HEADERS | {REQUEST_ID: request_id})  # no middleware adds them
    return response(error, request_id)


def _published(core: Service) -> APIRouter:
    """Return the routes that say what there is."""
    made = APIRouter(prefix="/v1", tags=["published"])

    @made.get("/models")
    def models(request: Request) -> Response:
        """Return the models: names, versions, properties with units."""
        return _tagged(request, {"models": list(core.models.cards())})

    @made.get("/models/{name}")
    def model(name: str, request: Request) -> Response:
        """Return a model with its card."""
        return _tagged(request, core.models.about(name, whole=True))

    @made.get("/data")
    def data(request: Request) -> Response:
        """Return the bundled sets of crystals, among which is searched."""
        names = ("name", "title", "rows", "licence", "citation", "doi")
        found = [
            {name: getattr(each, name) for name in names} | {"units": dict(each.units)} for each in sources().values()
        ]
        return _tagged(request, {"data": found})

    @made.get("/limits")
    def limits(request: Request) -> Response:
        """Return what a request may hold and how long it may take."""
        return _tagged(request, vars(core.limits))

    return made


def _operation(core: Service) -> APIRouter:
    """Return the routes for whoever runs the service."""
    made = APIRouter(tags=["operation"])

    @made.get("/healthz")
    async def healthz() -> Response:
        """Return that the process answers."""
        return JSONResponse({"status": "ok"})

    @made.get("/readyz")
    async def readyz() -> Response:
        """Return whether the default model is loaded and work is taken."""
        is_ready = core.ready.is_set() and not core.jobs.draining
        return JSONResponse({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)

    @made.get("/metrics")
    def metrics() -> Response:
        """Return figures for Prometheus."""
        return PlainTextResponse(core.metrics.text(), media_type="text/plain; version=0.0.4")

    return made


def _tagged(request: Request, found: dict[str, Any]) -> Response:
    """Return an object with a tag of its content; nothing if the client has it already."""
    text = json.dumps(found, allow_nan=False)
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)

"""An OPTIMADE server on loopback: python optimade_app.py ENTRIES.json serves these and the reference data, and prints its port.

It is optimade's own server, with its data base in memory; nothing of it connects anywhere. ENTRIES.json is a list of the attributes of
structures, each with its id.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import uvicorn
from optimade.server import data
from optimade.server.config import ServerConfig
from optimade.server.create_app import create_app

ALIASES = {
    "id": "task_id",
    "immutable_id": "_id",
    "chemical_formula_descriptive": "pretty_formula",
    "chemical_formula_reduced": "pretty_formula",
    "chemical_formula_anonymous": "formula_anonymous",
}


def documents(path: str) -> list[dict[str, object]]:
    """Return entries as the data base holds them: under the names that it has for some fields."""
    entries = json.loads(Path(path).read_text(encoding="utf-8"))
    return [{ALIASES.get(name, name): value for name, value in entry.items()} for entry in entries]


def main() -> None:
    config = ServerConfig(
        insert_test_data=False,
        page_limit=20,
        page_limit_max=500,
        log_level="warning",
        aliases={"structures": ALIASES},
        provider_fields={"structures": ["bulk_modulus"]},
    )
    app = create_app(config)
    structures = app.state.entry_collections["structures"]
    structures.insert(data.structures)
    structures.insert(documents(sys.argv[1]))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    print(f"port {listening.getsockname()[1]}", flush=True)  # noqa: T201 - the test reads it
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])


main()

"""The first hour of a newcomer: cryskit installed as the pages say, then every command and program of README, tutorials and how-to pages.

    python -m benchmarks.studies.first_hour --folder runs/first-hour

A clone of this repository is made, a virtual environment, and in it cryskit is installed (not editable) by the commands of docs/install.md. Each page
then runs in a copy of `examples/` with an empty home folder: first the pages that need no extra, then, extra by extra, the others. Every command is timed, and
what it prints is compared with what the page shows. At the end `make demo` is given in another clone. pip's cache is not used. Blocks in ```sh and ```py are not run: they stand for data, computers and networks that the reader has.

A killed run goes on with the same folder: what was installed and the pages that are done are not repeated. After a new commit a page is gone through again if it or
`examples/` has changed, and all is done again if the package has. The card is `results/first-hour.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.speed import machine
from benchmarks.studies.page_run import plain_environment, run, timed
from cryskit.atomic_write import write_json

sys.path.insert(0, str(machine.ROOT / "tools"))
from page_steps import untried

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TORCH = "torch --index-url https://download.pytorch.org/whl/cpu"
"""What docs/install.md has a reader without a GPU install first."""
EXTRAS: dict[str, tuple[str, ...]] = {
    "docs/howto/tune.md": ("tune",),
    "docs/howto/other-libraries.md": ("baselines",),
    "docs/howto/assistants.md": ("mcp", "explain"),
    "README.md": ("explain",),
    "docs/tutorials/explain.md": ("explain",),
    "docs/tutorials/few-labels.md": ("explain",),
    "docs/howto/describe.md": ("describe",),
    "docs/howto/text-vectors.md": ("minilm",),
    "docs/howto/learn-from-descriptions.md": ("describe", "minilm"),
}
"""Pages that need extras, in the order in which these are installed."""
NOT_RUN = {
    "docs/howto/cluster.md": "needs several computers, with SLURM, Ray or Kubernetes",
    "docs/howto/fetch.md": "fetches crystals over the network",
    "docs/howto/serve.md": "starts a service, which runs until it is ended",
}
"""Pages without anything that can run here, and why."""
SLOWEST = 10
"""Number of commands that are named as the slowest."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Install, go through the pages, and keep the figures in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder to work in, and to go on in; a temporary one by default")
    parser.add_argument("--torch", default=TORCH, help="what pip installs first")
    parser.add_argument(
        "--threads",
        type=int,
        help="threads of torch, which by default takes one a core: on a busy machine they wait for one another",
    )
    parser.add_argument("--page", action="append", help="go through this page only, and write no card")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    with nullcontext(asked.folder) if asked.folder else tempfile.TemporaryDirectory() as folder:
        hour = Hour(Path(folder).resolve(), asked.torch, asked.threads)
        for page in asked.page or pages():
            hour.go_through(page)
        if not asked.page:
            hour.demo()
            write_json(hour.card(), asked.out / "first-hour.json")


def pages() -> list[str]:
    """Return the pages that are gone through: those that need no extra, and then those of `EXTRAS` in its order."""
    every = [
        "README.md",
        "docs/index.md",
        "docs/install.md",
        *(path.relative_to(machine.ROOT).as_posix() for kind in ("tutorials", "howto") for path in _pages(kind)),
    ]
    return [page for page in every if page not in {*EXTRAS, *NOT_RUN}] + list(EXTRAS)


def _pages(kind: str) -> list[Path]:
    return sorted((machine.ROOT / "docs" / kind).glob("*.md"))


class Hour:
    """A clone, an environment and the records of what was done with them, in one folder.

    Args:
        folder: The folder.
        torch: Arguments of the first `pip install`.
        threads: Number of threads of torch; as many as it takes by default.
    """

    def __init__(self, folder: Path, torch: str, threads: int | None) -> None:
        self._folder = folder
        self._threads = threads
        self._torch = torch.split()
        self._clone = folder / "cryskit"
        self._environment = folder / "environment"
        self._home = folder / "home"
        self._records = folder / "records"
        self._commit = _git(machine.ROOT, "rev-parse", "HEAD")
        self._home.mkdir(parents=True, exist_ok=True)

    def go_through(self, page: str) -> None:
        """Go through a page, unless that was done, after installing what it needs.

        Args:
            page: The page, relative to the root of the repository.
        """
        self._install()
        wanted = [extra for extra in EXTRAS.get(page, ()) if not self._has(f"with-{extra}")]
        if wanted:
            self._pip("-".join(("extra", *wanted)), f".[{','.join(wanted)}]")
            for extra in wanted:
                self._keep(f"with-{extra}", {"extra": extra})
        name, of = page.replace("/", "-"), {"objects": self._objects(page, "examples"), "threads": self._threads}
        if self._has(name) and of.items() <= self._kept(name).items():
            return
        print(page, flush=True)
        place = self._folder / "pages" / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self._clone / "examples", place / "examples")
        found = run(self._clone / page, self._environment, place, self._home, self._threads)
        self._keep(name, of | found)

    def demo(self) -> None:
        """Give the first command of README, which makes an environment of its own, in another clone, unless that was done."""
        if not self._has("demo"):
            place = self._folder / "demo"
            shutil.rmtree(place, ignore_errors=True)
            _git(self._folder, "clone", "--quiet", str(self._clone), str(place))
            self._timed("demo", ["make", "demo"], place)
            self._keep("demo", self._kept("demo") | {"megabytes": _megabytes(place / ".venv")})

    def _install(self) -> None:
        """Bring the clone to the commit of the repository, and install its package, unless that was done."""
        if not self._has("clone"):
            shutil.rmtree(self._clone, ignore_errors=True)
            self._timed("clone", ["git", "clone", "--quiet", str(machine.ROOT), self._clone.name], self._folder)
        _git(self._clone, "fetch", "--quiet")
        _git(self._clone, "reset", "--quiet", "--hard", self._commit)
        objects = self._objects("src", "pyproject.toml")
        if not self._has("environment") or self._kept("environment")["objects"] != objects:
            for record in {*self._records.glob("*.json")} - {self._records / "clone.json"}:
                record.unlink()
            shutil.rmtree(self._environment, ignore_errors=True)
            self._timed("environment", [sys.executable, "-m", "venv", str(self._environment)], self._folder)
            self._keep("environment", {"objects": objects, **self._kept("environment")})
        self._pip("torch", *self._torch)
        self._pip("package", ".")
        if not self._has("size"):
            self._keep("size", self._size())

    def _pip(self, name: str, *what: str) -> None:
        """Install something with pip in the clone, unless that was done."""
        if not self._has(name):
            python = self._environment / "bin" / "python"
            self._timed(name, [str(python), "-m", "pip", "install", "--quiet", *what], self._clone)

    def _timed(self, name: str, command: list[str], folder: Path) -> None:
        said = " ".join(["python" if "python" in Path(command[0]).name else command[0], *command[1:]])
        for path, name_of in ((f"{self._folder}/", ""), (str(machine.ROOT), "REPOSITORY"), ("--quiet ", "")):
            said = said.replace(path, name_of)
        print(said, flush=True)
        done = timed(command, folder, plain_environment() | {"PIP_NO_CACHE_DIR": "1"})
        if done.status:
            raise SystemExit(f"{said}\n{done.printed}\n{done.said}")
        self._keep(name, {"command": said, "wall_seconds": round(done.wall, 1), "cpu_seconds": round(done.cpu, 1)})

    def _size(self) -> dict[str, Any]:
        """Return how large the environment is now, and how many packages are in it."""
        packages = self._python("import importlib.metadata as m; print(len({d.name for d in m.distributions()}))")
        return {"megabytes": _megabytes(self._environment), "packages": int(packages)}

    def _python(self, source: str) -> str:
        command = [str(self._environment / "bin" / "python"), "-c", source]
        return timed(command, self._folder, plain_environment()).printed.strip()

    def _objects(self, *paths: str) -> str:
        """Return what git calls the contents of some files and folders of the clone."""
        return _git(self._clone, "rev-parse", *(f"HEAD:{path}" for path in paths))

    def _has(self, name: str) -> bool:
        return (self._records / f"{name}.json").exists()

    def _keep(self, name: str, record: Any) -> None:
        write_json(record, self._records / f"{name}.json")

    def _kept(self, name: str) -> Any:
        return json.loads((self._records / f"{name}.json").read_text(encoding="utf-8"))

    def card(self) -> dict[str, Any]:
        """Return the result card."""
        found = {page: self._kept(page.replace("/", "-")) for page in pages()}
        every = [(page, step) for page, record in found.items() for step in record["steps"]]
        slowest = sorted(every, key=lambda one: -one[1]["wall_seconds"])[:SLOWEST]
        kept = [self._kept(path.stem) for path in sorted(self._records.glob("*.json"), key=os.path.getmtime)]
        installs = [
            {key: value for key, value in record.items() if key != "objects"}
            for record in kept
            if record.get("command", "make demo") != "make demo"
        ]
        return {
            "title": "The first hour: every command of README, tutorials and how-to pages",
            "pages": [row(page, self._clone / page, record) for page, record in found.items()],
            "slowest": [{"page": page, **_seconds(step)} for page, step in slowest],
            "wrong": [{"page": page, **step} for page, step in every if step["status"] or step["agrees"] is False],
            "not_run": [{"page": page, "because": reason} for page, reason in NOT_RUN.items()],
            "installation": installs,
            "total": {"installing": _sums(installs), "pages": _sums(step for _, step in every)},
            "make_demo": {key: value for key, value in self._kept("demo").items() if key != "command"},
            "environment": {"plain": self._kept("size"), "all_extras_of_the_pages": self._size()},
            "machine": self._machine(),
        }

    def _machine(self) -> dict[str, Any]:
        """Return the facts of the machine, with the versions and the threads of the environment."""
        facts = machine.facts(1)
        source = (
            "import importlib.metadata as m, json, torch; versions = {name: m.version(name) for name in "
            + json.dumps(list(facts["versions"]))
        )
        found = json.loads(self._python(source + "}; print(json.dumps([versions, torch.get_num_threads()]))"))
        return facts | {"versions": found[0], "threads": self._threads or found[1]}


def row(name: str, page: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a page in the card.

    Args:
        name: Name of the page.
        page: The file.
        record: What `page_run.run` has returned for it.
    """
    done = record["steps"]
    slowest = max(done, key=lambda step: step["wall_seconds"], default=None)
    return {
        "page": name,
        "extras": ", ".join(EXTRAS.get(name, ())),
        "commands": len(done),
        **_sums(done),
        "slowest": slowest and slowest["what"],
        "slowest_seconds": slowest and slowest["wall_seconds"],
        "failed": sum(step["status"] != 0 for step in done),
        "outputs_shown": sum(step["agrees"] is not None for step in done),
        "outputs_that_differ": sum(step["agrees"] is False for step in done),
        "blocks_not_run": untried(page),
        "others_cores": record["others_cores"],
    }


def _sums(records: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds of some records together."""
    kept = list(records)
    return {key: round(sum(record[key] for record in kept), 1) for key in ("wall_seconds", "cpu_seconds")}


def _seconds(step: dict[str, Any]) -> dict[str, Any]:
    return {key: step[key] for key in ("what", "wall_seconds", "cpu_seconds")}


def _megabytes(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return round(sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.strip()


if __name__ == "__main__":
    main()

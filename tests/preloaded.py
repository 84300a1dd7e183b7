"""The command `cryskit` for tests: the installed script, run in a copy of a process that has loaded the libraries already.

Most of the time of a short command goes into loading torch, Lightning, pandas, pymatgen and Robocrystallographer, which is
the same each time. So one process loads them, each when it is first needed, and forks for each command: the copy takes over
the arguments, environment, folder, input and outputs of whoever calls, and runs the installed script from its first line.
cryskit itself is not loaded before the fork, so its own imports happen in each command.

What differs from a command that is started for itself: what the libraries read from the environment as they are loaded is
that of the tests, a name that cryskit forgot to import from a library's submodule is there, the objects of an
interpreter are not taken down one by one at its end, and a signal to the command does not reach the copy, which is killed when
the command ends. Tests of installation, imports, threads and signals start the real one.

`command()` gives the path of the command, which is called `cryskit`, too; `run` and `kill` call it.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, NoReturn

TRAINING = {"train", "pretrain", "tune", "benchmark"}
DESCRIBING = {"describe", "search", "crysmmnet"}
LIBRARIES: dict[str, set[str]] = {
    "typer": set(),
    "pydantic": set(),
    "torch": set(),
    "jaxtyping": set(),
    "safetensors.torch": set(),
    "pandas": set(),
    "pyarrow.dataset": set(),
    "pyarrow.parquet": set(),
    "gemmi": set(),
    "pymatgen.symmetry.analyzer": set(),
    "ase.io": set(),
    "sklearn.linear_model": set(),
    "matplotlib.pyplot": TRAINING | {"explain"},
    "captum.attr": {"explain"},
    "optuna": {"tune"},
    "lightning.pytorch": TRAINING,
    "transformers": TRAINING | DESCRIBING,
    "robocrys": DESCRIBING,
    "torch.export._trace": {"export"},
    "torch.onnx": {"export"},
    "onnxscript.function_libs.torch_lib.ops": {"export"},
    "onnxruntime": {"export"},
}
"""Each library with the words in a call that tell that it will be of use; those without such words are always loaded."""
SCRIPT = Path(sys.executable).with_name("cryskit")
CALLER = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(call).to_bytes(8, "big")], [0, 1, 2])
server.sendall(call)
status = server.recv(1)
os._exit(status[0] if status else 70)
"""


@cache
def command() -> Path:
    """Return the path of the command; the process behind it is started once and ends with this one. Elsewhere than on Linux, the real one."""
    if not hasattr(os, "pidfd_open"):  # of Linux
        return SCRIPT
    place = tempfile.TemporaryDirectory(prefix="cryskit-")
    address = str(Path(place.name, "server"))
    caller = Path(place.name, "cryskit")
    caller.write_text(CALLER.format(python=sys.executable, address=address), encoding="utf-8")
    caller.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        handle = listener.fileno()
        server = subprocess.Popen([sys.executable, __file__, str(handle)], stdin=subprocess.PIPE, pass_fds=[handle])
    atexit.register(place.cleanup)
    atexit.register(server.communicate)
    return caller


def run(*arguments: str | Path, folder: Path) -> None:
    """Run the command in a folder; if it fails, what it said is the message."""
    done = subprocess.run([command(), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def kill(*arguments: str | Path, folder: Path, when: Path) -> None:
    """Start the command in a folder, kill it as soon as there is a file, and wait until the copy that worked is gone."""
    call, end = [command(), *arguments], time.monotonic() + 120
    with subprocess.Popen(call, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as caller:
        while not (there := when.exists()) and time.monotonic() < end:
            time.sleep(0.01)
        caller.kill()
        said, _ = caller.communicate()  # the end of the pipe, which the copy holds, too
    assert there, f"{when} was not written: {said.decode()}"


class Call(NamedTuple):
    """What a caller sends: the arguments, folder and environment of a command, and its three streams."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    streams: list[int]


def serve(listener: socket.socket) -> Call:
    """Fork for each call until standard input ends; return the call in the process that is to run it."""
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if listener not in ready:
            raise SystemExit
        caller, _ = listener.accept()
        with caller:
            size, streams, _, _ = socket.recv_fds(caller, 8, 3)
            with caller.makefile("rb") as sent:
                call = Call(*json.loads(sent.read(int.from_bytes(size, "big"))), streams)
            load(call.arguments)
            if os.fork() == 0:
                listener.close()
                watch(caller)
                return call
        for stream in streams:
            os.close(stream)


def load(words: list[str]) -> None:
    """Load the libraries, as far as they are installed and not loaded, that a call with these words needs."""
    for library, signs in LIBRARIES.items():
        if library not in sys.modules and (not signs or signs.intersection(words)):
            with suppress(ImportError):
                import_module(library)
    gc.freeze()


def watch(caller: socket.socket) -> None:
    """Fork; wait for the other process, send its exit status to the caller, and end it if the caller ends; return in the other."""
    command = os.fork()
    if command:
        ended = os.pidfd_open(command)
        if ended not in select.select([caller, ended], [], [])[0]:
            os.kill(command, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        with suppress(BrokenPipeError):
            caller.send(bytes([status if status >= 0 else 128 - status]))
        os._exit(0)


def become(call: Call) -> None:
    """Take over the arguments, folder, environment and streams of a caller."""
    for own, theirs in enumerate(call.streams):
        os.dup2(theirs, own)
        os.close(theirs)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the streams of a process are open until it ends
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(call.folder)
    os.environ.clear()
    os.environ.update(call.environment)
    for choice in filter(None, os.environ.get("PYTHONWARNINGS", "").split(",")):
        warnings._setoption(choice)  # type: ignore[attr-defined]
    sys.argv[:] = [str(SCRIPT), *call.arguments]
    sys.path[0] = str(SCRIPT.parent)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # as in a process that is started, numbers are new each time


def play() -> NoReturn:
    """Run the installed script and end with its status, after its threads and exit functions, without taking the interpreter down."""
    status = 0
    try:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        status = end.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    """Be the process behind the command."""
    load([])
    call = serve(socket.socket(fileno=int(sys.argv[1])))
    assert "cryskit" not in sys.modules, "a library loads cryskit"
    become(call)
    play()


if __name__ == "__main__":
    main()

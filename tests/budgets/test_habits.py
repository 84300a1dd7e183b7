"""The habits that linting alone does not hold, or that must hold whatever the linter is told."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
from budgets.syntax import PACKAGE, SOURCE, Function, Module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {
    *("eval", "exec", "__import__", "torch.load", "torch.save"),
    *("pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "os.system"),
}


BROAD = ("cryskit.data.validate", "outcome")
"""The one function that may catch every exception: it makes a failure of a row whatever a library raises for it."""


def broad_except(module: Module) -> Iterator[int]:
    exempt = {
        id(node)
        for function in module.functions
        if (module.name, function.name) == BROAD
        for node in ast.walk(function)
    }
    for node in ast.walk(module.tree):
        if id(node) in exempt:
            continue
        if isinstance(node, ast.ExceptHandler):
            caught = {"BaseException"} if node.type is None else {ast.unparse(n) for n in ast.walk(node.type)}
            if caught & {"Exception", "BaseException"}:
                yield node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            yield from (node.lineno for caught in node.args if ast.unparse(caught) in {"Exception", "BaseException"})


def star_import(module: Module) -> Iterator[int]:
    return (i.line for i in module.imports if i.name == "*")


def global_statement(module: Module) -> Iterator[int]:
    return (node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Global))


def mutable_default(module: Module) -> Iterator[int]:
    for function in module.functions:
        for default in [*function.args.defaults, *(d for d in function.args.kw_defaults if d)]:
            made = isinstance(default, ast.Call) and ast.unparse(default.func) in {"list", "dict", "set"}
            if made or isinstance(default, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
                yield default.lineno


def unsafe_code(module: Module) -> Iterator[int]:
    yield from (i.line for i in module.imports if i.module.split(".")[0] in UNSAFE_MODULES)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            pickles = any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords)
            if pickles or ast.unparse(node.func) in UNSAFE_CALLS or ast.unparse(node.func).endswith(".to_pickle"):
                yield node.lineno


def print_outside_cli(module: Module) -> Iterator[int]:
    if module.unit != "cli":
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "print",
                "sys.stdout.write",
                "sys.stderr.write",
            }:
                yield node.lineno


@pytest.mark.parametrize(
    "rule",
    [broad_except, star_import, global_statement, mutable_default, unsafe_code, print_outside_cli],
    ids=lambda rule: rule.__name__,
)
@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_there_is_no(rule: Callable[[Module], Iterator[int]], module: Module) -> None:
    lines = list(rule(module))
    assert not lines, f"{rule.__name__} in {module} at {lines}"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (broad_except, "try:\n    x()\nexcept:\n    pass"),
        (broad_except, "try:\n    x()\nexcept (ValueError, Exception) as error:\n    pass"),
        (broad_except, "with contextlib.suppress(Exception):\n    x()"),
        (star_import, "from os import *"),
        (global_statement, "def f() -> None:\n    global x"),
        (mutable_default, "def f(x=[]): ..."),
        (mutable_default, "def f(*, x=dict()): ..."),
        (unsafe_code, "import pickle"),
        (unsafe_code, "eval('1')"),
        (unsafe_code, "torch.load(path)"),
        (unsafe_code, "np.load(path, allow_pickle=True)"),
        (print_outside_cli, "def f():\n    print(1)"),
    ],
)
def test_a_breach_is_found(rule: Callable[[Module], Iterator[int]], code: str) -> None:
    assert list(rule(Module(SOURCE / "cryskit" / "graphs" / "tried.py", code)))


def test_one_function_alone_may_catch_everything() -> None:
    code = "def outcome():\n    try:\n        x()\n    except Exception:\n        pass"
    place = SOURCE / "cryskit" / "data"
    assert not list(broad_except(Module(place / "validate.py", code)))
    assert list(broad_except(Module(place / "validate.py", code.replace("outcome", "other"))))
    assert list(broad_except(Module(place / "read.py", code)))


def public(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Yield the public classes, functions and methods, with their names."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield f"{prefix}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_everything_public_has_a_docstring(module: Module) -> None:
    exempt = ("overload", "override", "typing.overload", "typing.override")
    bare = [
        name
        for name, node in public(module.tree)
        if not ast.get_docstring(node) and not any(ast.unparse(d) in exempt for d in node.decorator_list)
    ]
    assert ast.get_docstring(module.tree), "the module says what it is for"
    assert not bare


def unannotated(function: Function) -> Iterator[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    loose = [a for a in (arguments.vararg, arguments.kwarg) if a]
    yield from (a.arg for a in [*named, *loose] if not a.annotation and a.arg not in {"self", "cls"})
    if not function.returns:
        yield "return"


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_every_argument_and_result_is_annotated(module: Module) -> None:
    missing = {f.name: names for f in module.functions if (names := list(unannotated(f)))}
    assert not missing


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_shape_annotations_can_be_resolved(module: Module) -> None:
    """A name that exists for the type checker only cannot be checked when the tests run: the shape would be decoration."""
    hidden = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for block in ast.walk(module.tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom) and node.module in {"jaxtyping", "torch"}
    ]
    shaped = module.unit in {"graphs", "layers", "encoders", "objectives"}
    assert not (shaped and hidden), "import these at run time, outside `if TYPE_CHECKING:`"

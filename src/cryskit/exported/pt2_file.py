"""Exported networks as pt2 files, the archives of `torch.export.save`.

`torch.export.load` is not safe: it unpickles tensors that are stored as pickles, evaluates the symbols of sizes and the guards as Python
code, and loads libraries. So nothing is given to it but what was read and checked before (`checked`): an archive of raw tensors with a
graph of known operators of torch, in which symbols are names and numbers, and nothing is pickled. What is written here is of this kind.
"""

from __future__ import annotations

import json
import re
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

import torch

from cryskit.errors import ModelError
from cryskit.exported.facts import KEY
from cryskit.exported.network import LAYOUT
from cryskit.exported.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor
    from torch.export import ExportedProgram

_EXTRA = f"{KEY}.json"
_GRAPH = "models/model.json"
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_SAMPLES = "data/sample_inputs/model.pt"
_MEMBER = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id|alignment)|\.storage_alignment|\.format_version|"
    rf"{re.escape(_GRAPH)}|{re.escape(_SAMPLES)}|data/weights/(weight_\d+|model_weights_config\.json)|"
    rf"data/constants/(tensor_\d+|model_constants_config\.json)|extra/{re.escape(_EXTRA)}"
)
_TENSOR = re.compile(r"(weight|tensor)_\d+")
_SYMBOLS = re.compile(
    r"(Symbol|Integer|Mul|Add|Max|Min|True|positive|nonnegative|integer|'[a-z]{1,2}\d+'|[a-z]\d+|\d+|[(),=*+ -])*"
)
_SYMBOL = re.compile(r"[a-z]{1,2}\d+")
_OPERATORS = re.compile(
    r"_operator\.getitem|torch\.ops\.aten\.("
    r"_assert_tensor_metadata|_native_batch_norm_legit_no_training|_softmax|_to_copy|abs|add|addmm|alias|amax|any|arange|as_strided|"
    r"bitwise_and|bitwise_not|bmm|cat|clamp|clamp_min|clone|copy|detach|detach_|div|embedding|eq|erf|exp|"
    r"expand|floor|full|full_like|gather|ge|gelu|gt|index|index_put|index_select|isnan|le|lift_fresh_copy|"
    r"linalg_vector_norm|log|log1p|logical_and|logical_not|lt|max|mean|mm|mul|mv|native_layer_norm|ne|neg|"
    r"permute|pow|reciprocal|relu|rsqrt|scalar_tensor|scatter_reduce|select|sigmoid|slice|"
    r"split_with_sizes|sqrt|squeeze|sub|sum|sym_size|tanh|unsqueeze|view|where"
    r")\.\w+"
)
_VALUES = re.compile(
    r"as_(tensors?|optional_tensors?|ints?|floats?|bools?|none|sym_ints?|scalar_type|device|layout|memory_format|name|expr|string|strings)"
)
_NESTED = ("builtins.tuple", "builtins.list", "builtins.dict", None)
_STORED = zipfile.ZIP_STORED


def save(program: ExportedProgram, facts: str, path: Path) -> None:
    """Write an exported program.

    Args:
        program: The program.
        facts: The facts of the file, as JSON.
        path: The file to write.

    Raises:
        ModelError: This torch writes files that cannot be read without pickle.
    """
    with quiet():
        plain: Any = program.run_decompositions()
    for node in plain.graph.nodes:  # where in which file of this computer each operation comes from
        node.meta = {name: value for name, value in node.meta.items() if name == "val"}
    plain.example_inputs = None
    for name in ("_guards_code", "_module_call_graph"):
        if isinstance(found := getattr(plain, name, None), list):
            setattr(plain, name, found[:1] if name == "_module_call_graph" else [])
    written = BytesIO()
    with quiet():
        torch.export.save(plain, written, extra_files={_EXTRA: facts})
    try:
        checked(written, path)
    except ModelError as error:
        raise ModelError(
            f"torch {torch.__version__} makes no pt2 file of this network that is safe to load ({error.problem})",
            "Upgrade torch (2.13 was tried), or export with --format onnx",
        ) from error
    path.write_bytes(written.getvalue())


def load(path: Path) -> tuple[str, Callable[[Mapping[str, Tensor]], Tensor]]:
    """Return the facts of a pt2 file and its network.

    Args:
        path: The file.

    Raises:
        ModelError: The file holds more than tensors and a graph of known operators, or this torch cannot read it.
    """
    facts, archive = checked(path, path)
    try:
        with quiet():
            program = torch.export.load(archive).module()
    except (RuntimeError, AssertionError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"torch {torch.__version__} cannot read {path} ({str(error)[:200]})",
            "Export the model again with this torch",
        ) from error

    @torch.no_grad()
    def run(arrays: Mapping[str, Tensor]) -> Tensor:
        found: tuple[Tensor, ...] = program(**{name: arrays[name] for name in LAYOUT if name in arrays})
        return found[0]

    return facts, run


def checked(source: Path | BytesIO, path: Path) -> tuple[str, BytesIO]:
    """Return the facts of a pt2 file, and a new archive of what was checked, which torch may load.

    Args:
        source: The file.
        path: Its name, for messages.

    Raises:
        ModelError: It is no pt2 file that `cryskit export` wrote.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            infos = archive.infolist()
            root, members = infos[0].filename.partition("/")[0], {}
            for info in infos:
                folder, _, name = info.filename.partition("/")
                if folder != root or name in members or not _MEMBER.fullmatch(name) or info.compress_type != _STORED:
                    raise _refused(path, f"it has a part {info.filename[:80]!r}")
                members[name] = archive.read(info)
        _check_parts(members, path)
        facts = members[f"extra/{_EXTRA}"].decode()
    except (zipfile.BadZipFile, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(path, f"it is damaged: {str(error)[:120]}") from error
    new = BytesIO()
    with zipfile.ZipFile(new, "w", _STORED) as archive:
        for name, content in members.items():
            archive.writestr(f"{root}/{name}", content)
    new.seek(0)
    return facts, new


def _check_parts(members: Mapping[str, bytes], path: Path) -> None:
    """Refuse pickles, operators that are not known, and code."""
    if members[_SAMPLES]:
        raise _refused(path, "it has pickled inputs")
    for name in _CONFIGS:
        for found in json.loads(members[name])["config"].values():
            if found["use_pickle"] or not _TENSOR.fullmatch(found["path_name"]):
                raise _refused(path, "it has pickled tensors")
    graph = json.loads(members[_GRAPH])
    if graph.get("guards_code") or graph["graph_module"].get("treespec_namedtuple_fields"):
        raise _refused(path, "its graph has code")
    if not all(_SYMBOL.fullmatch(name) for name in graph["range_constraints"]):
        raise _refused(path, "its graph has unknown symbols")
    for key, value in _pairs(graph):
        _check_value(key, value, path)


def _check_value(key: str, value: Any, path: Path) -> None:
    """Refuse a value of the graph that makes torch do more than call a known operator."""
    if key == "target":
        if not _OPERATORS.fullmatch(str(value)):
            raise _refused(path, f"its graph calls {str(value)[:80]!r}")
    elif key == "expr_str" and not _SYMBOLS.fullmatch(str(value)):
        raise _refused(path, f"its graph has the symbol {str(value)[:80]!r}")
    elif key in {"in_spec", "out_spec"} and value:
        if any(name == "type" and kind not in _NESTED for name, kind in _pairs(json.loads(value))):
            raise _refused(path, "its graph has arguments of unknown types")
    elif key == "metadata" and value:
        raise _refused(path, "its graph has metadata")
    elif key.startswith("as_") and not _VALUES.fullmatch(key):
        raise _refused(path, f"its graph has values of the kind {key[:80]!r}")


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield all keys with their values in nested dictionaries and lists."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield str(key), each
            yield from _pairs(each)
    elif isinstance(value, list):
        for each in value:
            yield from _pairs(each)


def _refused(path: Path, problem: str) -> ModelError:
    return ModelError(f"{path} is no pt2 file that `cryskit export` wrote: {problem}", "Export the model again")

"""The files that are mutated, and how each kind is read."""

from __future__ import annotations

import gzip
import json
import struct
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import ase.io
from ase.build import bulk
from contracts.written import BINARY, CRYSTALS, ONE_EACH, WRITERS
from fuzz.mutations import change, mutated
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from cryskit.data import interchange
from cryskit.data.read import read
from cryskit.data.readers.formats import FORMATS
from cryskit.data.splits import Split, make
from cryskit.graphs import store
from cryskit.graphs.build import build
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.training.checkpoint import SafetensorsIO
from cryskit.training.plan import Plan
from cryskit.training.run import card_of
from cryskit.types import Crystal, Failure, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

LIMIT = 500


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: Name of the kind.
        file: Name of its files.
        content: A sound file.
        mutate: Makes another file of it.
        use: Reads a file at a path; returns its rows, or nothing.
        checked: Whether a checksum protects it: it is refused, or says what it said.
    """

    name: str
    file: str
    content: bytes
    mutate: Callable[[bytes, Random], bytes]
    use: Callable[[Path], list[Crystal | Failure]]
    checked: bool = False


def _rows(path: Path) -> list[Crystal | Failure]:
    with path.open("rb") as file:
        return list(read(file, limit=LIMIT, name=path.name))


def _folder(path: Path) -> list[Crystal | Failure]:
    for crystal in CRYSTALS[:2]:
        (path.parent / f"{crystal.id}.cif").write_bytes(WRITERS["CIF"]([crystal]))
    return list(read(path.parent, limit=LIMIT))


def _by(kind: str) -> Callable[[bytes, Random], bytes]:
    def mutate(data: bytes, random: Random) -> bytes:
        return mutated(data, random, kind)

    return mutate


def _packed(inside: Callable[[bytes, Random], bytes]) -> Callable[[bytes, Random], bytes]:
    def mutate(data: bytes, random: Random) -> bytes:
        if random.random() < 0.5:
            return mutated(data, random, "binary")
        return gzip.compress(inside(gzip.decompress(data), random), 1, mtime=0)

    return mutate


def _tensors(data: bytes, random: Random) -> bytes:
    """Mutate a safetensors file: its header, the card or tree in it, or its bytes."""
    if random.random() < 0.3:
        return mutated(data, random, "binary")
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    if random.random() < 0.75:
        key = random.choice(list(header["__metadata__"]))
        value = json.loads(header["__metadata__"][key])
        for _ in range(random.choice((1, 1, 2))):
            value = change(value, random)
        header["__metadata__"][key] = json.dumps(value)
    else:
        header = change(header, random)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def described_cif() -> bytes:
    """Return a CIF that lists its operations, and states formula, Z and volume: quartz."""
    cell = Lattice.hexagonal(4.913, 5.405)
    sites = ["Si", "O"], [[0.4697, 0, 1 / 3], [0.4135, 0.2669, 0.1191 + 1 / 3]]
    quartz = Structure.from_spacegroup("P3_221", cell, [sites[0][0], sites[0][1]], sites[1])
    return str(CifWriter(quartz, symprec=1e-3)).encode()


def _in_folder(name: str, write: Callable[[Path], Any]) -> bytes:
    with TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def _xdatcar(path: Path) -> None:
    ase.io.write(path, [bulk("NaCl", "rocksalt", 5.64)] * 2, format="vasp-xdatcar")


VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling><kpoints><generation param="Gamma"><v type="int" name="divisions">1 1 1</v></generation>
<varray name="kpointlist"><v>0.0 0.0 0.0</v></varray><varray name="weights"><v>1.0</v></varray></kpoints><atominfo><atoms>2</atoms><types>2</types><array name="atoms"><set><rc><c>Na</c><c>1</c></rc><rc><c>Cl</c><c>2</c></rc></set></array>
<array name="atomtypes"><set><rc><c>1</c><c>Na</c><c>22.99</c><c>1.0</c><c>PAW</c></rc><rc><c>1</c><c>Cl</c><c>35.45</c><c>7.0</c><c>PAW</c></rc></set></array></atominfo>
<structure name="initialpos"><crystal><varray name="basis"><v>0.0 2.82 2.82</v><v>2.82 0.0 2.82</v><v>2.82 2.82 0.0</v></varray></crystal>
<varray name="positions"><v>0.0 0.0 0.0</v><v>0.5 0.5 0.5</v></varray></structure>
<calculation><scstep><energy><i name="e_fr_energy">-6.0</i><i name="e_wo_entrp">-6.0</i><i name="e_0_energy">-6.0</i></energy></scstep>
<structure><crystal><varray name="basis"><v>0.0 2.82 2.82</v><v>2.82 0.0 2.82</v><v>2.82 2.82 0.0</v></varray></crystal>
<varray name="positions"><v>0.0 0.0 0.0</v><v>0.5 0.5 0.5</v></varray></structure>
<energy><i name="e_fr_energy">-6.0</i><i name="e_wo_entrp">-6.0</i><i name="e_0_energy">-6.0</i></energy><varray name="forces"><v>0.0 0.0 0.0</v><v>0.0 0.0 0.0</v></varray></calculation></modeling>
"""
"""A vasprun.xml with what ASE looks at."""
OUTCAR = """ POTCAR:    PAW_PBE Na 08Apr2002
 POTCAR:    PAW_PBE Cl 06Sep2000
 POTCAR:    PAW_PBE Na 08Apr2002
 POTCAR:    PAW_PBE Cl 06Sep2000
   ions per type =               1   1
--------------------------------------- Iteration      1(   1)  ---------------------------------------
      direct lattice vectors                 reciprocal lattice vectors
     0.000000000  2.820000000  2.820000000    -0.177304965  0.177304965  0.177304965
     2.820000000  0.000000000  2.820000000     0.177304965 -0.177304965  0.177304965
     2.820000000  2.820000000  0.000000000     0.177304965  0.177304965 -0.177304965

 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000         0.000000      0.000000      0.000000
      2.82000      2.82000      2.82000         0.000000      0.000000      0.000000
 -----------------------------------------------------------------------------------
  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  =        -6.00000000 eV

  energy  without entropy=       -6.00000000  energy(sigma->0) =       -6.00000000
"""
"""The head and one step of an OUTCAR."""
PLAN = Plan.make({"properties": ["band_gap"], "encoder": {"name": "cgcnn", "width": 4, "layers": 1}})
"""A small plan."""


def _model(path: Path) -> None:
    from cryskit import properties

    Predictor.from_card(card_of(PLAN, [properties.get("band_gap")], "small"), None).save(path)


def _checkpoint(path: Path) -> None:
    import torch

    state = {"state_dict": {"w": torch.ones(3)}, "loops": {"epoch": (1, [2, None])}, "rates": [0.1, "x"]}
    SafetensorsIO().save_checkpoint(state, path)


def _split(path: Path) -> None:
    make([CRYSTALS[0], *CRYSTALS[1:]], "random", fractions=(0.34, 0.33, 0.33), name="s").save(path)


def _none(read: Callable[[Path], Any]) -> Callable[[Path], list[Crystal | Failure]]:
    def use(path: Path) -> list[Crystal | Failure]:
        read(path)
        return []

    return use


def _stored(path: Path) -> Any:
    return store.load(path)


def _manifest(path: Path) -> list[Crystal | Failure]:
    interchange.manifest_of(path)
    return list(interchange.read_rows(path))


@cache
def kinds() -> tuple[Kind, ...]:
    """Return every kind of file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(_kinds())


def _kinds() -> list[Kind]:
    found = []
    for form in (form for form in FORMATS if form.name in WRITERS):
        crystals = CRYSTALS[:1] if form.name in ONE_EACH else CRYSTALS[:2]
        content = WRITERS[form.name](crystals)
        what = {"JSON": "json", "JSON lines": "lines"}.get(form.name, "binary" if form.name in BINARY else "text")
        name = f"a{form.endings[0]}"
        found.append(Kind(form.name, name, content, _by(what), _rows))
        if form.name in {"CIF", "JSON", "XYZ", "CSV"}:
            packed = gzip.compress(content, 1, mtime=0)
            found.append(Kind(f"{form.name}, packed", f"{name}.gz", packed, _packed(_by(what)), _rows))
    record = json.dumps([{"jid": c.id, "band_gap": 1.0, "atoms": _jarvis(c)} for c in CRYSTALS[:2]]).encode()
    rows = _in_folder("i.parquet", lambda path: interchange.write(path, CRYSTALS))
    graph = build(CRYSTALS[:2], GraphSpec(count=6))
    return [
        *found,
        Kind("CIF with formula", "a.cif", described_cif(), _by("text"), _rows),
        Kind("JARVIS", "a.json", record, _by("json"), _rows),
        Kind("VASP XML", "vasprun.xml", VASPRUN.encode(), _by("text"), _rows),
        Kind("OUTCAR", "OUTCAR", OUTCAR.encode(), _by("text"), _rows),
        Kind("XDATCAR", "XDATCAR", _in_folder("XDATCAR", _xdatcar), _by("text"), _rows),
        Kind("id_prop.csv", "id_prop.csv", b"id,band_gap\nCsCl,1.5\nGaN.cif,2.5\n", _by("text"), _folder),
        Kind("interchange", "i.parquet", rows, _by("binary"), _manifest, checked=True),
        Kind("split", "s.json", _in_folder("s.json", _split), _by("json"), _none(Split.load), checked=True),
        Kind("plan", "p.yaml", PLAN.to_yaml().encode(), _by("text"), _none(Plan.from_yaml)),
        Kind("model", "m.safetensors", _in_folder("m.safetensors", _model), _tensors, _none(load)),
        Kind(
            "checkpoint",
            "c.ckpt",
            _in_folder("c.ckpt", _checkpoint),
            _tensors,
            _none(SafetensorsIO().load_checkpoint),
        ),
        Kind(
            "graphs",
            "g.arrow",
            _in_folder("g.arrow", lambda path: store.save(graph, path)),
            _by("binary"),
            _none(_stored),
        ),
    ]


def _jarvis(crystal: Crystal) -> dict[str, Any]:
    import gemmi

    return {
        "lattice_mat": crystal.lattice.tolist(),
        "coords": crystal.fractional.tolist(),
        "elements": [gemmi.Element(int(number)).name for number in crystal.numbers],
        "cartesian": False,
    }

"""Learn representations of crystals: pre-train, predict, explain.

The names below are all that everyday work needs. They are imported when first used, so that `import cryskit`
costs next to nothing: it loads neither torch nor pymatgen nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryskit.data.read import read
    from cryskit.data.sources.bundled import sources as datasets
    from cryskit.data.splits import Split
    from cryskit.errors import CryskitError, CrystalError, DataError, ModelError
    from cryskit.evaluate.judge import judge as evaluate
    from cryskit.explain.explain import explain
    from cryskit.graphs.build import build as build_graphs
    from cryskit.predict.load import load
    from cryskit.predict.predictor import Predictor
    from cryskit.predict.published import models
    from cryskit.predict.shown import show
    from cryskit.property import Property
    from cryskit.small_data.fit import fit_table
    from cryskit.suggestions.suggest import suggest
    from cryskit.training.fit import fit
    from cryskit.training.plan import Plan
    from cryskit.training.pretrain import pretrain
    from cryskit.training.train import train
    from cryskit.types import ClassPrediction, Crystal, Encoding, Failure, Graph, GraphSpec, Prediction

    __version__: str

__all__ = [
    "ClassPrediction",
    "CryskitError",
    "Crystal",
    "CrystalError",
    "DataError",
    "Encoding",
    "Failure",
    "Graph",
    "GraphSpec",
    "ModelError",
    "Plan",
    "Prediction",
    "Predictor",
    "Property",
    "Split",
    "__version__",
    "build_graphs",
    "datasets",
    "evaluate",
    "explain",
    "fit",
    "fit_table",
    "load",
    "models",
    "pretrain",
    "read",
    "show",
    "suggest",
    "train",
]

_HOMES = {
    "ClassPrediction": "cryskit.types:ClassPrediction",
    "Crystal": "cryskit.types:Crystal",
    "CrystalError": "cryskit.errors:CrystalError",
    "CryskitError": "cryskit.errors:CryskitError",
    "DataError": "cryskit.errors:DataError",
    "Encoding": "cryskit.types:Encoding",
    "Failure": "cryskit.types:Failure",
    "Graph": "cryskit.types:Graph",
    "GraphSpec": "cryskit.types:GraphSpec",
    "ModelError": "cryskit.errors:ModelError",
    "Plan": "cryskit.training.plan:Plan",
    "Prediction": "cryskit.types:Prediction",
    "Predictor": "cryskit.predict.predictor:Predictor",
    "Property": "cryskit.property:Property",
    "Split": "cryskit.data.splits:Split",
    "build_graphs": "cryskit.graphs.build:build",
    "datasets": "cryskit.data.sources.bundled:sources",
    "evaluate": "cryskit.evaluate.judge:judge",
    "explain": "cryskit.explain.explain:explain",
    "fit": "cryskit.training.fit:fit",
    "fit_table": "cryskit.small_data.fit:fit_table",
    "load": "cryskit.predict.load:load",
    "models": "cryskit.predict.published:models",
    "pretrain": "cryskit.training.pretrain:pretrain",
    "read": "cryskit.data.read:read",
    "show": "cryskit.predict.shown:show",
    "suggest": "cryskit.suggestions.suggest:suggest",
    "train": "cryskit.training.train:train",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it (PEP 562)."""
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=import_module(__name__))
    module, attribute = _HOMES[name].split(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__]

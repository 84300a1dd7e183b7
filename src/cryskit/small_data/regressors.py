"""Regressors of scikit-learn on vectors of crystals: what is tried of each, and the fitted one as a module of tensors.

scikit-learn fits; `layers.regressors` evaluates, so that a model file holds numbers only and gives what scikit-learn gives. All
are fitted to principal components of standardised vectors (linear models to as many, boosted trees to few), rounded to single precision,
and to standardised labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.svm import SVR

from cryskit.layers.regressors import Kernel, Linear, Trees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

COMPONENTS = 128
"""Most principal components that a regressor is given."""

_FLAT = 1e-6  # deviation below which a value counts as constant
_TREE_COMPONENTS = 48
_TUBE = 0.05  # half width of the tube of support vector regression, in deviations of the labels

Settings = dict[str, float]


class Space(NamedTuple):
    """Standardisation and principal components of vectors.

    Attributes:
        mean: (width,) float32, the mean of each value.
        scale: (width,) float32, the deviation of each value; 1 where it is constant.
        projection: (width, components) float32, the directions of the components.
    """

    mean: np.ndarray
    scale: np.ndarray
    projection: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray) -> Space:
        """Fit to vectors, (n, width)."""
        exact = vectors.astype(np.float64)
        mean, scale = exact.mean(0), exact.std(0)
        scale[scale < _FLAT] = 1.0
        mean, scale = mean.astype(np.float32), scale.astype(np.float32)
        count = min(COMPONENTS, len(vectors) - 1, vectors.shape[1])
        found = PCA(count, svd_solver="randomized", random_state=0).fit((exact - mean) / scale)
        return cls(mean, scale, np.ascontiguousarray(found.components_.T.astype(np.float32)))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Return the principal components of vectors, (n, components) float64, rounded to single precision."""
        standardised = (vectors.astype(np.float64) - self.mean) / self.scale
        found: np.ndarray = (standardised @ self.projection.astype(np.float64)).astype(np.float32).astype(np.float64)
        return found

    def fill(self, module: Any, components: int) -> None:
        """Copy the first components into the `projected` of a module."""
        module.projected.mean.copy_(torch.from_numpy(self.mean))
        module.projected.scale.copy_(torch.from_numpy(self.scale))
        module.projected.projection.copy_(torch.from_numpy(self.projection[:, :components].copy()))


class Kind(Protocol):
    """A kind of regressor."""

    name: str

    def grid(self, points: np.ndarray) -> Sequence[Settings]:
        """Return the settings that are tried, for principal components of training rows."""
        ...

    def fitted(self, settings: Mapping[str, float], points: np.ndarray, labels: np.ndarray) -> Any:
        """Return the fitted estimator of scikit-learn, with a method `predict`."""
        ...

    def module(self, estimator: Any, space: Space) -> tuple[dict[str, Any], nn.Module]:
        """Return the fitted estimator as a module, with its registry name and sizes."""
        ...


class _Ridge:
    """Linear regression with a penalty on the weights."""

    name = "ridge"

    def grid(self, points: np.ndarray) -> list[Settings]:
        del points
        return [{"alpha": alpha} for alpha in (1.0, 10.0, 100.0, 1000.0)]

    def fitted(self, settings: Mapping[str, float], points: np.ndarray, labels: np.ndarray) -> Any:
        return Ridge(settings["alpha"]).fit(points, labels)

    def module(self, estimator: Any, space: Space) -> tuple[dict[str, Any], nn.Module]:
        made: Any = Linear(len(space.mean), ())
        weight = (space.projection.astype(np.float64) @ estimator.coef_) / space.scale
        made.weight.copy_(torch.from_numpy(weight))
        made.bias.fill_(float(estimator.intercept_ - weight @ space.mean.astype(np.float64)))
        return {"name": "linear"}, made


class _Kernel:
    """What kernel regressors share: Gaussians, whose width is in units of the spread of the points."""

    widths = (0.25, 0.5, 1.0)

    def gammas(self, points: np.ndarray) -> list[float]:
        """Return the exponents that are tried."""
        return [width / float(points.var(0).sum()) for width in self.widths]

    def _module(
        self, space: Space, points: np.ndarray, coefficients: np.ndarray, bias: float, gamma: float
    ) -> tuple[dict[str, Any], nn.Module]:
        sizes = {"components": points.shape[1], "vectors": len(points)}
        made: Any = Kernel(len(space.mean), (), **sizes)
        space.fill(made, points.shape[1])
        made.vectors.copy_(torch.from_numpy(points.astype(np.float32)))
        made.coefficients.copy_(torch.from_numpy(coefficients))
        made.bias.fill_(bias)
        made.gamma.fill_(gamma)
        return {"name": "kernel", **sizes}, made


class _KernelRidge(_Kernel):
    """Kernel ridge regression."""

    name = "kernel ridge"

    def grid(self, points: np.ndarray) -> list[Settings]:
        return [{"gamma": gamma, "alpha": alpha} for gamma in self.gammas(points) for alpha in (0.003, 0.03, 0.3)]

    def fitted(self, settings: Mapping[str, float], points: np.ndarray, labels: np.ndarray) -> Any:
        return KernelRidge(alpha=settings["alpha"], kernel="rbf", gamma=settings["gamma"]).fit(points, labels)

    def module(self, estimator: Any, space: Space) -> tuple[dict[str, Any], nn.Module]:
        return self._module(space, estimator.X_fit_, estimator.dual_coef_, 0.0, estimator.gamma)


class _SupportVectors(_Kernel):
    """Support vector regression."""

    name = "support vectors"

    def grid(self, points: np.ndarray) -> list[Settings]:
        return [{"gamma": gamma, "C": penalty} for gamma in self.gammas(points)[:2] for penalty in (2.0, 15.0)]

    def fitted(self, settings: Mapping[str, float], points: np.ndarray, labels: np.ndarray) -> Any:
        return SVR(C=settings["C"], gamma=settings["gamma"], epsilon=_TUBE, cache_size=500).fit(points, labels)

    def module(self, estimator: Any, space: Space) -> tuple[dict[str, Any], nn.Module]:
        return self._module(
            space,
            estimator.support_vectors_,
            estimator.dual_coef_[0],
            float(estimator.intercept_[0]),
            estimator.gamma,
        )


class _Boosting:
    """Gradient boosting of trees, on the first principal components."""

    name = "boosted trees"

    def grid(self, points: np.ndarray) -> list[Settings]:
        return [{"leaf": float(np.clip(len(points) // 40, 2, 20))}]

    def fitted(self, settings: Mapping[str, float], points: np.ndarray, labels: np.ndarray) -> Any:
        few = points[:, :_TREE_COMPONENTS]
        model = HistGradientBoostingRegressor(
            max_iter=200,
            learning_rate=0.07,
            max_leaf_nodes=15,
            min_samples_leaf=int(settings["leaf"]),
            early_stopping=False,
            random_state=0,
        )
        return _OfFew(model.fit(few, labels))

    def module(self, estimator: Any, space: Space) -> tuple[dict[str, Any], nn.Module]:
        return trees_of(estimator.model, space)


class _OfFew:
    """A fitted model that reads the first components only."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, points: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.model.predict(points[:, :_TREE_COMPONENTS])
        return found


def trees_of(model: Any, space: Space) -> tuple[dict[str, Any], nn.Module]:
    """Return fitted histogram gradient boosting as a module, with its registry name and sizes.

    Args:
        model: A fitted HistGradientBoostingRegressor on the first components.
        space: What comes before it.
    """
    trees = [tree.nodes for (tree,) in model._predictors]  # noqa: SLF001 - scikit-learn has no public door to them
    roots = np.cumsum([0, *map(len, trees)])[:-1]
    nodes = np.concatenate(trees)
    own = np.arange(len(nodes))
    first = np.repeat(roots, [len(tree) for tree in trees])
    leaf = nodes["is_leaf"].astype(bool)
    children = np.stack([np.where(leaf, own, nodes[side].astype(np.int64) + first) for side in ("left", "right")], 1)
    sizes = {
        "components": int(model.n_features_in_),
        "trees": len(trees),
        "nodes": len(nodes),
        "depth": max(1, int(nodes["depth"].max())),
    }
    made: Any = Trees(len(space.mean), (), **sizes)
    space.fill(made, sizes["components"])
    made.roots.copy_(torch.from_numpy(roots))
    made.component.copy_(torch.from_numpy(np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32)))
    made.threshold.copy_(torch.from_numpy(np.where(leaf, 0.0, nodes["num_threshold"])))
    made.children_of.copy_(torch.from_numpy(children))
    made.value.copy_(torch.from_numpy(np.where(leaf, nodes["value"], 0.0)))
    made.bias.fill_(float(np.ravel(model._baseline_prediction)[0]))  # noqa: SLF001 - as above
    return {"name": "trees", **sizes}, made


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (_Ridge(), _KernelRidge(), _SupportVectors(), _Boosting())}
"""Regressors that are tried, by name. A classifier would be a second table with the same methods."""


def rescaled(module: nn.Module, mean: float, deviation: float) -> nn.Module:
    """Return a module that was fitted to standardised labels as one that gives labels.

    Args:
        module: A linear, kernel or tree module, changed in place.
        mean: Mean of the labels.
        deviation: Their deviation.
    """
    buffers = dict(module.named_buffers())
    for name in ("weight", "coefficients", "value"):
        if name in buffers:
            buffers[name].mul_(deviation)
    buffers["bias"].mul_(deviation).add_(mean)
    return module

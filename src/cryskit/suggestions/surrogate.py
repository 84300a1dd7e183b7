"""What a property is expected to be for candidates: a model's predictions, corrected by values that were measured since.

    y(x) = f(x) + s(x) z(x),   z ~ GP(0, k),   k(x, x') = a Matern_5/2(|x - x'| / l) + noise

f and s are the prediction of the model and its calibrated deviation. Of a model that does not predict the property they are mean and deviation of
the values that are known. x are principal components of the vectors of a crystal. Amplitude, length and noise are those of the largest
marginal likelihood (Rasmussen and Williams 2006, ISBN 026218253X), found by scikit-learn.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

if TYPE_CHECKING:
    from jaxtyping import Float, Int

COMPONENTS = 24
"""Principal components of the vectors of crystals that the process sees."""
FEWEST = 4
"""Known values from which on amplitude, length and noise are fitted to them."""

_LARGEST = 600  # known values to which they are fitted; all are conditioned on
_PART = 4096  # crystals that are judged at a time
_CERTAIN = 1e-6  # variance below which nothing is counted as certain
_SAMPLE = 20_000  # crystals whose principal components are found
_LENGTHS = (0.05, 50.0)  # bounds of the length, in units of the spread of the crystals


@dataclass(frozen=True)
class Prior:
    """What a model says of crystals before any value is measured.

    Attributes:
        mean: (n,) its predictions, on the scale on which it learned.
        deviation: (n,) their calibrated deviations.
    """

    mean: Float[np.ndarray, " n"]
    deviation: Float[np.ndarray, " n"]

    @classmethod
    def of_values(cls, values: Float[np.ndarray, " n"]) -> Prior:
        """Return mean and deviation of the values that are known, for all crystals.

        Args:
            values: (n,) values, NaN where unknown.
        """
        known = values[np.isfinite(values)]
        return cls(np.full(len(values), known.mean()), np.full(len(values), max(float(known.std()), 1e-12)))

    def take(self, rows: Int[np.ndarray, " m"]) -> Prior:
        """Return what is said of some crystals."""
        return Prior(self.mean[rows], self.deviation[rows])


class Space:
    """Principal components of the vectors of crystals, each crystal about 1 from the mean.

    Args:
        vectors: (n, width) vectors.
        seed: Seed of the sample to which the components are fitted.
    """

    def __init__(self, vectors: Float[np.ndarray, "n width"], seed: int = 0) -> None:
        rows = np.random.default_rng(seed).permutation(len(vectors))[:_SAMPLE]
        sample = vectors[rows].astype(np.float64)
        self._mean, self._deviation = sample.mean(0), sample.std(0)
        self._deviation[self._deviation < 1e-9] = np.inf  # what does not vary says nothing
        apart = (sample - self._mean) / self._deviation
        self._directions = np.zeros((sample.shape[1], 1))  # of a crystal alone
        if len(sample) > 1:
            count = min(COMPONENTS, *sample.shape)
            self._directions = PCA(count, svd_solver="randomized", random_state=seed).fit(apart).components_.T
        self._scale = max(float(np.sqrt(((apart @ self._directions) ** 2).sum(1).mean())), 1e-12)

    def __call__(self, vectors: Float[np.ndarray, "m width"]) -> Float[np.ndarray, "m components"]:
        """Return the components of vectors."""
        found: np.ndarray = (vectors - self._mean) / self._deviation @ self._directions / self._scale
        return found


class Surrogate:
    """The Gaussian process z, conditioned on the values that are known.

    Args:
        points: (m, components) the crystals whose value is known.
        values: (m,) these values, on the scale of the priors.
        prior: What the model says of these crystals.
        seed: Seed of the choice of crystals to which the kernel is fitted.

    Attributes:
        kernel: The kernel without noise.
        noise: Variance of the noise.
    """

    def __init__(
        self,
        points: Float[np.ndarray, "m components"],
        values: Float[np.ndarray, " m"],
        prior: Prior,
        seed: int = 0,
    ) -> None:
        kernel: Kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(1.0, _LENGTHS, nu=2.5)
        kernel += WhiteKernel(0.1, (1e-4, 10.0))
        z = (values - prior.mean) / prior.deviation
        if len(values) >= FEWEST:
            rows = np.random.default_rng(seed).permutation(len(values))[:_LARGEST]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # a bound is reached: the data want no more
                kernel = (
                    GaussianProcessRegressor(kernel, alpha=1e-8, random_state=seed).fit(points[rows], z[rows]).kernel_
                )
        self.kernel, self.noise = kernel.k1, float(kernel.k2.noise_level)
        self._process = GaussianProcessRegressor(kernel, alpha=1e-8, optimizer=None)
        if len(values):
            self._process.fit(points, z)

    def moments(
        self, points: Float[np.ndarray, "n components"], prior: Prior
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return expected values and standard deviations, noise not counted.

        Args:
            points: The crystals.
            prior: What the model says of them.
        """
        parts = [points[start : start + _PART] for start in range(0, len(points), _PART)]
        found = [self._process.predict(part, return_std=True) for part in parts]
        mean, deviation = (np.concatenate([*map(np.atleast_1d, each)]) for each in zip(*found, strict=True))
        spread = np.sqrt(np.maximum(deviation**2 - self.noise, _CERTAIN))
        return prior.mean + prior.deviation * mean, prior.deviation * spread

    def covariance(
        self, points: Float[np.ndarray, "n components"], prior: Prior
    ) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, " n"]]:
        """Return covariances of values, and the variance that a measurement of each adds.

        Args:
            points: The crystals.
            prior: What the model says of them.
        """
        _, found = self._process.predict(points, return_cov=True)
        covariance = found - self.noise * np.eye(len(points))
        return prior.deviation[:, None] * covariance * prior.deviation, self.noise * prior.deviation**2

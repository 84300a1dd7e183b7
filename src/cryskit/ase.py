"""An ASE calculator that predicts properties of crystals. It is no interatomic potential: it gives neither energy nor forces.

Example:
    >>> from ase.build import bulk
    >>> from cryskit.ase import CryskitCalculator
    >>> silicon = bulk("Si")
    >>> silicon.calc = CryskitCalculator()
    >>> round(silicon.calc.get_property("band_gap", silicon))
    1
    >>> silicon.calc.results["domain"]
    'edge'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes, all_properties

from cryskit.data.read import read
from cryskit.errors import DataError, ModelError
from cryskit.predict.load import load
from cryskit.predict.published import DEFAULT
from cryskit.predict.tables import prediction_row
from cryskit.types import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from cryskit.types import Prediction

_OUTCOME = ("id", "status", "reason")


class CryskitCalculator(Calculator):
    """The properties that a model predicts, as results of an ASE calculator.

    It is no interatomic potential. `get_potential_energy`, `get_forces` and `get_stress` raise ASE's PropertyNotImplementedError, and it cannot
    relax a structure or run its dynamics: a predicted `formation_energy_per_atom` has no forces that would be its derivative.

    Args:
        model: A published model or the path of a model file.
        limit: Most atoms in a cell.
        **settings: Arguments of ASE's calculators: `atoms`, `label`, `directory`.

    Attributes:
        results: Column of a table of predictions to its value, empty before the first calculation: `band_gap`, of a calibrated model also
            `band_gap_std`, `band_gap_lo`, `band_gap_hi` and `domain`. Only a change of the cell or its atoms makes it calculate again.
        prediction: The last prediction, with its status and reason; None before the first.
        units: Units by the names of the results.

    Raises:
        ModelError: The model predicts nothing, or nothing but what ASE expects of a potential.
    """

    atoms: Any
    default_parameters: ClassVar[dict[str, Any]] = {"model": DEFAULT, "limit": 500}
    ignored_changes: ClassVar[set[str]] = {"initial_charges", "initial_magmoms"}

    def __init__(self, model: str | Path = DEFAULT, *, limit: int = 500, **settings: Any) -> None:
        self.prediction: Prediction | None = None
        self.predictor: Any = None
        super().__init__(model=str(model), limit=limit, **settings)
        self._load()

    def set(self, **kwargs: Any) -> dict[str, Any]:
        """Set parameters, `model` and `limit`, and forget the results if one has changed.

        Args:
            **kwargs: The parameters.
        """
        changed: dict[str, Any] = super().set(**kwargs)
        if changed:
            self.reset()
        if "model" in changed and self.predictor is not None:
            self._load()
        return changed

    def reset(self) -> None:
        """Forget the results."""
        super().reset()
        self.prediction = None

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:  # noqa: FBT001, FBT002 - ASE's signature
        """Return one of the results, calculated again only if the atoms have changed.

        Args:
            name: Name of the result.
            atoms: Atoms in a cell that is periodic in three directions.
            allow_calculation: Whether it may calculate; None is returned where it would have to.

        Raises:
            CrystalError: The atoms are no usable crystal.
            PropertyNotImplementedError: The model does not predict it, or it is a quantity of potentials.
        """
        given = f"{self.parameters['model']} predicts {', '.join(self.predictor.properties)}"
        if name in all_properties:
            raise PropertyNotImplementedError(
                f"CryskitCalculator is no potential and gives no {name}. {given}. "
                "For energies and forces take a potential, such as MACE or CHGNet."
            )
        if name not in self.implemented_properties:
            raise PropertyNotImplementedError(f"There is no {name}: {given}.")
        return super().get_property(name, atoms, allow_calculation)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = (),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Predict all properties and put them into `results`.

        Args:
            atoms: Atoms in a cell that is periodic in three directions; those of the last calculation by default.
            properties: Names of the wanted results; all are made.
            system_changes: What has changed since the last calculation; it does not matter.

        Raises:
            CrystalError: The atoms are no usable crystal.
            DataError: There are no atoms, or the model gives no number for them.
        """
        super().calculate(atoms, properties, system_changes)
        if self.atoms is None:
            raise DataError("There are no atoms to predict anything for", "Give them: calc.calculate(atoms)")
        known, self.atoms = self.atoms, None  # a failure leaves no state that looks calculated
        (item,) = read([known], limit=self.parameters["limit"])
        if isinstance(item, Failure):
            raise item.error
        (self.prediction,) = self.predictor.stream([item])
        if self.prediction.status == "failed":
            raise DataError(self.prediction.reason, "Check the cell and its atoms")
        row = prediction_row(self.prediction)
        self.results = {name: row[name] for name in self.implemented_properties if row.get(name) is not None}
        self.atoms = known

    def _load(self) -> None:
        """Load the model and learn what it gives."""
        self.predictor = load(self.parameters["model"])
        schema = self.predictor.schema()
        names = [name for name in schema.names if name not in {*_OUTCOME, *all_properties}]
        if not set(self.predictor.properties) & set(names):
            raise ModelError(
                f"{self.parameters['model']} predicts {', '.join(self.predictor.properties)}, which ASE expects of a potential",
                "Give a model of another property",
            )
        self.implemented_properties = names
        self.units = {name: unit for name, unit in self.predictor.facts(schema)["units"].items() if name in names}

"""Why a model says what it says: contributions of elements' properties and of atoms that add up to the prediction."""

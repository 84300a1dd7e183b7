"""Which crystals to compute or to make next: the gain that each promises, from predictions and how uncertain they are."""

"""What a model knows of its own errors: training crystals near a crystal, where errors are large, intervals, the domain."""

"""From files and objects of many kinds to crystals, and from crystals to named splits; no tensor library is loaded here."""

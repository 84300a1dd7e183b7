"""Data: from files and objects of many kinds to crystals, and from crystals to splits; no tensor library is loaded here."""

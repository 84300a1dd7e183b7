"""Readers: one per format or kind of object, each turning it into crystals and failures."""

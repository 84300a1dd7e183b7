"""Readers: one per format or kind of object, each of which turns it into crystals and failures."""

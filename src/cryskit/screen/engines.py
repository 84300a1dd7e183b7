"""The engines of a screening, by name."""

from __future__ import annotations

from cryskit.registry import Registry

ENGINES = Registry("engine", {"local": "cryskit.screen.local:LocalEngine", "ray": "cryskit.screen.ray:RayEngine"})
"""The engines; each is made of the number of processes (None for all cores) and the time limit of a crystal in seconds."""

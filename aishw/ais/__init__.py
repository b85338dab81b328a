"""Analog interaction systems: their equations, grids and files. The solver is `aishw.ais.rollout.rollout`."""

from aishw.ais.checkpoint import load, save
from aishw.ais.families import FAMILIES, Family, read
from aishw.ais.foreign import import_foreign
from aishw.ais.parameters import Parameters
from aishw.ais.system import Noise, Start, System, draw_start, pixels, state_of
from aishw.ais.topology import NEIGHBOURHOODS, Topology, complete, grid

__all__ = [
    "FAMILIES",
    "NEIGHBOURHOODS",
    "Family",
    "Noise",
    "Parameters",
    "Start",
    "System",
    "Topology",
    "complete",
    "draw_start",
    "grid",
    "import_foreign",
    "load",
    "pixels",
    "read",
    "save",
    "state_of",
]

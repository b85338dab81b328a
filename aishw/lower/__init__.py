"""From a System to what a Target holds: codes, full scales, a timeline."""

from aishw.lower.design import Design, Timeline, level_table
from aishw.lower.lower import lower
from aishw.lower.preflight import preflight
from aishw.lower.quantize import CLIPS, quantise, straight_through
from aishw.lower.reference import common_drift
from aishw.lower.schedule import SCHEDULES, timeline

__all__ = [
    "CLIPS",
    "SCHEDULES",
    "Design",
    "Timeline",
    "common_drift",
    "level_table",
    "lower",
    "preflight",
    "quantise",
    "straight_through",
    "timeline",
]

"""From a System to what a Target holds: codes, full scales, a timeline."""

from aishw.lower.design import Design, Timeline, level_table
from aishw.lower.lower import lower
from aishw.lower.preflight import preflight
from aishw.lower.quantize import CLIPS, quantise, straight_through
from aishw.lower.schedule import SCHEDULES, timeline

__all__ = [
    "CLIPS",
    "SCHEDULES",
    "Design",
    "Timeline",
    "level_table",
    "lower",
    "preflight",
    "quantise",
    "straight_through",
    "timeline",
]

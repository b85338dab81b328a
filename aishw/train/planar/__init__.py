"""The 2-D study: what the families can learn of small distributions, by which objective, with which means."""

from aishw.train.planar.bank import Shape, end_states, to_system
from aishw.train.planar.pairs import PAIRS, Pair
from aishw.train.planar.search import Found, Tuning, train_cells
from aishw.train.planar.study import Cell, Study, load_study, open_study, plan, run_study
from aishw.train.planar.transport import Distance, floor, judge, w2_squared

__all__ = [
    "Cell",
    "Distance",
    "Found",
    "PAIRS",
    "Pair",
    "Shape",
    "Study",
    "Tuning",
    "end_states",
    "floor",
    "judge",
    "load_study",
    "open_study",
    "plan",
    "run_study",
    "to_system",
    "train_cells",
    "w2_squared",
]

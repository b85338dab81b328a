"""From images to a checkpoint."""

from aishw.train.features import EXTRACTORS
from aishw.train.judge import Trained, sample_images
from aishw.train.loop import Step, train
from aishw.train.metrics import Score, frechet, score
from aishw.train.recipe import read_recipe, settings_from
from aishw.train.settings import Settings
from aishw.train.watch import Watch

__all__ = [
    "EXTRACTORS",
    "Score",
    "Settings",
    "Step",
    "Trained",
    "Watch",
    "frechet",
    "read_recipe",
    "sample_images",
    "score",
    "settings_from",
    "train",
]

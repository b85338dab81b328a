"""From images to a checkpoint."""

from aishw.train.loop import Step, Trained, sample_images, train
from aishw.train.metrics import EXTRACTORS, Score, frechet, score
from aishw.train.settings import Settings, read_recipe, settings_from

__all__ = [
    "EXTRACTORS",
    "Score",
    "Settings",
    "Step",
    "Trained",
    "frechet",
    "read_recipe",
    "sample_images",
    "score",
    "settings_from",
    "train",
]

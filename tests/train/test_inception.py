"""Inception's features without its weights: what goes into the network, and what is said when something is missing."""

import sys

import numpy as np
import pytest
import torch

from aishw.errors import TrainError
from aishw.train.features import Measure
from aishw.train.inception import features_by, inception_measure
from aishw.train.metrics import score


def test_images_go_in_as_bytes_in_three_channels():
    seen = []

    def network(part):
        seen.append(part)
        return part.float().mean(dim=(2, 3))

    images = np.stack([np.full((2, 3), grey) for grey in (-1.0, 0.0, 1.0, 7.0)])
    features = features_by(network)(images)
    assert seen[0].dtype == torch.uint8 and seen[0].shape == (4, 3, 2, 3)
    assert features[:, 0].tolist() == features[:, 2].tolist() == [0, 128, 255, 255] and features.dtype == np.float64


def test_any_network_measures(monkeypatch):
    measure = Measure("mean and more", features_by(lambda part: part.float().flatten(2)[:, 0, :5]))
    real = np.random.default_rng(0).uniform(-1, 1, (120, 4, 4))
    found = score(real[:60], real[60:], measure)
    assert (
        found.extractor == "mean and more" and found.distance < 0.2 * score(-np.ones_like(real), real, measure).distance
    )


def test_a_missing_file_and_missing_libraries_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(TrainError, match="there is no file"):
        inception_measure(tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    with pytest.raises(TrainError, match=r"pip install 'aishw\[inception\]'") as caught:
        inception_measure(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)

"""Inception v3's features (Szegedy et al., 2016; 2,048 of them), for the FID that papers print.

Optional: `pip install 'aishw[inception]'` brings torchmetrics and torch-fidelity, which bring the network but not its
weights; those are a file that the user names, as torch-fidelity takes it. Images are repeated into three channels and
enlarged to 299x299. FID needs many images: below about 10,000 it is mostly sample size.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.errors import TrainError
from aishw.train.features import Floats, Images, Measure

if TYPE_CHECKING:
    import torch

_TOGETHER = 50
WIDTH = 2048


def inception_measure(weights: str | Path) -> Measure:
    """The Measure of these weights. Raises TrainError if the file or the libraries are missing, or do not fit."""
    path = Path(weights)
    if not path.is_file():
        raise TrainError(f"there is no file {path} with Inception's weights; fetch torch-fidelity's and name it")
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3

        network = NoTrainInceptionV3("inception-v3-compat", [str(WIDTH)], str(path))
    except (
        ImportError,
        RuntimeError,
    ) as error:  # RuntimeError: a torchvision of another torch; weights that do not fit
        if isinstance(error, ImportError) or "torchvision::" in str(error):
            reason = "torchmetrics, torch-fidelity and a torchvision that fits this torch"
            raise TrainError(f"Inception needs {reason}; `pip install 'aishw[inception]'`") from None
        raise TrainError(f"{path} does not hold Inception's weights: {str(error).splitlines()[0][:120]}") from None
    except Exception as error:  # what torch.load raises for a file of another kind
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainError(f"{path} does not hold Inception's weights: {first[:120]}") from None
    return Measure("inception", features_by(network))


def features_by(network: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Images], Floats]:
    """Images (n, rows, columns) in [-1, 1] to features (n, d) of a network that takes (n, 3, rows, columns) bytes."""

    def features(images: Images) -> NDArray[np.float64]:
        import torch

        grey = np.round((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
        given = torch.from_numpy(grey)[:, None].expand(-1, 3, -1, -1)
        with torch.no_grad():
            parts = [network(part).reshape(len(part), -1) for part in given.split(_TOGETHER)]
        return np.asarray(torch.cat(parts).double().numpy())

    return features

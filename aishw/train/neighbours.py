"""What a Frechet distance does not see, from nearest neighbours: missing kinds of images, odd ones, and copies.

Precision is the share of images that lie on the real ones' manifold, recall the share of real ones on the images'; a
set's manifold is the union of the balls around its points that reach to their k-th neighbour (Kynkaanniemi et al.,
2019; here k = 3 on the features of a Measure, on at most 2,000 points a set). A perfect generator reaches what one half
of the real images reaches against the other, not 1.

A copy is nearer to a real image, pixel by pixel, than 99 % of the real images are to their own nearest neighbour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aishw.errors import TrainError

NEIGHBOURS = 3
MOST = 2000
_NEAR = 0.01  # quantile of the real distances

Floats = NDArray[np.float64]


def precision_recall(features: Floats, real: Floats, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Precision and recall of features (n, d) against real ones (m, d). Raises TrainError for k points or fewer."""
    from scipy.spatial.distance import cdist

    if min(len(features), len(real)) <= k:
        raise TrainError(f"{min(len(features), len(real))} images have no {k} neighbours each; give more")
    apart = cdist(features, real)
    precision = (apart <= _reach(real, k)).any(axis=1).mean()
    recall = (apart <= _reach(features, k)[:, None]).any(axis=0).mean()
    return float(precision), float(recall)


def nearness(images: NDArray[np.floating], probes: NDArray[np.floating], real: NDArray[np.floating]) -> tuple[
    float, float
]:  # fmt: skip
    """How near images (n, pixels) lie to real ones (m, pixels), against how near `probes`, some of the real ones, lie.

    The median distance to the nearest real image over that of the probes (1 for fresh real images, 0 for copies), and
    the share of images nearer than all but 1 % of the probes.
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(algorithm="brute").fit(real)
    near = search.kneighbors(images, 1)[0][:, 0]
    usual = search.kneighbors(probes, 2)[0][:, 1]  # the first is the probe itself
    middle = float(np.median(usual))
    if middle == 0:
        raise TrainError("half of the real images are equal to another one; this data set cannot show copies")
    return float(np.median(near)) / middle, float((near < np.quantile(usual, _NEAR)).mean())


def _reach(points: Floats, k: int) -> Floats:
    """(n,) the distance of each point to its k-th neighbour."""
    from scipy.spatial.distance import pdist, squareform

    return np.asarray(np.partition(squareform(pdist(points)), k, axis=1)[:, k])

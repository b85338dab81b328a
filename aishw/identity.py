"""Content hashes: a result carries the hash of what it was computed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def fingerprint(*parts: Any) -> str:
    """The first 16 hex digits of a SHA-256 over `parts`: arrays by dtype, shape and bytes, the rest as JSON."""
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()[:16]


def _feed(digest: Any, part: Any) -> None:
    if isinstance(part, np.ndarray):
        digest.update(f"array {part.dtype.str} {part.shape} ".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    elif isinstance(part, Mapping):
        for key in sorted(part):
            digest.update(f"key {key} ".encode())
            _feed(digest, part[key])
    else:
        digest.update(json.dumps(part, sort_keys=True, default=str).encode())

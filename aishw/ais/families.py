"""The six families of the paper's Table 1: their equations, and what their terms must look like.

Sites sum what their neighbours do ("pair sum"): sum_e C_e sin(s_i - s_j) for phases, sum_e J_e x_j for the
others, over the edges e = (i <- j). A family turns that sum and its own terms into a derivative. The functions
take torch tensors with sites first, (N, B); importing this module does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.errors import ModelError

if TYPE_CHECKING:
    import torch

    from aishw.ais.topology import Topology

    Trig = tuple[torch.Tensor, torch.Tensor]
    Terms = Mapping[str, torch.Tensor]

Arrays = Mapping[str, NDArray[np.float64]]


def kuramoto(x: torch.Tensor, trig: Trig | None, pair: torch.Tensor, terms: Terms) -> torch.Tensor:
    """dtheta_i/dtau = omega_i + sum_j K_ij sin(theta_j - theta_i); omega is the term `detuning`.

    The coupling holds K as the paper prints it, so K > 0 attracts: the opposite sign of KuraSHIL's C. Turning
    all phases by one angle changes nothing.
    """
    return terms["detuning"] - pair


def kurashil(x: torch.Tensor, trig: Trig | None, pair: torch.Tensor, terms: Terms) -> torch.Tensor:
    """ds_i/dtau = -lambda0_i sin(2 s_i) + lambda1_i sin(s_i) + sum_j C_ij sin(s_i - s_j).

    lambda0 is the term `shil` (injection at twice the frequency; > 0 locks at 0 and pi), lambda1 the term
    `reference` (injection at the frequency itself; > 0 pushes towards pi). C > 0 repels. Odd in s.
    """
    assert trig is not None
    sine, cosine = trig
    return sine * (terms["reference"] - 2 * terms["shil"] * cosine) + pair


def polynet(x: torch.Tensor, trig: Trig | None, pair: torch.Tensor, terms: Terms) -> torch.Tensor:
    """dx_i/dtau = k_i x_i - x_i^3 + sum_j J_ij x_j; k is the term `gain`.

    The paper counts n + n^2 parameters; J_ii and k_i do the same, so here J_ii is part of `gain`.
    """
    return x * (terms["gain"] - x * x) + pair


def tanhnet(x: torch.Tensor, trig: Trig | None, pair: torch.Tensor, terms: Terms) -> torch.Tensor:
    """dx_i/dtau = -x_i + tanh(J_ii x_i + sum_j J_ij x_j + b_i); b is `bias`, J_ii the optional `self_weight`.

    The paper's Table 1 prints no bias but counts n + n^2 parameters: its n are taken for a bias in the tanh.
    """
    return _inner(x, pair, terms).tanh() - x


def selunet(x: torch.Tensor, trig: Trig | None, pair: torch.Tensor, terms: Terms) -> torch.Tensor:
    """dx_i/dtau = selu(W_ii x_i + sum_j W_ij x_j + b_i); b is `bias`, W_ii the optional `self_weight`."""
    import torch

    return torch.selu(_inner(x, pair, terms))


def mlp(x: torch.Tensor, trig: Trig | None, pair: torch.Tensor | None, terms: Terms) -> torch.Tensor:
    """dx/dtau = W_L tanh(.. tanh(W_1 x + b_1) ..) + b_L: the uncoupled baseline, any depth.

    Terms w1 (S, n_1, N), b1 (S, n_1), .., wL (S, N, n_(L-1)), bL (S, N). The paper leaves
    sigma open: tanh here.
    """
    depth = len(terms) // 2
    for layer in range(1, depth + 1):
        bias = terms[f"b{layer}"]
        x = terms[f"w{layer}"] @ x + (bias[:, None] if bias.ndim == 1 else bias)
        if layer < depth:
            x = x.tanh()
    return x


def _inner(x: torch.Tensor, pair: torch.Tensor, terms: Terms) -> torch.Tensor:
    inner = pair + terms["bias"]
    return inner + terms["self_weight"] * x if "self_weight" in terms else inner


@dataclass(frozen=True)
class Family:
    """One family of analog interaction systems.

    equation: as text.
    drift: (x, (sin x, cos x) or None, pair sum or None, terms) -> dx/dtau; all (N, B), terms (N, 1) of one
        segment.
    term_names: the arrays it needs beside the coupling, each (S, N) 1/tau (the MLP: its layers).
    optional_terms: arrays it may have.
    coupled: has couplings along edges. angular: the state is a phase in rad.
    gauge: without a change of meaning the whole array may move by any angle ("turn"), by pi ("half_turn"), or
        not at all ("none"); `symmetry` narrows it to given terms.
    pairing: the pair sum, "sine" for sum C sin(s_i - s_j), "linear" for sum J x_j.
    """

    name: str
    equation: str
    drift: Callable[..., torch.Tensor]
    term_names: tuple[str, ...]
    optional_terms: tuple[str, ...] = ()
    coupled: bool = True
    angular: bool = False
    gauge: str = "none"
    pairing: str = "linear"

    def check_terms(self, terms: Arrays, segments: int, topology: Topology) -> None:
        """Raises ModelError (one line) for a missing or unknown term and for a wrong shape."""
        if self.name == "mlp":
            _check_layers(terms, segments, topology.sites)
            return
        known = self.term_names + self.optional_terms
        for name in self.term_names:
            if name not in terms:
                raise ModelError(f"{self.name} needs the term {name!r}; got {_listed(terms)}")
        for name, value in terms.items():
            if name not in known:
                raise ModelError(f"{self.name} has no term {name!r}; it has {', '.join(known)}")
            if value.shape != (segments, topology.sites):
                raise ModelError(
                    f"{name} is {value.shape}, expected (segments, sites) = {(segments, topology.sites)}"
                )

    def symmetry(self, terms: Arrays) -> str:
        """The gauge that holds exactly for these terms: a reference takes KuraSHIL's half turn away."""
        if self.name == "kurashil" and np.any(terms["reference"]):
            return "none"
        return self.gauge


def _listed(terms: Arrays) -> str:
    return ", ".join(repr(name) for name in list(terms)[:8]) or "none"


def _check_layers(terms: Arrays, segments: int, sites: int) -> None:
    depth = sum(re.fullmatch(r"w[1-9]\d*", name) is not None for name in terms)
    wanted = {f"{kind}{layer}" for layer in range(1, depth + 1) for kind in "wb"}
    if not depth or set(terms) != wanted:
        raise ModelError(f"mlp needs layers w1, b1, w2, b2, ..; got {_listed(terms)}")
    width = sites
    for layer in range(1, depth + 1):
        weight, bias = terms[f"w{layer}"], terms[f"b{layer}"]
        out = weight.shape[1] if weight.ndim == 3 and layer < depth else sites
        if weight.shape != (segments, out, width) or bias.shape != (segments, out):
            raise ModelError(
                f"mlp layer {layer} has w{layer} {weight.shape} and b{layer} {bias.shape}, "
                f"expected {(segments, out, width)} and {(segments, out)}"
            )
        width = out


_ALL = (
    Family(
        "kuramoto",
        "dtheta_i/dtau = omega_i + sum_j K_ij sin(theta_j - theta_i)",
        kuramoto,
        ("detuning",),
        angular=True,
        gauge="turn",
        pairing="sine",
    ),
    Family(
        "kurashil",
        "ds_i/dtau = -lambda0_i sin(2 s_i) + lambda1_i sin(s_i) + sum_j C_ij sin(s_i - s_j)",
        kurashil,
        ("shil", "reference"),
        angular=True,
        gauge="half_turn",
        pairing="sine",
    ),
    Family("polynet", "dx_i/dtau = k_i x_i - x_i^3 + sum_j J_ij x_j", polynet, ("gain",)),
    Family("tanhnet", "dx_i/dtau = -x_i + tanh(sum_j J_ij x_j + b_i)", tanhnet, ("bias",), ("self_weight",)),
    Family("selunet", "dx_i/dtau = selu(sum_j W_ij x_j + b_i)", selunet, ("bias",), ("self_weight",)),
    Family(
        "mlp",
        "dx/dtau = W_L tanh(.. tanh(W_1 x + b_1) ..) + b_L",
        mlp,
        ("w1", "b1"),
        coupled=False,
        pairing="none",
    ),
)
FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}


def read(x: torch.Tensor, readout: str) -> torch.Tensor:
    """`system.pixels` for torch tensors: sin x, cos x, or x itself; differentiable, any shape."""
    if readout == "identity":
        return x
    if readout == "sin":
        return x.sin()
    if readout == "cos":
        return x.cos()
    raise ModelError(f"unknown readout {readout!r}; known: sin, cos, identity")

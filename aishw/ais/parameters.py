"""Parameters: a System's numbers as torch tensors, so that they can be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aishw.ais.families import FAMILIES
from aishw.ais.system import System
from aishw.ais.topology import Topology
from aishw.errors import ModelError

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor

LENT = ("start", "readout", "noise", "step_tau", "name")


@dataclass(frozen=True, eq=False)
class Parameters:
    """A System's numbers as torch tensors that may require gradients.

    coupling: (S, P) one value per free parameter (`topology.couplings`; a symmetric pair shares one), or (S, E) one per
    edge, in 1/tau. terms: (S, N) each (the MLP: its layers). duration_tau: (S,) numbers.
    """

    family: str
    topology: Topology
    coupling: Tensor
    terms: Mapping[str, Tensor]
    duration_tau: Sequence[float]

    @staticmethod
    def of(system: System, dtype: torch.dtype | None = None, device: torch.device | str = "cpu") -> Parameters:
        """The system's numbers, one coupling per free parameter; float64 unless told."""
        import torch

        kind = torch.float64 if dtype is None else dtype
        coupling = system.coupling
        if FAMILIES[system.family].coupled and system.topology.symmetric:
            _, first = np.unique(system.topology.pair, return_index=True)
            coupling = coupling[:, first]

        def tensor(value: NDArray[np.float64]) -> Tensor:
            return torch.tensor(value, dtype=kind, device=device)

        terms = {name: tensor(value) for name, value in system.terms.items()}
        return Parameters(system.family, system.topology, tensor(coupling), terms, tuple(system.duration_tau.tolist()))

    @property
    def trainable(self) -> dict[str, Tensor]:
        """Every tensor by name, for an optimiser."""
        coupling = {"coupling": self.coupling} if FAMILIES[self.family].coupled else {}
        return {**coupling, **self.terms}

    def per_edge(self) -> Tensor:
        """(S, E): the coupling of every directed edge. Raises ModelError for any other number of values."""
        import torch

        edges = self.topology.edges.shape[1] if FAMILIES[self.family].coupled else 0
        if self.coupling.shape[-1] == edges:
            return self.coupling
        if self.coupling.shape[-1] != self.topology.couplings:
            raise ModelError(
                f"coupling is {tuple(self.coupling.shape)}, expected (segments, {self.topology.couplings} couplings)"
                f" or (segments, {edges} edges)"
            )
        return self.coupling[:, torch.from_numpy(self.topology.pair).to(self.coupling.device)]

    def to_system(self, like: System | None = None, **fields: Any) -> System:
        """The numbers as a System; `like` lends start, readout, noise, step and name, `fields` override it."""
        lent = {} if like is None else {name: getattr(like, name) for name in LENT}
        return System(
            family=self.family,
            topology=self.topology,
            coupling=_numpy(self.per_edge()),
            terms={name: _numpy(value) for name, value in self.terms.items()},
            duration_tau=np.asarray(self.duration_tau, dtype=np.float64),
            **{**lent, **fields},
        )


def _numpy(value: Tensor) -> NDArray[np.float64]:
    return value.detach().cpu().double().numpy()

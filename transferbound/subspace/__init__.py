"""theta = theta0 + P w: the kinds of P, the wrapped model and the exact decoder."""

from transferbound.subspace.build import build_projection
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.decode import decode_offset_
from transferbound.subspace.layout import Layout, TensorSpec, build_layout
from transferbound.subspace.model import SubspaceModel

__all__ = [
    "Layout",
    "SubspaceConfig",
    "SubspaceModel",
    "TensorSpec",
    "build_layout",
    "build_projection",
    "decode_offset_",
]

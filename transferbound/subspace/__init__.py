"""theta = theta0 + P w: the kinds of P, the wrapped model and the exact decoder."""

from typing import TYPE_CHECKING

from transferbound._lazy import on_first_use
from transferbound.subspace.config import SubspaceConfig

if TYPE_CHECKING:
    from transferbound.subspace.build import build_projection
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

_HOMES = {
    "Layout": "layout",
    "SubspaceModel": "model",
    "TensorSpec": "layout",
    "build_layout": "layout",
    "build_projection": "build",
    "decode_offset_": "decode",
}
__getattr__ = on_first_use(__name__, _HOMES)

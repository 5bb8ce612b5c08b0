"""The parameters of a checkpoint in order, each with its role and its scale.

The scale of a tensor is a function of the checkpoint alone, a power of two, and is computed with
integer sums, so that it is the same on every machine. An offset of P w = 1 moves a parameter by its
scale: one step size then fits all tensors.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from torch import nn

from transferbound.errors import SubspaceError

__all__ = [
    "ROLES",
    "Layout",
    "TensorSpec",
    "all_scales",
    "build_layout",
    "nearest_power_of_two",
]

ROLES = ("norm_scale", "norm_shift", "bias", "head", "embedding", "weight")

_CHUNK = 1 << 22  # squares of 15-bit integers: a sum of this many is exact in float64
_LEVELS = 32767


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """One parameter tensor: its name, shape, role and scale (a power of two)."""

    name: str
    shape: tuple[int, ...]
    role: str
    scale: float

    @property
    def size(self) -> int:
        """Number of parameters."""
        return math.prod(self.shape)

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Rows and columns: the first dimension, and the rest; a vector is one row."""
        if len(self.shape) < 2:
            return 1, self.size
        return self.shape[0], math.prod(self.shape[1:])


@dataclasses.dataclass(frozen=True)
class Layout:
    """The tensors of a model in the order of ``named_parameters()``; tied weights stand once."""

    specs: tuple[TensorSpec, ...]

    @property
    def size(self) -> int:
        """D: number of parameters, those of tied weights counted once."""
        return sum(spec.size for spec in self.specs)

    def with_roles(self, roles: Iterable[str]) -> tuple[int, ...]:
        """Positions of the tensors whose role is among ``roles``."""
        wanted = set(roles)
        return tuple(i for i, spec in enumerate(self.specs) if spec.role in wanted)


def build_layout(module: nn.Module, head: Iterable[str] = ()) -> Layout:
    """Reads names, shapes, roles and scales off a checkpoint.

    Args:
        module: the model, holding the checkpoint's weights (and the head's initial value).
        head: names of the head's parameters, as in ``named_parameters()``; the second name of a tied
            weight is understood.

    Raises:
        SubspaceError: the model has no parameters, a name in ``head`` is none of them, or a value is
            not finite or not on a real device.
    """
    parameters = {name: p for name, p in module.named_parameters() if p.is_floating_point()}
    if not parameters:
        raise SubspaceError(f"{type(module).__name__} has no floating-point parameters")
    _refuse_sharded(parameters)
    head_ids = _head_ids(module, head)
    owners = _owners(module)
    rms = {name: _rms(name, p) for name, p in parameters.items()}
    specs = []
    for name, p in parameters.items():
        role = "head" if id(p) in head_ids else _role(name, p, owners[id(p)])
        scale = _scale(name, role, parameters, rms, owners[id(p)])
        specs.append(TensorSpec(name, tuple(p.shape), role, scale))
    return Layout(tuple(specs))


def _refuse_sharded(parameters: dict[str, nn.Parameter]) -> None:
    for name, p in parameters.items():
        if p.device.type == "meta":
            raise SubspaceError(f"{name} has no values (meta device): load the checkpoint first")
        if hasattr(p, "device_mesh") or hasattr(p, "_local_shard"):
            raise SubspaceError(
                f"{name} is sharded (FSDP or tensor parallel): wrap the whole model, and reduce the "
                "gradient of the coordinates instead (SubspaceModel.reduce_gradient)"
            )
        if p.numel() == 0:
            raise SubspaceError(f"{name} is empty: shape {tuple(p.shape)}")


def _head_ids(module: nn.Module, head: Iterable[str]) -> set[int]:
    if isinstance(head, str):
        raise SubspaceError(f"head must be a sequence of parameter names, not the string {head!r}")
    everything = dict(module.named_parameters(remove_duplicate=False))
    missing = [name for name in head if name not in everything]
    if missing:
        raise SubspaceError(
            f"head names {missing} are no parameters; the last ones are {list(everything)[-4:]}"
        )
    return {id(everything[name]) for name in head}


def _owners(module: nn.Module) -> dict[int, nn.Module]:
    """The module that holds each parameter; the first one for a tied weight."""
    owners: dict[int, nn.Module] = {}
    for part in module.modules():
        for p in part.parameters(recurse=False):
            owners.setdefault(id(p), part)
    return owners


def _is_norm(module: nn.Module) -> bool:
    known = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
    return isinstance(module, known) or "norm" in type(module).__name__.lower()


def _role(name: str, p: nn.Parameter, owner: nn.Module) -> str:
    leaf = name.rsplit(".", 1)[-1]
    if _is_norm(owner) and p.ndim <= 1:
        return "norm_shift" if leaf.endswith(("bias", "beta")) else "norm_scale"
    if p.ndim <= 1 and "bias" in leaf:
        return "bias"
    if isinstance(owner, nn.Embedding) or "embed" in leaf or "token" in leaf:
        return "embedding"
    if p.ndim <= 1 and p.numel() > 1:
        return "norm_scale"  # a scale for each channel: LayerScale, ConvNeXt's gamma
    return "weight"


def _fan_in(p: nn.Parameter, owner: nn.Module) -> int:
    if p.ndim < 2:
        return 1
    if type(owner).__name__ == "Conv1D":  # transformers' linear layer holds its weight transposed
        return p.shape[0]
    return max(1, p[0].numel())


def _scale(
    name: str, role: str, parameters: dict[str, nn.Parameter], rms: dict[str, float], owner: nn.Module
) -> float:
    """The power of two nearest to a typical size of the tensor's values, or of what they are added to."""
    p = parameters[name]
    is_shift = p.ndim <= 1 and (role in ("norm_shift", "bias") or name.endswith("bias"))
    if is_shift:
        sibling = name[: -len("bias")] + "weight" if name.endswith("bias") else ""
        if sibling in parameters:
            # The size of the layer's output for inputs of size one.
            weight = parameters[sibling]
            size = rms[sibling] or _fan_in(weight, owner) ** -0.5
            return nearest_power_of_two(size * math.sqrt(_fan_in(weight, owner)))
        return nearest_power_of_two(rms[name] or 1.0)
    fallback = 1.0 if role == "norm_scale" else _fan_in(p, owner) ** -0.5
    return nearest_power_of_two(rms[name] or fallback)


def all_scales(layout: Layout, head_factor: float, norm: float) -> dict[int, float]:
    """For each tensor its scale times ``norm``, and times ``head_factor`` for the head."""
    return {
        i: spec.scale * norm * (head_factor if spec.role == "head" else 1.0)
        for i, spec in enumerate(layout.specs)
    }


def nearest_power_of_two(value: float) -> float:
    """The power of two nearest to ``value`` on a logarithmic scale."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(1.0, exponent if mantissa >= 0.7071067811865476 else exponent - 1)


def _rms(name: str, p: nn.Parameter) -> float:
    """Root mean square on a grid of 15 bits below the largest value: integer sums, in any order."""
    flat = p.detach().cpu().reshape(-1)
    largest = max(float(part.float().abs().max()) for part in flat.split(_CHUNK))
    if not math.isfinite(largest):
        raise SubspaceError(f"{name} holds values that are not finite: the checkpoint is broken")
    if largest == 0.0:
        return 0.0
    total = 0
    for part in flat.split(_CHUNK):
        grid = (part.double() * (_LEVELS / largest)).round_()
        total += int(grid.square_().sum())
    return math.sqrt(total / flat.numel()) * largest / _LEVELS

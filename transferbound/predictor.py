"""The decoder: from a prior and a message to the certified predictor, by no other way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from transferbound.errors import MessageError, PriorError, SubspaceError
from transferbound.message import Header
from transferbound.message.stream import decode
from transferbound.priors import Preprocessing, Prior
from transferbound.subspace import SubspaceConfig, build_layout, build_projection, decode_offset_
from transferbound.subspace.quantizer import step_size

__all__ = ["Predictor", "decode_predictor", "header_for", "subspace_config"]


@dataclass(frozen=True)
class Predictor:
    """What a message says, and the module it stands for.

    Attributes:
        header, integers: the decoded message; int64 [d].
        contexts: the coordinates' context ids, int64 [d], or None where the header has none.
        module: theta0 + P w in eval mode, float32; ``module(**batch)`` gives logits [B, C].
        preprocessing: what turns rows into batches.
        subspace: plain data that describes P.
    """

    header: Header
    integers: npt.NDArray[np.int64]
    contexts: npt.NDArray[np.int64] | None
    module: nn.Module
    preprocessing: Preprocessing
    subspace: dict[str, Any]


def subspace_config(header: Header) -> SubspaceConfig:
    """The subspace that a header names."""
    rank = {"rank": header.rank} if header.rank else {}
    return SubspaceConfig(
        kind=header.kind,
        dim=header.dim,
        seed=header.seed,
        modules=header.modules,
        head_scale=header.head_scale,
        **rank,
    )


def header_for(config: SubspaceConfig, **choices: Any) -> Header:
    """The header that names a subspace and the further ``choices`` (levels, step, input_size, ...)."""
    return Header(
        kind=config.kind,
        dim=config.dim,
        seed=config.seed,
        modules=config.modules,
        head_scale=config.head_scale,
        rank=config.rank if "lora" in config.terms else 0,
        **choices,
    )


def decode_predictor(prior: Prior, num_classes: int, message: bytes, *, candidates: int = 1) -> Predictor:
    """Decodes ``message`` against ``prior``: nothing else that depends on training data comes in.

    Args:
        prior: the checkpoint.
        num_classes: declared by the task, not counted on the training labels.
        message: the bytes of ``offset.bin``.
        candidates: how many variants were declared in advance.

    Raises:
        MessageError: the message does not decode, or does not fit the prior.
    """
    built: dict[str, nn.Module] = {}

    def contexts_of(header: Header) -> npt.NDArray[np.int64]:
        built["module"] = _build(prior, num_classes, header)
        layout = build_layout(built["module"], prior.head_parameters(num_classes))
        return build_projection(subspace_config(header), layout).contexts()

    try:
        header, integers = decode(
            message, candidates=candidates, contexts=contexts_of, max_dim=_largest(prior)
        )
        module = built.get("module") or _build(prior, num_classes, header)
        config = subspace_config(header)
        head = prior.head_parameters(num_classes)
        projection = build_projection(config, build_layout(module, head))
        decode_offset_(module, config, integers, step_size(header.step), head)
        preprocessing = prior.preprocessing(header.input_size)
    except (SubspaceError, PriorError) as error:
        raise MessageError(f"the message does not fit the prior {prior.name}: {error}") from error
    return Predictor(
        header=header,
        integers=integers,
        contexts=projection.contexts() if header.contexts else None,
        module=module.eval(),
        preprocessing=preprocessing,
        subspace=projection.describe(),
    )


def _build(prior: Prior, num_classes: int, header: Header) -> nn.Module:
    return prior.build(num_classes, head_seed=header.head_seed, input_size=header.input_size)


def _largest(prior: Prior) -> int:
    """More coordinates than parameters say nothing; the slack is for a new head."""
    return int(min(2**20, prior.num_parameters + 2**16))


def with_step(header: Header, exponent: int) -> Header:
    """``header`` with the lattice step 2^(exponent/4)."""
    return replace(header, step=exponent)

"""The decoder: from a prior and a message to the certified predictor, by no other way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from transferbound.errors import MessageError, PriorError, SubspaceError
from transferbound.message import Header, step_size
from transferbound.message.stream import decode
from transferbound.priors import Preprocessing, Prior
from transferbound.priors.components.basis import component_classifier
from transferbound.priors.components.constant import ConstantClassifier
from transferbound.priors.reference import Reference
from transferbound.subspace import build_layout, build_projection
from transferbound.subspace.batch_statistics import refuse_batch_dependence
from transferbound.subspace.config import subspace_config
from transferbound.subspace.decode import add_offset_
from transferbound.subspace.projection import Projection

__all__ = ["DecodedPredictor", "built", "decode_predictor"]


_SMALL_SIDE = 32


@dataclass(frozen=True)
class DecodedPredictor:
    """What a message says, and the module it stands for.

    Attributes:
        header, integers: the decoded message; int64 [d].
        contexts: the coordinates' context ids, int64 [d], or None where the header has none.
        module: theta0 + P w in eval mode, float32; ``module(**batch)`` gives logits [B, C].
        preprocessing: what turns rows into batches.
        subspace: plain data that describes P.
        prior: the checkpoint that the message was decoded against.
    """

    header: Header
    integers: npt.NDArray[np.int64]
    contexts: npt.NDArray[np.int64] | None
    module: nn.Module
    preprocessing: Preprocessing
    subspace: dict[str, Any]
    prior: Prior


def decode_predictor(
    prior: Prior,
    num_classes: int,
    message: bytes,
    *,
    class_names: Sequence[str] | None = None,
    candidates: int = 1,
    reference: Reference | None = None,
) -> DecodedPredictor:
    """Decodes ``message`` against ``prior``: nothing else that depends on training data comes in.

    Args:
        prior: the checkpoint.
        num_classes: declared by the task, not counted on the training labels.
        message: the bytes of ``offset.bin``.
        class_names: the declared classes in their order, by which those of the checkpoint's own head are found.
        reference: inputs that are not the training data, of which kind "sparse" takes its components; None: the
            default ones of the prior's modality.
        candidates: how many variants are on the list, or ``OPEN_LIST``; fixed in advance.

    Raises:
        MessageError: the message does not decode, or does not fit the prior.
    """

    @lru_cache(maxsize=1)
    def subspace_of(header: Header) -> tuple[nn.Module, Projection]:
        module, head = built(prior, header, num_classes, class_names, reference)
        refuse_batch_dependence(module)
        return module, build_projection(subspace_config(header), build_layout(module, head))

    try:
        header, integers = decode(
            message,
            candidates=candidates,
            classes=num_classes,
            contexts=lambda header: subspace_of(header)[1].contexts(),
            max_dim=_largest(prior),
        )
        module, projection = subspace_of(header)
        add_offset_(module, projection, integers, step_size(header.step))
        preprocessing = _preprocessing(prior, header)
    except (SubspaceError, PriorError) as error:
        raise MessageError(f"the message does not fit the prior {prior.name}: {error}") from error
    return DecodedPredictor(
        header=header,
        integers=integers,
        contexts=projection.contexts() if header.contexts else None,
        module=module.eval(),
        preprocessing=preprocessing,
        subspace=projection.describe(),
        prior=prior,
    )


def _preprocessing(prior: Prior, header: Header) -> Preprocessing:
    """The message's; a constant answer looks at nothing, and large pictures would only take time."""
    if header.kind == "constant" and prior.modality == "image" and prior.input_size > _SMALL_SIDE:
        return prior.preprocessing(_SMALL_SIDE)
    return prior.preprocessing(header.input_size)


def built(
    prior: Prior,
    header: Header,
    num_classes: int,
    class_names: Sequence[str] | None = None,
    reference: Reference | None = None,
) -> tuple[nn.Module, tuple[str, ...]]:
    """theta0 as a module, before any offset, and the names of its head's parameters.

    Args:
        prior, num_classes, class_names, reference: as for :func:`decode_predictor`.
        header: what the message says beside its integers.

    Raises:
        PriorError: the prior cannot be built so.
    """
    if header.kind == "constant":
        return ConstantClassifier(num_classes, header.answer), ()
    if header.kind == "sparse":
        head = component_classifier(
            prior,
            num_classes,
            features=header.features,
            components=header.components,
            reference=reference,
            input_size=header.input_size,
            class_names=class_names,
        )
        return head, tuple(f"head.{name}" for name, _ in head.head.named_parameters())
    module = prior.build(
        num_classes, head_seed=header.head_seed, input_size=header.input_size, class_names=class_names
    )
    return module, prior.head_parameters(num_classes)


def _largest(prior: Prior) -> int:
    """More coordinates than parameters say nothing; the slack is for a new head."""
    return int(min(2**20, prior.num_parameters + 2**16))

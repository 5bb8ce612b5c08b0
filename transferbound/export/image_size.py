"""A transformers image classifier at another size than its checkpoint's, as a checkpoint of that size."""

from __future__ import annotations

import copy
from typing import Any

import torch
import transformers
from torch import nn

from transferbound.errors import ExportError
from transferbound.export.subject import Subject
from transferbound.priors.backends.quiet import quiet_construction, quiet_transformers

__all__ = ["at_size"]

_POSITIONS = "position_embeddings"


def at_size(subject: Subject) -> Any:
    """The network, whose position embeddings are resampled once where the predictor resamples them for each picture.

    Raises:
        ExportError: it is not known where it keeps them.
    """
    classifier: Any = subject.classifier
    network = classifier.network
    if not getattr(classifier, "_arguments", {}).get("interpolate_pos_encoding"):
        return network
    holders = {
        name: module
        for name, module in network.named_modules()
        if hasattr(module, "interpolate_pos_encoding")
        and _POSITIONS in dict(module.named_parameters(recurse=False))
    }
    side = subject.preprocessing.input_size
    if len(holders) != 1:
        raise ExportError(
            f"{subject.prior.architecture} does not say where it keeps the positions of {side} x {side} pixels; "
            "choose --to onnx, which can carry it"
        )
    ((name, holder),) = holders.items()
    resampled = _resampled(holder, side, network.config)
    config = copy.deepcopy(network.config)
    config.image_size = side
    with quiet_construction(), quiet_transformers():
        resized = transformers.AutoModelForImageClassification.from_config(config)
    state = network.state_dict() | {f"{name}.{_POSITIONS}": resampled}
    try:
        resized.load_state_dict(state)
    except RuntimeError as error:
        raise ExportError(
            f"{subject.prior.architecture} cannot be written for {side} x {side} pixels "
            f"({str(error).splitlines()[0]}); choose --to onnx, which can carry it"
        ) from error
    return resized.eval()


@torch.inference_mode()
def _resampled(holder: Any, side: int, config: Any) -> torch.Tensor:
    """[1, T, H], by the network's own rule."""
    own: nn.Parameter = holder.position_embeddings
    patch = int(config.patch_size)
    special = own.shape[1] - (int(config.image_size) // patch) ** 2
    like = torch.zeros(1, special + (side // patch) ** 2, own.shape[2])
    found: torch.Tensor = holder.interpolate_pos_encoding(like, side, side)
    return found.clone()

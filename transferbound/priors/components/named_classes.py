"""What those of a checkpoint's own classes that a data set's class names stand for tell of a picture.

A checkpoint of ImageNet tells beagles from collies, and so dogs from ships. Names are declared by the data set, and
what a network knows of them costs no bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from transferbound.errors import PriorError
from transferbound.priors.components.imagenet import answers_imagenet, stands_for
from transferbound.priors.components.names import are_words
from transferbound.priors.components.read import head_module
from transferbound.priors.prior import Prior

__all__ = ["own_classes_of", "told_of_classes"]


def own_classes_of(prior: Prior, class_names: Sequence[str] | None) -> list[tuple[int, ...]] | None:
    """For each class of the data, the checkpoint's own classes that its name stands for; some may have none.

    None where fewer than two have any: the checkpoint's head is no linear layer over ImageNet's classes, or the names
    are no words that WordNet knows as such things.

    Args:
        prior: a checkpoint that reads pictures.
        class_names: the declared classes in their order.
    """
    if prior.modality != "image" or class_names is None or not are_words(class_names):
        return None
    if not answers_imagenet(prior.own_classes, prior.own_class_names):
        return None
    found = stands_for(class_names)
    if sum(map(bool, found)) < 2:
        return None
    return found if isinstance(_own_head(prior), nn.Linear) else None


@torch.inference_mode()
def told_of_classes(prior: Prior, class_names: Sequence[str] | None, head_inputs: Tensor) -> Tensor:
    """float64 [N, C]: the mean answer of the own classes that each name stands for; 0 where it stands for none.

    Args:
        prior: the checkpoint.
        class_names: the declared classes in their order.
        head_inputs: [N, H], what enters the checkpoint's own head.

    Raises:
        PriorError: :func:`own_classes_of` finds none.
    """
    classes, head = own_classes_of(prior, class_names), _own_head(prior)
    if classes is None or head is None:
        raise PriorError(
            f"the classes {list(class_names or ())[:8]} have no names that the head of the prior {prior.name} knows"
        )
    own = head.double()(head_inputs.double())
    told = [own[:, list(some)].mean(1) if some else own.new_zeros(len(own)) for some in classes]
    return torch.stack(told, 1)


def _own_head(prior: Prior) -> nn.Module | None:
    """The checkpoint's own head where it is one module, with its own values."""
    place = head_module(prior)
    head = prior.build(prior.own_classes).get_submodule(place)
    names = {f"{place}.{name}" for name, _ in head.named_parameters()}
    return head if set(prior.head_parameters(prior.own_classes)) == names else None

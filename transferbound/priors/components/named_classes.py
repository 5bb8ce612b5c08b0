"""What a head for pictures starts from that knows what its classes are called: the checkpoint's own classes.

A checkpoint of ImageNet tells beagles from collies, and so dogs from ships. What its own classes below a name say of
the reference inputs is made to agree with what the network holds of them, in rounds of soft self-training: a linear map
from components to classes is fitted to its own answers. No label is read, and the map costs no bits: it is a function
of checkpoint, reference inputs and the names that the data set declares. The rounds are least squares and softmax, in
float64, so that a small difference between machines stays one.
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

__all__ = ["START_COMPONENTS", "named_start", "own_answers", "own_classes_of"]

START_COMPONENTS = 64
"""Components that the map reads, where there are so many."""

# CIFAR-10 with EfficientNet-Lite2, depths 0.86 and 1, 1,500 reference rows of its own: the names alone err on 37.5 % of
# rows, the map on 28.0 % with these values, on 27.9 to 28.6 % with half or twice as much of one of them.
_ROUNDS, _SHARPNESS, _RIDGE, _KEPT = 10, 4.0, 0.1, 0.5


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


def own_answers(prior: Prior, head_inputs: Tensor) -> Tensor:
    """float64 [N, own classes]: the answers of the checkpoint's own head to what enters it, [N, H]."""
    head = _own_head(prior)
    if not isinstance(head, nn.Linear):
        raise PriorError(f"the head of the prior {prior.name} is not one linear layer")
    with torch.inference_mode():
        answers: Tensor = head.double()(head_inputs.double())
    return answers.clone()


def named_start(own: Tensor, components: Tensor, classes: Sequence[Sequence[int]]) -> Tensor:
    """The linear map from components to classes, float32 [C, K]; each answer varies by one over the reference inputs.

    Args:
        own: [N, own classes], the checkpoint's own answers to the reference inputs.
        components: [N, K], their leading components, of mean zero.
        classes: for each class its own classes; a class without any gets the rows that no other claims.
    """
    own, components = own.double(), components.double()
    said = torch.stack(
        [own[:, list(some)].mean(1) if some else own.new_zeros(len(own)) for some in classes], 1
    )
    said = _standardized(said)
    count = components.shape[1]
    gram = components.T @ components / len(components) + _RIDGE * torch.eye(count, dtype=torch.float64)
    scores = said
    weights = components.new_zeros(count, len(classes))
    for _ in range(_ROUNDS):
        believed = torch.softmax(_SHARPNESS * scores, 1)
        weights = torch.linalg.solve(gram, components.T @ (believed - believed.mean(0)) / len(components))
        spread = (components @ weights).std(0, unbiased=False)
        weights = weights / spread.clamp_min(1e-12)
        scores = _standardized(components @ weights + _KEPT * said)
    return weights.T.float()


def _standardized(scores: Tensor) -> Tensor:
    """Each column less its mean, in parts of its standard deviation; a column that is constant stays zero."""
    scores = scores - scores.mean(0)
    spread = scores.std(0, unbiased=False)
    return scores / torch.where(spread > 1e-12, spread, torch.ones_like(spread))


def _own_head(prior: Prior) -> nn.Module | None:
    """The checkpoint's own head where it is one module, with its own values."""
    place = head_module(prior)
    head = prior.build(prior.own_classes).get_submodule(place)
    names = {f"{place}.{name}" for name, _ in head.named_parameters()}
    return head if set(prior.head_parameters(prior.own_classes)) == names else None

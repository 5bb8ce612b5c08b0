"""What a head starts from that knows what its classes are called: how alike a text is to their names.

The names are declared by the data set, not counted on its rows; what a network holds of them costs no bits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.components.principal import POWER, Directions
from transferbound.priors.components.read import read_features
from transferbound.priors.prior import Prior

__all__ = ["TEMPLATE", "are_words", "likeness_to_names", "name_weights"]

# SST-2 with MiniLM, 2,000 rows, 64 components of depths 0.67 and 1: a bound of 28.9 % without names, 29.1 with the bare
# name, 28.5 with "This text is about {}.", 28.0 with this one; 500 rows and 32 components: 40.5, 39.5, 39.0, 38.2.
TEMPLATE = "This is {}."

_LONGEST = 40  # characters
_NUMBERED = re.compile(r"(class|label|category|target)?[\W_]*\d+", re.IGNORECASE)


def are_words(class_names: Sequence[str] | None) -> bool:
    """Whether class names say anything: no numbers, each with a letter, no two alike, none longer than a name.

    A longer text could say anything at all about the training data, and nobody would have paid for it.

    >>> are_words(["negative", "positive"]), are_words(["LABEL_0", "LABEL_1"])
    (True, False)
    """
    if class_names is None:
        return False
    said = [_said(name) for name in class_names]
    return len(set(said)) == len(said) and all(
        any(letter.isalpha() for letter in name) and len(name) <= _LONGEST and not _NUMBERED.fullmatch(name)
        for name in said
    )


def name_weights(
    prior: Prior,
    class_names: Sequence[str] | None,
    directions: Directions,
    taps: Sequence[str],
    count: int,
    input_size: int = 0,
) -> torch.Tensor:
    """The head that answers with the class whose name lies most in the direction of a text: float32 [C, K].

    The row of a class is what its name, in :data:`TEMPLATE`, has of the components, less the mean over classes. All are
    scaled alike, so that the mean variance of the answers over the reference inputs is one.

    Args:
        prior: a checkpoint that reads texts.
        class_names: the declared classes in their order.
        directions: of the components.
        taps: what they are components of.
        count: K.
        input_size: as for :meth:`Prior.build`.

    Raises:
        PriorError: the names are no words, or the prior reads no texts.
    """
    held = _held_of_names(prior, class_names, taps, input_size)
    weight, bias = directions.layer(count, POWER)
    rows = held @ weight.double().T + bias.double()
    rows = rows - rows.mean(0)
    scale = (rows.square() @ directions.scaled(count, POWER).square()).mean().sqrt()
    return (rows / scale.clamp_min(torch.finfo(torch.float64).tiny)).float()


def likeness_to_names(
    prior: Prior,
    class_names: Sequence[str] | None,
    features: torch.Tensor,
    taps: Sequence[str],
    input_size: int = 0,
) -> torch.Tensor:
    """float64 [N, C]: cosines between what the network holds of the reference inputs and of the classes' names.

    Args:
        prior, class_names, taps, input_size: as for :func:`name_weights`.
        features: [N, F], of the reference inputs; their mean is taken from both sides.

    Raises:
        PriorError: as there.
    """
    held = _held_of_names(prior, class_names, taps, input_size)
    features = features.double()
    mean = features.mean(0)
    names = held - mean
    names = nn.functional.normalize(names - names.mean(0), dim=1)
    likeness: torch.Tensor = nn.functional.normalize(features - mean, dim=1) @ names.T
    return likeness


def _held_of_names(
    prior: Prior, class_names: Sequence[str] | None, taps: Sequence[str], input_size: int
) -> torch.Tensor:
    """float64 [C, F]: what the network holds of the names, each in :data:`TEMPLATE`."""
    if prior.modality != "text" or class_names is None or not are_words(class_names):
        raise PriorError(
            f"the classes {list(class_names or ())[:8]} have no names that the prior {prior.name} could read"
        )
    wanted = (tuple(taps), 1)
    texts = [TEMPLATE.format(_said(name)) for name in class_names]
    return read_features(prior, texts, {wanted}, input_size)[wanted]


def _said(name: str) -> str:
    """A name as it is written in a sentence."""
    return " ".join(re.sub(r"[_\-/]+", " ", name).split()).lower()

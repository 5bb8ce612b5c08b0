"""The directions of components: a function of checkpoint, input size and reference inputs, for each place on the list.

All of it is computed in float64 and by every reader anew, so that nothing can be hidden in it; float32 has the last
word, when the layer is stored. Nothing of the training data comes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from transferbound.errors import ArgumentError, PriorError
from transferbound.priors.components.classifier import ComponentClassifier
from transferbound.priors.components.family import FeatureChoice, choices
from transferbound.priors.components.named_classes import told_of_classes
from transferbound.priors.components.names import likeness_to_names, name_weights
from transferbound.priors.components.principal import POWER, Directions, principal_directions
from transferbound.priors.components.read import Wanted, head_module, read_features
from transferbound.priors.components.self_training import START_COMPONENTS, self_trained
from transferbound.priors.components.taps import HEAD_INPUT, taps_of
from transferbound.priors.prior import Prior
from transferbound.priors.reference import Reference, default_reference

__all__ = ["POWER", "Basis", "Seen", "basis_of", "component_classifier", "fitted_start", "reference_of"]

_MOST = 512


@dataclass(frozen=True)
class Seen:
    """What the network holds of the reference inputs, in float64.

    Attributes:
        features: what is asked about the classes: of pictures what enters the checkpoint's own head, [N, H], of texts
            the features of the place, [N, F].
        components: [N, K], the leading components of the place, as :meth:`Directions.layer` scales them.
    """

    features: torch.Tensor
    components: torch.Tensor


@dataclass(frozen=True)
class Basis:
    """Directions for each place on the list (:func:`transferbound.priors.components.choices`) that the network has.

    Attributes:
        input_size: as the message has it.
        seen: what places whose start is fitted need of the reference inputs.
        directions, taps, places: by the place on the list.
        head: the module of the network that holds the checkpoint's own head.
        fingerprint: of checkpoint, files, input size and reference inputs.
    """

    input_size: int
    directions: dict[int, Directions]
    taps: dict[int, tuple[str, ...]]
    places: dict[int, int]
    head: str
    fingerprint: str
    seen: dict[int, Seen]

    @property
    def every_tap(self) -> tuple[str, ...]:
        """The taps of all places, each once."""
        return tuple(dict.fromkeys(tap for own in self.taps.values() for tap in own))


_Place = tuple[Directions, tuple[str, ...], Seen | None]

_known: dict[tuple[str, int], _Place] = {}
"""Of this process, by fingerprint and place: a reader decodes a message several times. The last ones are kept."""
_KEPT = 32


def basis_of(
    prior: Prior,
    reference: Reference | None,
    input_size: int = 0,
    places: Sequence[int] | None = None,
) -> Basis:
    """The directions of what the checkpoint sees of reference inputs, for those of ``places`` that it has.

    Args:
        prior: the checkpoint.
        reference: inputs that are not the training data; None: the default ones that each place names.
        input_size: as for :meth:`Prior.build`.
        places: on the list; None: all.
    """
    family = choices(prior.modality, reference is not None)
    wanted = range(len(family)) if places is None else places
    by_reference: dict[str, tuple[Reference, list[int]]] = {}
    for place in wanted:
        used = reference_of(prior, place, reference)
        by_reference.setdefault(used.name, (used, []))[1].append(place)
    found: dict[int, _Place] = {}
    prints = []
    for used, own in by_reference.values():
        what = (
            prior.fingerprint,
            sorted(prior.files.items()),
            prior.architecture,
            input_size,
            used.fingerprint,
        )
        key = hashlib.sha256(repr(what).encode()).hexdigest()
        prints.append((key, own))
        missing = [place for place in own if (key, place) not in _known]
        if missing:
            computed = _computed(prior, used, input_size, {place: family[place] for place in missing})
            while len(_known) + len(computed) > _KEPT and _known:
                del _known[next(iter(_known))]
            _known.update({(key, place): value for place, value in computed.items()})
        found |= {place: _known[key, place] for place in own if (key, place) in _known}
    return Basis(
        input_size,
        {place: value[0] for place, value in found.items()},
        {place: value[1] for place, value in found.items()},
        {place: family[place].places for place in found},
        head_module(prior),
        hashlib.sha256(repr(prints).encode()).hexdigest(),
        {place: value[2] for place, value in found.items() if value[2] is not None},
    )


def reference_of(prior: Prior, place: int, reference: Reference | None) -> Reference:
    """The reference inputs of a place on the list: those given, or else the default ones that it names.

    Raises:
        PriorError: the prior reads the other modality.
    """
    if reference is not None:
        if reference.modality != prior.modality:
            raise PriorError(
                f"the reference inputs {reference.name} are {reference.modality}s and the prior {prior.name} reads "
                f"{prior.modality}s; choose others"
            )
        return reference
    return default_reference(prior.modality, choices(prior.modality, False)[place].reference)


def component_classifier(
    prior: Prior,
    classes: int,
    *,
    features: int,
    components: int,
    reference: Reference | None = None,
    input_size: int = 0,
    class_names: Sequence[str] | None = None,
) -> ComponentClassifier:
    """A fresh module in eval mode: the checkpoint's network, components of its features, and a head of zeros.

    Args:
        prior: the checkpoint.
        classes: declared by the task.
        features: place on the list for the prior's modality.
        components: K; 0 for a head of biases alone.
        reference: inputs that are not the training data; None: the default ones that the place names.
        input_size, class_names: as for :meth:`Prior.build`.

    Raises:
        PriorError: no such place, a network that cannot be looked into, or fewer directions than ``components``.
    """
    family = choices(prior.modality, reference is not None)
    if not 0 <= features < len(family):
        raise PriorError(
            f"features is {features}; the list for {prior.modality}s has places 0 to {len(family) - 1}"
        )
    choice = family[features]
    body = prior.build(classes, input_size=input_size, class_names=class_names)
    own = choice.own_head and prior.keeps_own_head(classes, class_names)
    layer = start = words = None
    if components:
        basis = basis_of(prior, reference, input_size, [features])
        if features not in basis.directions:
            raise PriorError(f"the network of the prior {prior.name} has no {choice} to look at")
        directions, taps = basis.directions[features], basis.taps[features]
        if features in basis.seen:
            start = fitted_start(prior, basis, features, class_names)
        elif choice.names:
            words = name_weights(prior, class_names, directions, taps, components, input_size)
        layer = _layer(prior, directions, max(components, 0 if start is None else start.shape[1]), features)
    classifier = ComponentClassifier(
        body,
        taps_of(body, choice) if components else (),
        head_module(prior),
        choice.places,
        layer,
        classes,
        adds_own=own,
        count=components,
        start=start,
    )
    if words is not None:
        classifier.head.weight = nn.Parameter(words)
    return classifier.eval()


def fitted_start(prior: Prior, basis: Basis, place: int, class_names: Sequence[str] | None) -> torch.Tensor:
    """Weights [C, K] on a place's leading components, from what the names of the classes tell.

    Args:
        prior, basis: the checkpoint and its directions.
        place: one that ``basis.seen`` has.
        class_names: the declared classes in their order.

    Raises:
        PriorError: the names tell nothing that the checkpoint knows.
    """
    seen = basis.seen[place]
    if prior.modality == "image":
        said = told_of_classes(prior, class_names, seen.features)
    else:
        said = likeness_to_names(prior, class_names, seen.features, basis.taps[place], basis.input_size)
    return self_trained(said, seen.components)


def _layer(prior: Prior, directions: Directions, count: int, features: int) -> nn.Linear:
    """The linear layer of the leading ``count`` components."""
    try:
        weight, bias = directions.layer(count, POWER)
    except ArgumentError as error:
        raise PriorError(f"the prior {prior.name}, features {features}: {error}") from error
    layer = nn.Linear(weight.shape[1], count)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def _computed(
    prior: Prior, reference: Reference, input_size: int, family: Mapping[int, FeatureChoice]
) -> dict[int, _Place]:
    """One pass of the reference inputs, for those of the places of ``family`` that the network has."""
    body = prior.build(2, head_seed=1, input_size=input_size)
    taps: dict[int, tuple[str, ...]] = {}
    for place, choice in family.items():
        try:
            taps[place] = taps_of(body, choice)
        except PriorError:
            continue
    wanted = {(own, family[place].places) for place, own in taps.items()}
    pictures = prior.modality == "image"
    fitted = [place for place in taps if family[place].fitted or (pictures and family[place].names)]
    head: Wanted = ((HEAD_INPUT,), 1)
    also = {head} if fitted and pictures else set()
    features = read_features(prior, reference.each(), wanted | also, input_size)
    directions = {alike: principal_directions(features[alike], _MOST) for alike in wanted}
    found: dict[int, _Place] = {}
    for place, own in taps.items():
        alike = own, family[place].places
        seen = None
        if place in fitted:
            seen = Seen(features[head if pictures else alike], _leading(features[alike], directions[alike]))
        found[place] = directions[alike], own, seen
    return found


def _leading(features: torch.Tensor, directions: Directions) -> torch.Tensor:
    """float64 [N, K]: the leading components of ``features``."""
    count = min(START_COMPONENTS, len(directions.deviations))
    scale = directions.scaled(count, POWER) / directions.deviations[:count]
    components: torch.Tensor = (features - directions.mean) @ directions.vectors[:count].T * scale
    return components

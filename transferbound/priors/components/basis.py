"""The directions of components: a function of checkpoint, input size and reference inputs, for each place on the list.

All of it is computed in float64 and by every reader anew, so that nothing can be hidden in it; float32 has the last
word, when the layer is stored. Nothing of the training data comes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from transferbound.errors import ArgumentError, PriorError
from transferbound.priors.components.classifier import ComponentClassifier
from transferbound.priors.components.family import FAMILY
from transferbound.priors.components.names import name_weights
from transferbound.priors.components.principal import POWER, Directions, principal_directions
from transferbound.priors.components.read import head_module, read_features
from transferbound.priors.components.taps import taps_of
from transferbound.priors.prior import Prior
from transferbound.priors.reference import Reference, default_reference

__all__ = ["POWER", "Basis", "basis_of", "component_classifier", "reference_of"]

_MOST = 512


@dataclass(frozen=True)
class Basis:
    """Directions for each place on :data:`FAMILY`'s list that the checkpoint's network has.

    Attributes:
        input_size: as the message has it.
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

    @property
    def every_tap(self) -> tuple[str, ...]:
        """The taps of all places, each once."""
        return tuple(dict.fromkeys(tap for own in self.taps.values() for tap in own))


_known: dict[tuple[str, int], tuple[Directions, tuple[str, ...]]] = {}
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
        places: on :data:`FAMILY`'s list; None: all.
    """
    family = FAMILY[prior.modality]
    wanted = range(len(family)) if places is None else places
    by_reference: dict[str, tuple[Reference, list[int]]] = {}
    for place in wanted:
        used = reference_of(prior, place, reference)
        by_reference.setdefault(used.name, (used, []))[1].append(place)
    found: dict[int, tuple[Directions, tuple[str, ...]]] = {}
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
            computed = _computed(prior, used, input_size, missing)
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
    return default_reference(prior.modality, FAMILY[prior.modality][place].reference)


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
        features: place on :data:`FAMILY`'s list for the prior's modality.
        components: K; 0 for a head of biases alone.
        reference: inputs that are not the training data; None: the default ones that the place names.
        input_size, class_names: as for :meth:`Prior.build`.

    Raises:
        PriorError: no such place, a network that cannot be looked into, or fewer directions than ``components``.
    """
    family = FAMILY[prior.modality]
    if not 0 <= features < len(family):
        raise PriorError(
            f"features is {features}; the list for {prior.modality}s has places 0 to {len(family) - 1}"
        )
    choice = family[features]
    body = prior.build(classes, input_size=input_size, class_names=class_names)
    own = choice.own_head and prior.keeps_own_head(classes, class_names)
    layer = None
    if components:
        basis = basis_of(prior, reference, input_size, [features])
        if features not in basis.directions:
            raise PriorError(f"the network of the prior {prior.name} has no {choice} to look at")
        try:
            weight, bias = basis.directions[features].layer(components, POWER)
        except ArgumentError as error:
            raise PriorError(f"the prior {prior.name}, features {features}: {error}") from error
        layer = nn.Linear(weight.shape[1], components)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    taps = taps_of(body, choice) if components else ()
    classifier = ComponentClassifier(
        body, taps, head_module(prior), choice.places, layer, classes, adds_own=own
    )
    if choice.names and components:
        start = name_weights(prior, class_names, basis.directions[features], taps, components, input_size)
        classifier.head.weight = nn.Parameter(start)
    return classifier.eval()


def _computed(
    prior: Prior, reference: Reference, input_size: int, places: Sequence[int]
) -> dict[int, tuple[Directions, tuple[str, ...]]]:
    """One pass of the reference inputs: directions and taps of those of ``places`` that the network has."""
    family, body = FAMILY[prior.modality], prior.build(2, head_seed=1, input_size=input_size)
    taps: dict[int, tuple[str, ...]] = {}
    for place in places:
        try:
            taps[place] = taps_of(body, family[place])
        except PriorError:
            continue
    wanted = {(own, family[place].places) for place, own in taps.items()}
    features = read_features(prior, reference.each(), wanted, input_size)
    found = {alike: principal_directions(seen, _MOST) for alike, seen in features.items()}
    return {place: (found[own, family[place].places], own) for place, own in taps.items()}

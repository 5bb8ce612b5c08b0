"""The declared list of features that components are taken of: which depths of a network, pooled to how many places.

A message names a place on the list and pays for it (transferbound.message.short_codes). The list is a constant of the
decoder: what each place says of a checkpoint is a function of the checkpoint alone.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAMILY", "FeatureChoice", "choices"]


@dataclass(frozen=True)
class FeatureChoice:
    """What of a network is looked at.

    Attributes:
        depths: parts of the network, as shares of its layers (text) or stages (image); 1 is the last. Empty: what the
            checkpoint's own head reads.
        places: side of the map that what an image network sees is averaged to; 1 for text.
        reference: which of the default reference inputs, where the user names none.
        own_head: what the message says is added to the answer of the checkpoint's own head, where that fits the
            classes; otherwise to nothing.
        names: what the message says is added to how alike a text is to the names of the classes
            (transferbound.priors.components.names), or to what the checkpoint's own classes of these names tell of a
            picture (transferbound.priors.components.named_classes).
        fitted: how alike a text is to the names is first brought to agree with the reference inputs
            (transferbound.priors.components.self_training), as what is told of pictures always is.
    """

    depths: tuple[float, ...] = ()
    places: int = 1
    reference: str = "mixture"
    own_head: bool = False
    names: bool = False
    fitted: bool = False

    def __str__(self) -> str:
        where = "the input of the head" if not self.depths else f"depth {' and '.join(map(str, self.depths))}"
        where += f", {self.places} x {self.places} places" if self.places > 1 else ""
        where += ", from the names of the classes" if self.names else ""
        return where + (", fitted to the reference inputs" if self.fitted else "")


FAMILY: dict[str, tuple[FeatureChoice, ...]] = {
    "text": (
        FeatureChoice(own_head=True),
        FeatureChoice(),
        FeatureChoice((0.67, 1.0)),
        FeatureChoice((0.67,)),
        FeatureChoice((0.5, 0.84)),
        FeatureChoice((0.33, 0.67, 1.0)),
        FeatureChoice((0.33, 0.5, 0.67, 0.84)),
        FeatureChoice((0.5,)),
        FeatureChoice((0.67, 1.0), names=True),
        FeatureChoice((0.33, 0.67, 1.0), names=True),
        FeatureChoice(names=True),
        FeatureChoice((0.67, 1.0), names=True, fitted=True),
        FeatureChoice((0.33, 0.67, 1.0), names=True, fitted=True),
        FeatureChoice(names=True, fitted=True),
    ),
    "image": (
        FeatureChoice(own_head=True),
        FeatureChoice(),
        *(
            FeatureChoice(depths, 3, reference)
            for depths in ((0.57,), (0.57, 0.71))
            for reference in ("mixture", "strokes", "objects")
        ),
        FeatureChoice((0.71, 0.86), 2),
        FeatureChoice((0.71, 0.86), 2, "objects"),
        FeatureChoice((0.86,), 2),
        FeatureChoice((0.86,), 2, "objects"),
        FeatureChoice((0.86, 1.0), 2),
        FeatureChoice(reference="strokes"),
        FeatureChoice(reference="objects"),
        FeatureChoice((0.43, 0.57), 3, "strokes"),
    ),
}
"""For each modality, from place 0; a list only grows at its end, up to ``message.short_codes.FEATURES`` places."""

_OF_OWN_PICTURES = {
    3: FeatureChoice((0.86, 1.0), 2, names=True),
    4: FeatureChoice(names=True),
    6: FeatureChoice((0.71, 0.86), 2, names=True),
}
"""Places that differ from others in the default reference inputs alone, and what they are where those are not used."""


def choices(modality: str, own_reference: bool) -> tuple[FeatureChoice, ...]:
    """The list of a modality: with the reference inputs that places name, or with reference inputs of the user's.

    >>> str(choices("image", own_reference=True)[4])
    'the input of the head, from the names of the classes'
    """
    family = FAMILY[modality]
    if modality != "image" or not own_reference:
        return family
    return tuple(_OF_OWN_PICTURES.get(place, choice) for place, choice in enumerate(family))

"""The reference inputs that need nothing: part of the package, the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from itertools import chain

from PIL import Image

from transferbound.errors import ArgumentError
from transferbound.priors.reference.pictures import generated_pictures
from transferbound.priors.reference.reference import Reference
from transferbound.priors.reference.texts import plain_texts

__all__ = ["DEFAULTS", "default_reference"]

# Bounds in %, MiniLM, 10,000 rows, mean over SUBJ and SST-2 x layers 4+6 and 2+4+6 x 60 and 100 components: sentences
# alone 18.6, with a quarter of paragraphs 18.4 (half or twice as many rows: 18.4 to 18.6), paragraphs alone 18.7;
# definitions 19.6, random bags of the tokenizer's words 19.2 to 19.5; 4,000 sentences of IMDb 18.2. CoLA tells nothing.
_SENTENCES, _PARAGRAPHS = 1500, 500
# Bounds in %, the first four stages of EfficientNet-Lite0 at 48 pixels in 3 x 3 places, 60 components, 6,000 rows of
# MNIST, FashionMNIST, CIFAR-10: the mixture 16.9, 33.9, 62.4; strokes alone 14.5, 34.0, 68.5; objects 20.0, 30.7, 62.0;
# patches 22.3, 35.8, 64.3; leaves 23.0, 37.1, 65.6; 1,500 other pictures of the same data set 13.3, 26.5, 56.2.
_PICTURES: Mapping[str, Mapping[str, int]] = {
    "mixture": {"strokes": 250, "objects": 250, "patches": 250, "leaves": 250},
    "figures": {"strokes": 500, "objects": 500},
    "strokes": {"strokes": 1000},
    "objects": {"objects": 1000},
}
DEFAULTS: Mapping[str, tuple[str, ...]] = {"text": ("mixture",), "image": tuple(_PICTURES)}
"""For each modality, what :func:`default_reference` can give. A choice with the data in view is paid for."""


@cache
def default_reference(modality: str, which: str = "mixture", side: int = 32) -> Reference:
    """The default inputs for priors that read ``modality``.

    Args:
        modality: ``text`` or ``image``.
        which: one of :data:`DEFAULTS`. Pictures: ``mixture`` (a quarter each of strokes, objects, patches and leaves),
            ``figures`` (strokes and objects: light on black), ``strokes``, ``objects``.
        side: of pictures, in pixels.

    Raises:
        ArgumentError: there is nothing of that name; ``side`` out of range.

    >>> default_reference("text").rows[0]
    'A big oil spot spread across the water'
    """
    if which not in DEFAULTS.get(modality, ()):
        raise ArgumentError(
            f"there are no default inputs {which!r} of modality {modality!r}; "
            f"there are {', '.join(f'{name} of {of}' for of, names in DEFAULTS.items() for name in names)}"
        )
    if modality == "text":
        return Reference(
            name=f"default-texts-{_SENTENCES}-{_PARAGRAPHS}",
            modality="text",
            licence="WordNet 3.0",
            description=f"{_SENTENCES:,} example sentences of WordNet 3.0, and {_PARAGRAPHS} paragraphs of others",
            make=partial(plain_texts, _SENTENCES, _PARAGRAPHS),
        )
    counts = _PICTURES[which]
    parts = " and ".join(f"{count:,} {kind}" for kind, count in counts.items())
    return Reference(
        name=f"default-pictures-{which}-{side}px",
        modality="image",
        licence="CC0-1.0",
        description=f"pictures of {side} x {side} pixels, generated from integer streams: {parts}",
        make=partial(_pictures, counts, side),
    )


def _pictures(counts: Mapping[str, int], side: int) -> list[Image.Image]:
    return list(chain.from_iterable(generated_pictures(kind, count, side) for kind, count in counts.items()))

"""Reference inputs: what is not the training data, and whose principal components serve as a basis.

A prior may hold what is computed of them. The default ones come with the package: plain sentences and generated
pictures.
"""

from transferbound.priors.reference.default import DEFAULTS, default_reference
from transferbound.priors.reference.pictures import generated_pictures
from transferbound.priors.reference.reference import Reference, row_content
from transferbound.priors.reference.texts import plain_sentences, plain_texts

__all__ = [
    "DEFAULTS",
    "Reference",
    "default_reference",
    "generated_pictures",
    "plain_sentences",
    "plain_texts",
    "row_content",
]

"""Has the prior seen the training data? Are the rows independent? What can be checked of either."""

from transferbound.independence.check import REFUSED_FRACTION, check_independence
from transferbound.independence.reference import ReferenceOverlap, reference_overlap

__all__ = ["REFUSED_FRACTION", "ReferenceOverlap", "check_independence", "reference_overlap"]

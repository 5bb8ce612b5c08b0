"""Has the prior seen the training data? Are the rows independent? What can be checked of either."""

from transferbound.independence.check import REFUSED_FRACTION, check_independence

__all__ = ["REFUSED_FRACTION", "check_independence"]

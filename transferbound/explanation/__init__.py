"""What the bits of a certificate are for: from its folder and the rows that it counts to what each coordinate buys."""

from transferbound.explanation.explain import explain
from transferbound.explanation.explanation import Coordinate, Cut, Explanation, Part

__all__ = ["Coordinate", "Cut", "Explanation", "Part", "explain"]

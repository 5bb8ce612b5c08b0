"""Data sets: rows as ``datasets`` reads them, and as the tensors that a prior reads."""

from transferbound.data.encoded import EncodedData, EncodedImages, EncodedTexts
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData

__all__ = ["EncodedData", "EncodedImages", "EncodedTexts", "Examples", "LabelledData"]

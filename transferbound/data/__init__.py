"""Data sets: rows as ``datasets`` reads them, and as the tensors that a prior reads."""

from typing import TYPE_CHECKING

from transferbound._lazy import on_first_use

if TYPE_CHECKING:
    from transferbound.data.encoded import EncodedData, EncodedImages, EncodedTexts
    from transferbound.data.examples import Examples
    from transferbound.data.labelled import LabelledData

__all__ = ["EncodedData", "EncodedImages", "EncodedTexts", "Examples", "LabelledData"]

_HOMES = {
    "EncodedData": "encoded",
    "EncodedImages": "encoded",
    "EncodedTexts": "encoded",
    "Examples": "examples",
    "LabelledData": "labelled",
}
__getattr__ = on_first_use(__name__, _HOMES)

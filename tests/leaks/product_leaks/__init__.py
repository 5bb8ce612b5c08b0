"""The leaks that ``controls.py`` puts into the package, a file for each part of it that they blind."""

from product_leaks.bounds import BOUNDS
from product_leaks.counting import COUNTING
from product_leaks.data import DATA
from product_leaks.decoder import DECODER
from product_leaks.export import EXPORT
from product_leaks.in_memory import IN_MEMORY
from product_leaks.independence import INDEPENDENCE
from product_leaks.language import LANGUAGE
from product_leaks.language_models import LANGUAGE_MODELS
from product_leaks.message import MESSAGE
from product_leaks.prediction import PREDICTION
from product_leaks.verification import VERIFICATION

__all__ = ["CONTROLS"]

CONTROLS = (
    *VERIFICATION,
    *COUNTING,
    *DECODER,
    *MESSAGE,
    *BOUNDS,
    *LANGUAGE,
    *LANGUAGE_MODELS,
    *DATA,
    *IN_MEMORY,
    *INDEPENDENCE,
    *PREDICTION,
    *EXPORT,
)

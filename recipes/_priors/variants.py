"""The declared variants of the priors that recipes prepare: a message names one of a grid, and pays log2 of its size.

The grid of SST-2 was committed before its row was run, but with errors of earlier priors on the task's training
rows in sight, which the certificate says (``list_written="after"``). So an axis is a range, wide enough for what was
tried by hand, whether or not ``reviews.py`` and ``minilm.py`` still have it; what has no axis (the share
of whole sentences, the rate) counts as "another" training: 0 is "liked, in shades" whose rate falls early, of which
the errors on 16,000 rows were seen; 1 is the same without sentences of fewer than five words.
"""

from __future__ import annotations

from itertools import product

from transferbound.message.variants import Axes

_TRAININGS = (
    *("none", "stars", "stars and news", "plots", "stars and plots", "news", "film or not"),
    *("liked", "liked, in shades", "words", "liked and words", "liked in shades and words"),
    *(f"another {number}" for number in range(2)),
)
_PHRASES = tuple(thousand * 1000 for thousand in (40, 80, 120, 160, 240, 300, 400))
_DRAWN = ("reviews evenly", "sentences evenly", "the stronger the words")
_STOCKS = (2, 3, 5, 10, 20, 50, 100, None)  # so many reviews share five words: left out
_ALL_BUT_EMBEDDINGS, _ALL = "all but embeddings", "all"

#: Training, phrases, how they are drawn, stock phrases, what is trained, layers: as long as each makes a difference.
_SST2_PRIORS = (
    *(("none", 0, None, stock, None, layers) for stock, layers in product(_STOCKS, range(7))),
    *(
        point
        for point in product(_TRAININGS[1:], _PHRASES, _DRAWN, _STOCKS, (_ALL_BUT_EMBEDDINGS, _ALL), range(7))
        if point[4:] != (_ALL_BUT_EMBEDDINGS, 0)  # where nothing would be trained
    ),
)
SST2: Axes = {"prior": _SST2_PRIORS, "package": range(36)}
"""The prior, and what the package came to with rows of SST-2 in view: about 20 sets of texts, eleven lists of features,
and five ways to set rows aside and to start from names (see ``TRIED_ON``)."""

DRAWN_DIGITS = (
    *("fonts", "UCI optical digits", "UCI pen digits", "both of UCI", "all three", "all three, more decay"),
    *("all three, a hidden layer", "fonts, a hidden layer", "all three, fonts twice, a smaller hidden layer"),
)
"""What a layer or a head on the fixed filters was trained on and judged by 3,000 training rows of MNIST, in the order
of the trials: the list of ``TRIED_ON`` goes on with it. It only grows at its end."""

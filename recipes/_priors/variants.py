"""The declared variants of the priors that recipes prepare: a message names one of a grid, and pays log2 of its size.

The grids were committed before the published rows were run, but with errors of earlier priors on the tasks' training
rows in sight, which their certificates say (``list_written="after"``). So an axis is a range, wide enough for what was
tried by hand, whether or not ``reviews.py`` and ``minilm.py`` still have it; what has no axis (the share
of whole sentences, the rate) counts as "another" training.
"""

from __future__ import annotations

from transferbound.message.variants import Axes

_TRAININGS = (
    *("none", "stars", "stars and news", "plots", "stars and plots", "news", "film or not"),
    *("liked", "liked, in shades", "words", "liked and words", "liked in shades and words"),
    *(f"another {number}" for number in range(4)),
)
SST2: Axes = {
    "training": _TRAININGS,
    "phrases": [thousand * 1000 for thousand in (0, 40, 80, 120, 160, 240, 300, 400)],
    "drawn": ("reviews evenly", "sentences evenly", "the stronger the words"),
    "stock": (2, 3, 5, 10, 20, 50, 100, None),  # so many reviews share five words: left out
    "trained": ("all but embeddings", "all"),
    "layers": range(7),
    "components": (1, 2, 3, 5, 10, 20, 30, 40, 50, 64, 80, 100, 150, 200, 250, 384),
}

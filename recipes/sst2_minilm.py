"""SST-2 by row from MiniLM that was trained on film reviews first: a sparse head on components of its layers."""

import sys

from _priors.minilm import on_reviews, rows_of
from _priors.reviews import STOCK
from _priors.variants import SST2
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings
from transferbound.message.variants import variant

PHRASES, LAYERS = 240_000, 6
ENDS = (1250, 1750)
"""Steps of 64 phrases: the rate falls to zero between them, and training ends before all phrases are read."""

RECIPE = Recipe(
    name="sst2_minilm",
    task="SST-2 by row, MiniLM",
    dataset="nyu-mll/glue",
    prior=on_reviews(phrases=PHRASES, layers=LAYERS, components=0, ends=ENDS),
    pretraining=rows_of,
    test_split="validation",
    settings=CertifySettings(
        finetune=FinetuneSettings(budget_minutes=15),
        list_written="after",
        **variant(
            SST2,
            prior=("another 1", PHRASES, "reviews evenly", STOCK, "all", LAYERS),
            package=35,
        ),
    ),
    note="For comparison, not a certificate: the rows are phrases of some 6,900 sentences, not independent ones. The "
    "prior knows what reviews of films sound like that liked them: MiniLM trained on 112,000 phrases of IMDb's reviews "
    "without labels, whose stars and words told it. Its choice is paid for as a place on a list.",
    config="sst2",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

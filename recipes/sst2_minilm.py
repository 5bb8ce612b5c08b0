"""SST-2 by row from MiniLM that was trained on film reviews first: a head on its principal components."""

import sys

from _priors.minilm import on_reviews, rows_of
from _priors.reviews import STOCK
from _priors.variants import SST2
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig
from transferbound.message.variants import variant

PHRASES, LAYERS, COMPONENTS = 240_000, 6, 64

RECIPE = Recipe(
    name="sst2_minilm",
    task="SST-2 by row, MiniLM",
    dataset="nyu-mll/glue",
    prior=on_reviews(phrases=PHRASES, layers=LAYERS, components=COMPONENTS),
    pretraining=rows_of,
    test_split="validation",
    settings=CertifySettings(
        subspace=SubspaceConfig("head", COMPONENTS + 1, head_scale=4),
        levels=31,
        finetune=FinetuneSettings(
            epochs=6,
            batch_size=128,
            learning_rate=0.02,
            quantize_from=0.4,
            fix_until=0.95,
            initial_density=0.3,
            polish=500,
        ),
        list_written="after",
        **variant(
            SST2,
            training="liked, in shades",
            phrases=PHRASES,
            drawn="reviews evenly",
            stock=STOCK,
            trained="all",
            layers=LAYERS,
            components=COMPONENTS,
        ),
    ),
    note="For comparison, not a certificate: the rows are phrases of some 6,900 sentences, not independent ones.",
    config="sst2",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

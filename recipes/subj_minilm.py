"""SUBJ from MiniLM: a head on the principal components that film reviews have after its first four layers."""

import sys

from _priors.minilm import on_reviews, rows_of
from _priors.variants import SUBJ
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig
from transferbound.message.variants import variant

LAYERS, COMPONENTS = 4, 64

RECIPE = Recipe(
    name="subj_minilm",
    task="SUBJ, MiniLM",
    dataset="SetFit/subj",
    prior=on_reviews(phrases=0, layers=LAYERS, components=COMPONENTS),
    pretraining=rows_of,
    test_split=None,
    settings=CertifySettings(
        subspace=SubspaceConfig("head", COMPONENTS + 1, head_scale=4),
        levels=15,
        finetune=FinetuneSettings(
            epochs=10, batch_size=64, learning_rate=0.02, quantize_from=0.4, fix_until=0.95, polish=300
        ),
        list_written="after",
        **variant(SUBJ, training="none", layers=LAYERS, pooling="mean", components=COMPONENTS),
    ),
    note="10,000 sentences, all of them for training and bound.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

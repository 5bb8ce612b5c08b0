"""SST-2 by row from MiniLM that was trained on film reviews first: FiLM subspace."""

import sys

from _recipe import Recipe, main
from _text import TRAININGS, on_reviews, rows_of

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="sst2_minilm",
    task="SST-2 by row, MiniLM",
    dataset="nyu-mll/glue",
    prior=on_reviews,
    pretraining=rows_of,
    test_split="validation",
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 700, head_scale=3),
        levels=5,
        finetune=FinetuneSettings(epochs=2.5, learning_rate=0.0075, quantize_from=0.3, fix_until=0.95),
        candidate=TRAININGS.index("reviews"),
        candidates=len(TRAININGS),
    ),
    note="For comparison, not a certificate: the rows are phrases of some 6,900 sentences, not independent ones.",
    config="sst2",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

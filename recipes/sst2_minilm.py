"""SST-2 by row from MiniLM: all-MiniLM-L6-v2, FiLM subspace."""

import sys

from _recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="sst2_minilm",
    task="SST-2 by row, MiniLM",
    dataset="nyu-mll/glue",
    prior="sentence-transformers/all-MiniLM-L6-v2",
    test_split="validation",
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 1500, head_scale=8),
        finetune=FinetuneSettings(epochs=3, learning_rate=0.01, quantize_from=0.2),
    ),
    note="For comparison, not a certificate: the rows are phrases of some 6,900 sentences, not independent ones.",
    config="sst2",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

"""SUBJ from MiniLM: all-MiniLM-L6-v2, FiLM subspace."""

import sys

from _recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="subj_minilm",
    task="SUBJ, MiniLM",
    dataset="SetFit/subj",
    prior="sentence-transformers/all-MiniLM-L6-v2",
    test_split=None,
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 250, head_scale=8),
        levels=5,
        finetune=FinetuneSettings(
            epochs=6, batch_size=16, learning_rate=0.015, quantize_from=0.4, fix_until=0.95
        ),
    ),
    note="10,000 sentences, all of them for training and bound.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

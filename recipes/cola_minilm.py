"""CoLA from MiniLM: all-MiniLM-L6-v2, FiLM subspace."""

import sys

from _recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="cola_minilm",
    task="CoLA, MiniLM",
    dataset="nyu-mll/glue",
    prior="sentence-transformers/all-MiniLM-L6-v2",
    test_split="validation",
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 250, head_scale=8),
        finetune=FinetuneSettings(epochs=4, learning_rate=0.02, quantize_from=0.4),
    ),
    note="Always answering with the majority class errs 29.6 % of the time.",
    config="cola",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

"""SUBJ from the first four layers of MiniLM, turned to the principal components of film reviews: FiLM subspace."""

import sys

from _recipe import Recipe, main
from _text import on_components, rows_of, variant

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

LAYERS, COMPONENTS = 4, 40

RECIPE = Recipe(
    name="subj_minilm",
    task="SUBJ, MiniLM",
    dataset="SetFit/subj",
    prior=on_components(LAYERS, COMPONENTS),
    pretraining=rows_of,
    test_split=None,
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 120, head_scale=5),
        levels=5,
        finetune=FinetuneSettings(
            epochs=5, batch_size=16, learning_rate=0.015, quantize_from=0.4, fix_until=0.95, polish=16
        ),
        **variant(LAYERS, COMPONENTS),
    ),
    note="10,000 sentences, all of them for training and bound.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

"""SUBJ from MiniLM that was trained on film reviews first: head on principal components."""

import sys

from _recipe import Recipe, main
from _text import CANDIDATES, on_reviews, reviews

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="subj_minilm",
    task="SUBJ, MiniLM",
    dataset="SetFit/subj",
    prior=on_reviews,
    pretraining=reviews,
    test_split=None,
    settings=CertifySettings(
        subspace=SubspaceConfig("head", 130, head_scale=8),
        finetune=FinetuneSettings(
            epochs=6, batch_size=16, learning_rate=0.015, quantize_from=0.4, fix_until=0.95
        ),
        candidate=CANDIDATES.index("reviews"),
        candidates=len(CANDIDATES),
    ),
    note="10,000 sentences, all of them for training and bound.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

"""SUBJ from MiniLM: a sparse head on components of its layers, as the plain command finds it."""

import sys

from _run.recipe import Recipe, main

from transferbound import CertifySettings
from transferbound.certification.settings import TRIED_ON

RECIPE = Recipe(
    name="subj_minilm",
    task="SUBJ, MiniLM",
    dataset="SetFit/subj",
    prior="sentence-transformers/all-MiniLM-L6-v2",
    test_split=None,
    settings=CertifySettings(**TRIED_ON),
    note="10,000 sentences: 1,000 are set aside for the components, 9,000 are for training and bound.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

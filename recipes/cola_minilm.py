"""CoLA from MiniLM, by the plain command: nothing that it finds beats one answer to everything."""

import sys

from _run.recipe import Recipe, main

from transferbound import CertifySettings

RECIPE = Recipe(
    name="cola_minilm",
    task="CoLA, MiniLM",
    dataset="nyu-mll/glue",
    prior="sentence-transformers/all-MiniLM-L6-v2",
    test_split="validation",
    settings=CertifySettings(),
    note=(
        "No head of a few hundred bits does better than one answer to everything, and that is what is "
        "certified."
    ),
    config="cola",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

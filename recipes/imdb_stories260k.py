"""IMDb reviews from a language model of 260 thousand parameters that was trained on children's stories."""

import sys

from _run.language import LanguageRecipe, main

from transferbound.certification.language_settings import LanguageSettings
from transferbound.certification.settings import CertifySettings
from transferbound.finetune import FinetuneSettings

RECIPE = LanguageRecipe(
    name="imdb_stories260k",
    task="IMDb reviews, stories260K",
    dataset="stanfordnlp/imdb",
    prior="karpathy/tinyllamas",
    split="unsupervised",
    rows=None,
    language=LanguageSettings(
        max_tokens=64, min_tokens=64, stage=["hashed:100", "hashed:1000", "hashed:8000"]
    ),
    settings=CertifySettings(finetune=FinetuneSettings(batch_size=64, learning_rate=0.01, budget_minutes=50)),
    note=(
        "The 50,000 reviews that come without labels, the first 64 tokens of each. The checkpoint was trained on "
        "TinyStories; its tokenizer has 512 tokens. It lies beside the card."
    ),
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))

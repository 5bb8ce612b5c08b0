"""What finetuning a language model on a folder of text documents is provably worth, in bits a token.

python docs/examples/language.py CHECKPOINT FOLDER --out certificate --minutes 30
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets import Dataset

from transferbound import CertifySettings, Documents, FinetuneSettings, LanguageSettings, certify, verify


def main() -> None:
    """Certifies, and prints the statement in words."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("prior", help="a causal language model: a Hub id, a folder or a .gguf file")
    options.add_argument("folder", help="of .txt files, a document each")
    options.add_argument("--out", help="folder for the certificate")
    options.add_argument("--max-tokens", type=int, default=64)
    options.add_argument("--minutes", type=float, default=30.0)
    given = options.parse_args()

    # A file is a document, and a document is a draw: rows of one file would not be independent.
    files = sorted(Path(given.folder).glob("*.txt"))
    documents = Dataset.from_dict({"text": [file.read_text(encoding="utf-8") for file in files]})

    certificate = certify(
        given.prior,
        Documents.load(documents),
        given.out,
        CertifySettings(finetune=FinetuneSettings(budget_minutes=given.minutes)),
        language=LanguageSettings(max_tokens=given.max_tokens),
        progress=False,
    )
    print(certificate)
    saved = -certificate.content["excess_bound"]
    print(
        f"finetuning provably saves at least {saved:.3f} bits a token" if saved > 0 else "nothing can be said"
    )
    print("holds" if verify(certificate, dataset=documents).holds else "does not hold")


if __name__ == "__main__":
    main()

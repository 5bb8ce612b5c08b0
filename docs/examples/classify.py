"""From a ``datasets.Dataset`` to a certificate, and back from it: everything in memory.

python docs/examples/classify.py CHECKPOINT ROWS.csv --classes negative,positive --minutes 5
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets import ClassLabel, Dataset

from transferbound import CertifySettings, FinetuneSettings, certify, verify


def main() -> None:
    """Certifies, prints what may be said, and checks it once more."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("prior", help="the checkpoint to start from: a Hub id or a folder")
    options.add_argument("rows", help="a csv file with the columns text and label")
    options.add_argument("--classes", required=True, help="all classes of the task, with commas between them")
    options.add_argument("--minutes", type=float, default=5.0)
    given = options.parse_args()

    # The classes are declared, not read off the rows: that would be a choice made with the data in view.
    rows = Dataset.from_csv(given.rows)
    rows = rows.cast_column("label", ClassLabel(names=given.classes.split(",")))
    rows.info.dataset_name = Path(
        given.rows
    ).stem  # what they are called: the checkpoint's card is compared with it

    settings = CertifySettings(finetune=FinetuneSettings(budget_minutes=given.minutes))
    certificate = certify(given.prior, rows, None, settings, progress=False)
    print(certificate)
    for line in certificate.content["assumptions"]:
        print("-", line)

    verdict = verify(certificate, dataset=rows)
    print("holds" if verdict.holds else verdict.problems)


if __name__ == "__main__":
    main()

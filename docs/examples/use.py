"""After the certificate: ask the certified model, and write it as a checkpoint that its own library loads.

python docs/examples/use.py CERTIFICATE MODEL "a moving film" "two hours too long"
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from transferbound import Predictor


def main() -> None:
    """Prints a label a row, exports, and says what the export was checked with."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("certificate", help="the folder that certify or transferbound bound wrote")
    options.add_argument("out", help="the new folder for the model")
    options.add_argument("rows", nargs="+", help="texts, or paths of images")
    options.add_argument("--dataset", help="the rows that were certified, where no name leads to them")
    given = options.parse_args()

    predictor = Predictor.from_pretrained(given.certificate, dataset=given.dataset)
    for row, found in zip(given.rows, predictor.predict(given.rows), strict=True):
        print(f"{row}\t{found.label}\t{found.score:.3f}")  # the certificate is about labels, not about scores

    out = predictor.export(given.out)  # loaded by its library and asked, or not kept
    said = json.loads(Path(out, "export.json").read_text(encoding="utf-8"))
    print(
        f"{out}: a checkpoint for {said['target']}, checked on {said['checked']['rows']} {said['checked']['of']}"
    )


if __name__ == "__main__":
    main()

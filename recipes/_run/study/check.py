"""Verifies certificates: ``python check.py FOLDER PRIOR [FOLDER PRIOR ...]``; exit code 0 where all hold."""

import sys

from transferbound import verify

if __name__ == "__main__":
    given = sys.argv[1:]
    for folder, prior in zip(given[::2], given[1::2], strict=True):
        verdict = verify(folder, prior=prior, progress=False)
        print(f"{folder}: {'holds' if verdict.holds else verdict.problems}", flush=True)
        if not verdict.holds:
            sys.exit(1)

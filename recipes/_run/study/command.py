"""The command line of a study, and its run: what is missing is certified, rows are stored, five certificates kept."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2, copytree, rmtree

import torch

from _run.options import add_study_options
from _run.study.points import Point, Row, has_row, read_rows, row_of, variant_of, write_rows
from transferbound import Certificate, LabelledData, Prior
from transferbound.certification.inputs import Inputs
from transferbound.errors import TransferboundError
from transferbound.verification.recorded import PRIOR_BESIDE

QUICK, SMALL, FULL = "quick", "small", "full"
_LARGEST_PRIOR = 2 * 10**6  # bytes
_FILES = ("certificate.json", "offset.bin", "README.md")


@dataclass(frozen=True)
class Scene:
    """Where a study runs.

    Attributes:
        work: folder of rows and priors that are made, ``data`` and ``priors`` below it.
        sources: data sets and checkpoints by the option's name: Hub ids or local folders.
        names: Hub ids of checkpoints by where they are read.
        size: ``quick`` (a try), ``small`` (what the page shows) or ``full`` (a larger machine).
    """

    work: Path
    sources: Mapping[str, str]
    size: str
    names: Mapping[str, str]

    @property
    def seeds(self) -> range:
        """Of the points: three, and one for a try."""
        return range(1 if self.size == QUICK else 3)


@dataclass(frozen=True)
class Study:
    """One file of ``recipes/studies``.

    Attributes:
        name: of the file, of the rows and of the folder of kept certificates.
        sources: what it reads: option to Hub id.
        points: the declared points of a scene.
    """

    name: str
    sources: Mapping[str, str]
    points: Callable[[Scene], list[Point]]


def main(study: Study, description: str | None, argv: Sequence[str] | None = None) -> int:
    """Runs what is missing; 0 where all kept certificates hold, 2 for an error."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, source in study.sources.items():
        parser.add_argument(f"--{option.replace('_', '-')}", default=source, help=f"[{source}]")
    add_study_options(parser, f"studies/{study.name}", "few rows and one seed")
    parser.add_argument("--full", action="store_true", help="the size for a larger machine")
    parser.add_argument(
        "--inputs-only", action="store_true", help="write rows and priors of kept points only"
    )
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads or 1)
    size = QUICK if given.quick else FULL if given.full else SMALL
    out = given.out.with_name(f"{given.out.name}-{size}") if size != SMALL else given.out
    sources = {name: getattr(given, name) for name in study.sources}
    scene = Scene(
        out.parent, sources, size, {sources[name]: called for name, called in study.sources.items()}
    )
    points = study.points(scene)
    try:
        if given.inputs_only:
            for point in points:
                if point.kept:
                    print(point.name, point.rows(), point.prior())
            return 0
        run(
            study.name, points, out, given.cards / "studies" if size == SMALL else out.parent / "cards", scene
        )
    except TransferboundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(name: str, points: Sequence[Point], out: Path, cards: Path, scene: Scene) -> None:
    """Certifies what has no row in ``cards/NAME.jsonl``, and keeps and verifies what is to be kept."""
    table = cards / f"{name}.jsonl"
    for number, point in enumerate(points):
        if not has_row(rows := read_rows(table), point):
            started = time.monotonic()
            certificate = _certified(rows, point, out / point.name, scene)
            row = row_of(point, certificate, time.monotonic() - started)
            write_rows(table, [*rows, row])
            shown = f"{row['train_error']:.4f} at {row['bits']:.0f} bits: {row['risk_bound']:.4f}"
            print(f"{number + 1}/{len(points)} {point.name}: {shown}, {row['seconds']} s", flush=True)
    kept = [point for point in points if point.kept and not (cards / name / point.name).exists()]
    if not kept:
        return
    folders = [out / point.name for point in kept]
    priors = [point.prior() for point in kept]
    _verify(folders, priors)
    for folder, prior in zip(folders, priors, strict=True):
        _keep(folder, cards / name / folder.name, prior)


def _certified(rows: Sequence[Row], point: Point, out: Path, scene: Scene) -> Certificate:
    if (out / "certificate.json").exists():
        return Certificate.from_pretrained(out)
    data = LabelledData.load(point.rows(), split=point.split)
    where = point.prior()
    prior = Prior.from_pretrained(where)
    if where in scene.names:
        prior = prior.under_name(scene.names[where])
    inputs = Inputs.resolve(prior, data, prior_split=point.prior_split)
    return point.instrument.certify(inputs, out, variant_of(rows))


def _verify(folders: Sequence[Path], priors: Sequence[str]) -> None:
    """Verifies certificates in one fresh process, which has nothing of this one but their folders."""
    pairs = [str(part) for pair in zip(folders, priors, strict=True) for part in pair]
    command = [sys.executable, str(Path(__file__).with_name("check.py")), *pairs]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("a certificate does not hold")


def _keep(out: Path, target: Path, prior: str) -> None:
    """Copies a certificate; a small prior that was made here goes with it."""
    partial = target.with_name(f"{target.name}.new")
    rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in _FILES:
        copy2(out / file, partial / file)
    copytree(out / "figures", partial / "figures")
    made = Path(prior)
    if made.is_dir() and sum(file.stat().st_size for file in made.rglob("*")) <= _LARGEST_PRIOR:
        copytree(made, partial / PRIOR_BESIDE)
    partial.rename(target)

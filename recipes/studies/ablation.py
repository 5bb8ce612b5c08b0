"""What each idea buys: MNIST and FashionMNIST from a random initialization, one thing changed at a time.

    python recipes/studies/ablation.py --mnist ylecun/mnist --fashion-mnist zalando-datasets/fashion_mnist

Each run has the same number of epochs (fewer than the recipes'); a run whose certificate is there is not repeated.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fashion_mnist_scratch
import mnist_scratch
from _run.options import Options, add_study_options
from _run.recipe import Recipe

from transferbound import Certificate, CertifySettings, LabelledData, Prior, certify
from transferbound.bounds import occam_binomial
from transferbound.message.paper_code import paper_bits
from transferbound.predictor import decode_predictor
from transferbound.storage.files import write_json

EPOCHS, POLISH = 4, 4


def variants(settings: CertifySettings) -> dict[str, CertifySettings]:
    """Name to settings; the first is the method as the recipes use it."""
    subspace = settings.subspace
    assert subspace is not None
    full = replace(settings, finetune=replace(settings.finetune, epochs=EPOCHS, polish=POLISH))

    def tuned(**changes: Any) -> CertifySettings:
        return replace(full, finetune=replace(full.finetune, **changes))

    at_once = full.finetune.fix_until is None
    other = replace(tuned(fix_until=0.95), levels=5) if at_once else replace(tuned(fix_until=None), levels=3)
    return {
        "all of it": full,
        "no polish": tuned(polish=0),
        "fixed one after another, 5 levels" if at_once else "rounded all at once, 3 levels": other,
        "rounded only at the end": tuned(fix_until=None, quantize_from=0.95, settle_from=0.95),
        "no price on bits": tuned(bit_weight=0.0),
        "half the coordinates": replace(full, subspace=replace(subspace, dim=subspace.dim // 2)),
        "FiLM": replace(full, subspace=replace(subspace, kind="film", dim=min(subspace.dim, 1000))),
    }


def ablate(recipe: Recipe, dataset: str, out: Path, quick: bool) -> list[dict[str, Any]]:
    """One row for each variant; then the first variant's offset under the 2022 paper's code."""
    options = Options(dataset=dataset, out=out, cards=out, quick=quick)
    prior = Prior.from_pretrained(recipe.write_prior(out / "priors", options))
    data = LabelledData.load(dataset, split="train[:1500]" if quick else "train")
    rows = []
    for name, settings in variants(recipe.settings).items():
        folder = out / f"{recipe.name}-{name.replace(',', '').replace(' ', '-')}"
        if not folder.exists():
            certify(prior, data, folder, settings)
        certificate = Certificate.from_pretrained(folder)
        rows.append(_row(recipe, name, certificate.content))
    rows.append(
        _paper_row(recipe, Certificate.from_pretrained(out / f"{recipe.name}-all-of-it"), prior, rows[0])
    )
    return rows


def _row(recipe: Recipe, name: str, content: dict[str, Any]) -> dict[str, Any]:
    keys = ("risk_bound", "train_error", "message_bits", "errors", "n")
    return {"task": recipe.task, "variant": name, **{key: content[key] for key in keys}}


def _paper_row(
    recipe: Recipe, certificate: Certificate, prior: Prior, full: dict[str, Any]
) -> dict[str, Any]:
    content = certificate.content
    names, candidates = content["dataset"]["class_names"], content["decoder"]["candidates"]
    predictor = decode_predictor(
        prior, len(names), certificate.message, class_names=names, candidates=candidates
    )
    bits = paper_bits(predictor.integers, predictor.header.levels)
    bound = occam_binomial(content["errors"], content["n"], bits, 1 - content["confidence"])
    return full | {"variant": "same offset, the paper's code", "message_bits": bits, "risk_bound": bound}


def main(argv: list[str] | None = None) -> int:
    """Runs what is missing and writes ``ablation.json`` beside the results table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mnist", default=mnist_scratch.RECIPE.dataset)
    parser.add_argument("--fashion-mnist", default=fashion_mnist_scratch.RECIPE.dataset)
    add_study_options(parser, "ablation", "1,500 rows")
    given = parser.parse_args(argv)
    if given.threads:
        torch.set_num_threads(given.threads)
    rows = ablate(mnist_scratch.RECIPE, given.mnist, given.out, given.quick)
    rows += ablate(fashion_mnist_scratch.RECIPE, given.fashion_mnist, given.out, given.quick)
    given.cards.mkdir(parents=True, exist_ok=True)
    write_json(given.cards / "ablation.json", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

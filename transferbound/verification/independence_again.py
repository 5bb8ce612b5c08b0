"""The check of independence made again, and held to what the certificate says of it."""

from __future__ import annotations

from transferbound.certificate.content import Content
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.data.sample import Sample
from transferbound.independence.check import check_independence
from transferbound.independence.record import IndependenceRecord
from transferbound.priors import Prior

__all__ = ["checked_again", "silent_findings"]


def checked_again(
    stated: IndependenceRecord,
    prior: Prior,
    data: Sample,
    prior_split: LabelledData | None,
    pretraining: Examples | None,
) -> IndependenceRecord:
    """The check of independence again, as it was made.

    Args:
        stated: what it came to.
        prior, data, prior_split: what it was made of, under their recorded names.
        pretraining: what the checkpoint was trained on; None: where it is recorded to be.

    Raises:
        PriorIndependenceError: it refuses now what it did not refuse then.
        DataError: the pretraining data cannot be read.
    """
    corpus = stated["checked"]["pretraining_data"]
    if corpus is None:
        return check_independence(prior, data, override=stated["override"], prior_split=prior_split)
    return check_independence(
        prior,
        data,
        pretraining or corpus["id"],
        override=stated["override"],
        pretraining_split=corpus["split"],
        prior_split=prior_split,
    )


def silent_findings(content: Content, checkpoint: Prior, data: Sample) -> list[str]:
    """What the card of the checkpoint at hand says beyond the recorded one: a line each."""
    known = {finding["message"] for finding in content["independence"]["findings"]}
    here = checkpoint.under_name(content["prior"]["id"])
    found = check_independence(here, data, override=True)["findings"]
    return [
        f"independence.findings is without: {item['message']}"
        for item in found
        if item["message"] not in known
    ]

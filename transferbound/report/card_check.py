"""Does a model card say what its certificate says? A line for each number that is another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, ModelCard

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.errors import CertificateError
from transferbound.report.card import CARD_FILE, card_text, eval_results, label
from transferbound.risks import risk_of
from transferbound.storage.files import read_limited

__all__ = ["check_card"]

_MAX_CARD_BYTES = 2**20


_OWN_METRICS = ("risk_bound", "train_error", "message_bits")


_NUMBERS = re.compile(r"\d[\d,.]*")


_CLAIM = re.compile(r"is at most \*\*([^*]*)\*\*")


def check_card(folder: Path, certificate: Certificate) -> list[str]:
    """A line for each number in the card that is not the certificate's.

    Compared are the results in ``model-index`` of the kinds that we write, every "at most **...**", every line of
    the text that differs from ours in nothing but numbers, and the label of a data-dependent prior. What else
    stands in a card is its author's. A folder without a card has nothing to check.
    """
    if not (folder / CARD_FILE).exists():
        return []
    try:
        text = read_limited(folder / CARD_FILE, _MAX_CARD_BYTES, CertificateError).decode("utf-8")
        found = getattr(ModelCard(text).data, "eval_results", None) or []
    except (CertificateError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        return [f"{CARD_FILE} cannot be read as a model card: {' '.join(str(error).split())[:200]}"]
    stated = {(r.dataset_split, r.metric_type): r.metric_value for r in eval_results(certificate.content)}
    problems = []
    for result in found:
        key = (result.dataset_split, result.metric_type)
        ours = key in stated or result.metric_type in _OWN_METRICS
        if ours and result.metric_value != stated.get(key):
            problems.append(
                f"{CARD_FILE} reports {result.metric_type} on split {result.dataset_split} as "
                f"{str(result.metric_value)[:60]}, the certificate as {stated.get(key)}"
            )
    return problems + _wrong_lines(text, certificate) + _wrong_label(text, found, certificate.content)


def _wrong_label(text: str, found: Sequence[EvalResult], content: Content) -> list[str]:
    """A data-dependent prior has to be called so: in the text, and in the name of the result."""
    if not content["independence"]["data_dependent"]:
        return []
    lines = {line.strip() for line in text.splitlines()}
    names = [result.metric_name or "" for result in found if result.metric_type == "risk_bound"]
    if label(content) in lines and all("data-dependent" in name for name in names):
        return []
    return [
        f"{CARD_FILE} does not say, or not everywhere, that the prior is data-dependent; `transferbound card` writes "
        "it anew"
    ]


def _wrong_lines(text: str, certificate: Certificate) -> list[str]:
    own: dict[str, set[str]] = {}
    for line in card_text(certificate).splitlines():
        own.setdefault(_NUMBERS.sub("#", line), set()).add(line.rstrip())
    bound = risk_of(certificate.content).value_up(certificate.risk_bound)
    problems = []
    for line in text.splitlines():
        known = own.get(_NUMBERS.sub("#", line.rstrip()), {line.rstrip()})
        claims = _CLAIM.findall(line)
        if line.rstrip() not in known or any(claim != bound for claim in claims):
            problems.append(
                f"{CARD_FILE} has a line with other numbers than the certificate: {line.strip()[:120]!r}; "
                "`transferbound card` writes it anew"
            )
    return problems

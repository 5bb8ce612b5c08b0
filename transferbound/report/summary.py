"""A certificate in a few lines of text."""

from __future__ import annotations

from typing import Any

from transferbound.bounds import max_bits, min_n
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate import Certificate
from transferbound.report.numbers import confidence_text, percent, percent_up

__all__ = ["remedy", "summary"]


def summary(certificate: Certificate) -> str:
    """What a certificate says, for a terminal."""
    c = certificate.content
    unit = "groups" if c["dataset"]["columns"].get("group") else "examples"
    lines = [
        f"error on new data   at most {percent_up(c['risk_bound'])} with {confidence_text(c['confidence'])} confidence",
        f"training error      {percent(c['train_error'])} ({c['errors']:,} wrong rows; n = {c['n']:,} {unit})",
        f"message             {c['message_bits']:.1f} bits ideal, {c['file_bits']:,} bits on file; "
        f"{c['decoder']['dim']:,} coordinates of kind {c['decoder']['kind']!r}",
    ]
    test = c["evaluation"]["test"]
    if test:
        lines.append(
            f"test error          {percent(test['error'])} on {test['n']:,} rows of split {test['split']!r} "
            "(for reporting only)"
        )
    held = c["comparison"]["holdout_tenth"]
    lines.append(
        f"for comparison      {percent(c['comparison']['majority_class_error'])} by always answering "
        f"{c['comparison']['majority_class']!r}; a held-out tenth with the same error would certify "
        f"{percent_up(held['bound'])}"
    )
    lines += [f"warning             {line}" for line in warnings(c)]
    if certificate.is_vacuous:
        lines.append("VACUOUS             " + remedy(c))
    return "\n".join(lines)


def warnings(content: dict[str, Any]) -> list[str]:
    """The warnings among a certificate's assumptions."""
    return [line.removeprefix("WARNING: ") for line in content["assumptions"] if line.startswith("WARNING: ")]


def remedy(content: dict[str, Any]) -> str:
    """For a vacuous bound: what n, or how few bits, would make it say something."""
    guess = content["comparison"]["uniform_guess_error"]
    delta = failure_probability(content["confidence"])
    says = (
        f"the bound {percent_up(content['risk_bound'])} is no better than guessing ({percent_up(guess)}) "
        f"with n = {content['n']:,}"
    )
    errors = round(content["train_error"] * content["n"])
    bits = max_bits(guess, errors, content["n"], delta)
    n = min_n(guess, content["train_error"], content["message_bits"], delta)
    wants = []
    if n < float("inf"):
        wants.append(f"n of at least {int(n):,} at this train error and message size")
    if bits > 0:
        wants.append(f"a message of at most {bits:.0f} bits at this n and train error")
    return f"{says}; it would take {' or '.join(wants) or 'a lower training error'}."

"""A certificate in a few lines of text."""

from __future__ import annotations

from transferbound.bounds import max_bits, min_n
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.wording import confidence_text, percent, percent_up

__all__ = ["prior_label", "remedy", "summary", "warnings"]


def summary(certificate: Certificate) -> str:
    """What a certificate says, for a terminal."""
    c = certificate.content
    unit = "groups" if c["dataset"]["columns"]["group"] else "examples"
    lines = [
        f"error on new data   at most {percent_up(c['risk_bound'])} with {confidence_text(c['confidence'])} confidence",
        f"training error      {percent(c['train_error'])} ({c['errors']:,} wrong rows; n = {c['n']:,} {unit})",
        f"message             {c['message_bits']:.1f} bits ideal, {c['file_bits']:,} bits on file; "
        f"{c['decoder']['dim']:,} coordinates of kind {c['decoder']['kind']!r}",
    ]
    lines.append(f"prior               {prior_label(c)}")
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


def prior_label(content: Content) -> str:
    """Whether the prior depends on the data set, in words; the same on the card and in the terminal."""
    data, independence = content["dataset"], content["independence"]
    part = independence["prior_split"]
    if part is None:
        doubt = {"none found": "", "warning": ", in doubt"}.get(
            independence["verdict"], ", AGAINST WHAT THE CHECK FOUND"
        )
        return f"data-independent prior{doubt}"
    rest = f"{data['rows']:,} other rows"
    if data["columns"]["group"]:
        rest = f"{data['units']:,} groups of the {rest}"
    return (
        f"data-dependent prior: the prior was trained on {part['split']} ({part['rows']:,} rows) of the same data; "
        f"the bound counts only the {rest} ({data['split']})"
    )


def warnings(content: Content) -> list[str]:
    """The warnings among a certificate's assumptions."""
    return [line.removeprefix("WARNING: ") for line in content["assumptions"] if line.startswith("WARNING: ")]


def remedy(content: Content) -> str:
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

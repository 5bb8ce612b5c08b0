"""A certificate in a few lines of text."""

from __future__ import annotations

from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content, DecoderContent
from transferbound.certificate.language_content import is_language, language_content
from transferbound.report.language_summary import language_summary
from transferbound.risks import risk_of
from transferbound.wording import as_lines, confidence_text

__all__ = ["prior_label", "remedy", "summary", "warnings"]


def summary(certificate: Certificate) -> str:
    """What a certificate says, for a terminal."""
    c = certificate.content
    if is_language(c):
        return language_summary(language_content(c), certificate.is_vacuous)
    risk, what = risk_of(c), risk_of(c).words.quantity
    unit = "groups" if c["dataset"]["columns"]["group"] else "examples"
    lines = [
        f"{what + ' on new data':<20}at most {risk.value_up(c['risk_bound'])} with "
        f"{confidence_text(c['confidence'])} confidence",
        f"{'training ' + what:<20}{risk.value(c['train_error'])} ({risk.count(c)}; n = {c['n']:,} {unit})",
        f"message             {c['message_bits']:.1f} bits ideal, {c['file_bits']:,} bits on file; "
        f"{_message(c['decoder'])}",
    ]
    lines.append(f"prior               {prior_label(c)}")
    test = c["evaluation"]["test"]
    if test:
        lines.append(
            f"{'test ' + what:<20}{risk.value(test['error'])} on {test['n']:,} rows of split {test['split']!r} "
            "(for reporting only)"
        )
    answer, constant = risk.constant(c)
    held = c["comparison"]["holdout_tenth"]
    lines.append(
        f"for comparison      {risk.value(constant)} by always answering {answer!r}; a held-out tenth with the same "
        f"{what} would certify {risk.value_up(held['bound'])}"
    )
    lines += [f"warning             {line}" for line in warnings(c)]
    if certificate.is_vacuous:
        lines.append("VACUOUS             " + remedy(c))
    return as_lines(lines)


def _message(decoder: DecoderContent) -> str:
    """What the message is about."""
    if "answer" in decoder:
        return f"always {decoder['answer']!r}"
    said = f"{decoder['dim']:,} coordinates of kind {decoder['kind']!r}"
    if "features_of" in decoder:
        said += f" on {decoder['components']} components of {decoder['features_of']}"
    return said


def prior_label(content: Content) -> str:
    """Whether the prior depends on the data set, in words; the same on the card and in the terminal."""
    data, independence = content["dataset"], content["independence"]
    part = independence["prior_split"]
    if part is None:
        doubt = {"none found": "", "warning": ", in doubt"}.get(
            independence["verdict"], ", AGAINST WHAT THE CHECK FOUND"
        )
        return f"data-independent prior{doubt}{_components_of(content)}"
    rest = f"{data['rows']:,} other rows"
    if data["columns"]["group"]:
        rest = f"{data['units']:,} groups of the {rest}"
    return (
        f"data-dependent prior: the prior was trained on {part['split']} ({part['rows']:,} rows) of the same data; "
        f"the bound counts only the {rest} ({data['split']})"
    )


def _components_of(content: Content) -> str:
    """Where the components come from rows of the data set: which."""
    aside = content["dataset"].get("set_aside")
    if aside is None or "reference" not in content["decoder"]:
        return ""
    return f"; components of {aside['rows']:,} unlabelled rows of the same data, set aside and not counted"


def warnings(content: Content) -> list[str]:
    """The warnings among a certificate's assumptions."""
    return [line.removeprefix("WARNING: ") for line in content["assumptions"] if line.startswith("WARNING: ")]


def remedy(content: Content) -> str:
    """For a vacuous bound: what n, or how few bits, would make it say something."""
    risk = risk_of(content)
    guess, what = risk.guess(content), risk.words.quantity
    form = risk.form_for(grouped=content["dataset"]["columns"]["group"] is not None)
    delta = failure_probability(content["confidence"])
    says = (
        f"the bound {risk.value_up(content['risk_bound'])} is no better than guessing ({risk.value_up(guess)}) "
        f"with n = {content['n']:,}"
    )
    bits = form.max_bits(guess, content["train_error"], content["n"], delta)
    n = form.min_n(guess, content["train_error"], content["message_bits"], delta)
    wants = []
    if n < float("inf"):
        wants.append(f"n of at least {int(n):,} at this train {what} and message size")
    if bits > 0:
        wants.append(f"a message of at most {bits:.0f} bits at this n and train {what}")
    return f"{says}; it would take {' or '.join(wants) or f'a lower training {what}'}."

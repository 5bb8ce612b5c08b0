"""A certificate on a language model in a few lines of text."""

from __future__ import annotations

from transferbound.certificate.language_content import LanguageContent, StageContent
from transferbound.wording import as_lines, confidence_text, percent, percent_up, round_up

__all__ = [
    "excess_sentence",
    "language_prior_label",
    "language_remedy",
    "language_summary",
    "language_warnings",
    "per_token",
    "per_token_up",
    "stage_words",
    "whose",
]


def per_token(value: float) -> str:
    """A measured loss.

    >>> per_token(4.6611)
    '4.661 bits per token'
    """
    return f"{value:.3f} bits per token"


def per_token_up(value: float) -> str:
    """A bound, rounded up.

    >>> per_token_up(-0.86551)
    '-0.865 bits per token'
    """
    return f"{round_up(value, 3):.3f} bits per token"


def excess_sentence(content: LanguageContent) -> str:
    """What finetuning is worth, or that nothing is proved of it."""
    excess = round_up(content["excess_bound"], 3)
    if excess < 0:
        return f"finetuning provably saves at least {-excess:.3f} bits per token"
    return f"that finetuning saves anything is not proved (it may cost up to {excess:.3f} bits per token)"


def whose(content: LanguageContent) -> str:
    """What the bound is about, in a sentence."""
    return "the documents of the pool" if "pool" in content["dataset"] else "new documents"


def language_summary(c: LanguageContent, is_vacuous: bool) -> str:
    """What a certificate says, for a terminal."""
    unit = "groups" if c["dataset"]["columns"]["group"] else "documents"
    compared, held = c["comparison"], c["comparison"]["holdout_tenth"]
    lines = [
        f"finetuning          {excess_sentence(c).removeprefix('finetuning ')}",
        f"{'loss on ' + ('the pool' if 'pool' in c['dataset'] else 'new data'):<20}at most "
        f"{per_token_up(c['risk_bound'])} with "
        f"{confidence_text(c['confidence'])} confidence "
        f"(perplexity {round_up(compared['perplexity_bound'], 2):.2f})",
        f"training loss       {per_token(c['train_risk'])}; the prior's {per_token(c['prior_train_risk'])}, at most "
        f"{per_token_up(c['prior_risk_bound'])} on {whose(c)} (n = {c['n']:,} {unit})",
        f"message             {c['message_bits']:.1f} bits ideal, {c['file_bits']:,} bits on file; {_message(c)}",
        f"prior               {language_prior_label(c)}",
    ]
    test = c["evaluation"]["test"]
    if test:
        lines.append(
            f"test loss           {per_token(test['loss'])}, the prior's {per_token(test['prior_loss'])}, on "
            f"{test['n']:,} "
            f"{unit} of split {test['split']!r} (for reporting only)"
        )
    lines.append(
        f"for comparison      {per_token(compared['uniform_guess'])} by guessing evenly; the SubLoRA form "
        f"{per_token_up(c['bounds']['smoothed_hoeffding'])}; a held-out tenth with the same losses "
        f"{per_token_up(held['bound'])}, by way of the excess {per_token_up(held['by_excess'])}"
    )
    lines.append(
        f"next token          wrong {percent(compared['next_token']['train_error'])} of the time in training, at most "
        f"{percent_up(compared['next_token']['bound'])} on {whose(c)}"
    )
    lines += [f"warning             {line}" for line in language_warnings(c)]
    if is_vacuous:
        lines.append("VACUOUS             " + language_remedy(c))
    return as_lines(lines)


def _message(content: LanguageContent) -> str:
    return "; ".join(said for said, _ in map(stage_words, content["decoder"]["stages"]))


def stage_words(stage: StageContent) -> tuple[str, str | None]:
    """What a stage is, in words, and its prompt where it has one."""
    if "prompt" in stage:
        return f"a prompt of {len(stage.get('prompt_tokens', []))} tokens", stage["prompt"]
    return f"{stage.get('dim', 0):,} coordinates of kind {stage['kind']!r}", None


def language_prior_label(content: LanguageContent) -> str:
    """Whether the prior depends on the documents, in words; the same on the card and in the terminal."""
    if "pool" in content["dataset"]:
        return "on a fixed pool: it does not matter whether the checkpoint was trained on it"
    doubt = {"none found": "", "warning": ", in doubt"}.get(
        content["independence"]["verdict"], ", AGAINST WHAT THE CHECK FOUND"
    )
    unsearched = content["independence"]["checked"]["pretraining_data"] is None
    return f"data-independent prior{doubt}{'; its training data was not searched' if unsearched else ''}"


def language_warnings(content: LanguageContent) -> list[str]:
    """The warnings among a certificate's assumptions."""
    return [line.removeprefix("WARNING: ") for line in content["assumptions"] if line.startswith("WARNING: ")]


def language_remedy(content: LanguageContent) -> str:
    """For a certificate that proves nothing of finetuning."""
    return (
        f"the bound on the excess over the prior, {per_token_up(content['excess_bound'])}, is not below zero with "
        f"n = {content['n']:,} and {content['message_bits']:.0f} bits; it would take more documents, fewer "
        f"coordinates, or "
        "a prompt (--kind prompt)."
    )

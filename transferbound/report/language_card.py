"""The card of a certificate on a language model: what finetuning provably saves first, then the bound."""

from __future__ import annotations

from typing import Any

from huggingface_hub import EvalResult

from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.language_content import LanguageContent, StageContent
from transferbound.report.language_summary import (
    excess_sentence,
    language_prior_label,
    language_remedy,
    language_warnings,
    per_token,
    per_token_up,
    stage_words,
)
from transferbound.report.markup import code, in_metadata, plain, table
from transferbound.report.sections import sections
from transferbound.wording import confidence_text, percent, percent_up, round_up

__all__ = ["language_card_parts", "language_results"]


def language_results(content: LanguageContent, name: str) -> list[EvalResult]:
    """The results that stand in a card's metadata; ``name``: of the data set."""
    data, confidence = content["dataset"], confidence_text(content["confidence"])
    where: dict[str, Any] = {
        "task_type": content["task"],
        "dataset_type": in_metadata(name),
        "dataset_name": in_metadata(name),
    }
    named = {"config": data["config"], "revision": data["revision"]}
    where |= {f"dataset_{key}": in_metadata(value) for key, value in named.items() if value}
    results = [
        ("risk_bound", f"bound on the loss in bits per token, {confidence} confidence", content["risk_bound"]),
        ("excess_bound", f"bound on the excess over the prior in bits per token, {confidence} confidence",
         content["excess_bound"]),
        ("train_risk", "loss in bits per token on the training split", content["train_risk"]),
        ("message_bits", "length of the message in bits", content["message_bits"]),
    ]  # fmt: skip
    rows = [(kind, what, value, data["split"]) for kind, what, value in results]
    test = content["evaluation"]["test"]
    if test:
        rows.append(("loss", "loss in bits per token", test["loss"], test["split"]))
    return [
        EvalResult(
            metric_type=kind,
            metric_name=what,
            metric_value=float(value),
            dataset_split=in_metadata(split),
            **where,
        )
        for kind, what, value, split in rows
    ]


def language_card_parts(content: LanguageContent, is_vacuous: bool, figure: str) -> list[str]:
    """The parts of the card's text between its title and its end."""
    return sections(
        _statement(content, is_vacuous),
        figure,
        _measured(content),
        _account(content),
        _holdout(content),
        content["assumptions"],
        _check(content),
    )


def _statement(content: LanguageContent, is_vacuous: bool) -> str:
    data, decoder = content["dataset"], content["decoder"]
    confidence = confidence_text(content["confidence"])
    lead = excess_sentence(content)
    kind = f"new documents of the kind of {code(data['id'])} (split {code(data['split'])})"
    if "pool" in data:
        kind = f"the {data['pool']['rows']:,} documents of {code(data['id'])} (split {code(data['split'])})"
    what = ", then ".join(_stage(stage) for stage in decoder["stages"])
    weights = ", ".join(f"2^-{stage['mix']}" for stage in decoder["stages"])
    text = (
        f"**{lead[0].upper()}{lead[1:]}**: with {confidence} confidence over the draw of the training documents, this "
        f"language model's loss on {kind} exceeds that of {code(content['prior']['id'])} by at most "
        f"**{per_token_up(content['excess_bound'])}**. The loss itself is at most "
        f"**{per_token_up(content['risk_bound'])}**, that of the checkpoint as it was at most "
        f"{per_token_up(content['prior_risk_bound'])}. The three hold together.\n\n"
        f"The figures are computed from the training documents alone: the checkpoint was fixed first; trained were "
        f"{what}; and the {content['message_bits']:.0f} bits that name it limit how far training loss and "
        f"true loss can "
        "differ (Lotfi et al. 2022, arXiv 2211.13609). The prediction is mixed, on whole documents, with that of the "
        f"stage before, at first the checkpoint's own, of weight {weights}; a document is its first "
        f"{decoder['max_tokens']} tokens."
    )
    label, _, rest = plain(language_prior_label(content)).partition(":")
    text += f"\n\n**{label[0].upper()}{label[1:]}{':' if rest else '.'}**{rest and rest + '.'}"
    for line in language_warnings(content):
        text += f"\n\n> **Warning.** {plain(line)}"
    if is_vacuous:
        remedy = language_remedy(content)
        text += f"\n\n> **Vacuous.** {remedy[0].upper()}{remedy[1:]}"
    return text


def _stage(stage: StageContent) -> str:
    said, prompt = stage_words(stage)
    return plain(said) if prompt is None else f"{plain(said)}, {code(prompt)}"


def _measured(content: LanguageContent) -> str:
    data, compared = content["dataset"], content["comparison"]
    unit = "groups" if data["columns"]["group"] else "documents"
    next_token = compared["next_token"]
    rows = [
        ("bound on the excess over the checkpoint", per_token_up(content["excess_bound"])),
        ("bound on the loss", per_token_up(content["risk_bound"])),
        ("the same as perplexity per token", f"{round_up(compared['perplexity_bound'], 2):.2f}"),
        ("bound on the checkpoint's loss", per_token_up(content["prior_risk_bound"])),
        ("training loss", per_token(content["train_risk"])),
        ("the checkpoint's training loss", per_token(content["prior_train_risk"])),
        ("training loss per byte", f"{compared['train_bits_per_byte']:.3f} bits"),
        ("training loss per document", f"{compared['train_bits_per_document']:.1f} bits"),
        (f"independent training units n ({unit})", f"{content['n']:,}"),
        ("tokens predicted", f"{data['tokens']:,}"),
        ("message, ideal", f"{content['message_bits']:.1f} bits"),
        ("message, on file", f"{content['file_bits']:,} bits"),
        ("next token not the likeliest, in training", percent(next_token["train_error"])),
        ("the same of the checkpoint", percent(next_token["prior_train_error"])),
        ("bound on that share, on its own", percent_up(next_token["bound"])),
    ]
    test = content["evaluation"]["test"]
    if test:
        split = code(test["split"])
        rows.append(
            (f"loss on split {split} (for reporting only)", f"{per_token(test['loss'])}, n = {test['n']:,}")
        )
        rows.append((f"the checkpoint's loss on split {split}", per_token(test["prior_loss"])))
    others = {
        "excess": "other form: the excess of all stages at once",
        "smoothed_hoeffding": "other form: smoothed tokens, Hoeffding (SubLoRA's)",
        "smoothed_kl": "other form: smoothed tokens, kl",
        "smoothed_betting": "other form: smoothed tokens, bets",
    }
    rows += [(name, per_token_up(content["bounds"][key])) for key, name in others.items()]
    return table(("quantity", "value"), rows)


def _account(content: LanguageContent) -> str:
    rows = [
        (plain(cost["field"]), code(str(cost["value"])), f"{cost['bits']:.1f}", plain(cost["code"]))
        for cost in content["message"]["costs"]
    ]
    rows.append(("total", "", f"{content['message']['ideal_bits']:.1f}", ""))
    return table(("choice", "value", "bits", "code"), rows)


def _holdout(content: LanguageContent) -> str:
    held = content["comparison"]["holdout_tenth"]
    return (
        f"Keeping a tenth of the same documents ({held['n']:,} units) out of training would certify "
        f"{per_token_up(held['bound'])} there, and {per_token_up(held['by_excess'])} by way of the excess "
        f"over the checkpoint, "
        "if the losses there were those in training. That is often the smaller number: hold data out when it can be "
        "spared. The bound above spends none, holds for every message at once, and so survives any search "
        "over settings. "
        f"Guessing evenly among all tokens costs {per_token(content['comparison']['uniform_guess'])}."
    )


def _check(content: LanguageContent) -> str:
    delta = failure_probability(content["confidence"])
    return (
        "```bash\ntransferbound verify .\n```\n\n"
        "starts from the checkpoint and `offset.bin` alone: it decodes the message, scores every document again and "
        "recomputes every number in `certificate.json`, losses within the stated slack. Where the checkpoint "
        "or the data "
        "lie elsewhere, name them with `--prior` and `--dataset`; they must have the recorded fingerprints (prior "
        f"{code(content['prior']['sha256'][:16] + '...')}, data "
        f"{code(content['dataset']['sha256'][:16] + '...')}). The share "
        f"{delta:.3g} with which it may fail is spent in halves: on the checkpoint's own loss, and on the excess."
    )

"""The model card: README.md with a ``model-index`` block, the account, the assumptions and a figure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.language_content import LANGUAGE_TASK, is_language, language_content
from transferbound.report.figures import FIGURE, draw_certificate
from transferbound.report.language_card import language_card_parts, language_results
from transferbound.report.markup import code, in_metadata, plain, table
from transferbound.report.sections import sections
from transferbound.report.summary import prior_label, remedy, warnings
from transferbound.risks import risk_of
from transferbound.storage.files import write_text
from transferbound.wording import confidence_text

__all__ = ["CARD_FILE", "LIBRARIES", "card_metadata", "card_text", "write_card"]

CARD_FILE = "README.md"
LIBRARIES = ("transferbound", "timm", "transformers", "sentence-transformers", "peft", "onnx")
"""What a card may say loads the weights beside it; where there are none, transferbound makes them of the message."""
_TASKS = {"image": "image-classification", "text": "text-classification"}
_HUB_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?", re.ASCII)
_LICENCE = re.compile(r"[\w.+-]{1,100}", re.ASCII)


_END = (
    "Everything above is made from `certificate.json`, and `transferbound verify` compares it word for word; the "
    "figure it does not look at. **What stands below this line, if anything does, is its author's and was not "
    "checked.**"
)


def write_card(folder: Path, certificate: Certificate, library: str = LIBRARIES[0], more: str = "") -> None:
    """Writes ``README.md`` and its figure into ``folder``, over what is there.

    Args:
        folder, certificate: what is written where.
        library: one of :data:`LIBRARIES`.
        more: Markdown that stands below our text, as an author's does.
    """
    draw_certificate(certificate.content, folder / FIGURE)
    metadata = card_metadata(certificate.content, library).to_yaml()
    write_text(folder / CARD_FILE, f"---\n{metadata}\n---\n\n{card_text(certificate)}{more}")


def card_metadata(content: Content, library: str = LIBRARIES[0]) -> ModelCardData:
    """What stands at the head of the card for programs to read."""
    prior, data = content["prior"], content["dataset"]
    more: dict[str, Any] = {}
    if (prior["revision"] or prior["id"].startswith("timm/")) and _HUB_ID.fullmatch(prior["id"]):
        more["base_model"] = prior["id"]
    if data["revision"] and _HUB_ID.fullmatch(data["id"]):
        more["datasets"] = [data["id"]]
    if prior["licence"] is not None and _LICENCE.fullmatch(prior["licence"]):
        more["license"] = prior["licence"]
    return ModelCardData(
        model_name=in_metadata(f"{_name(prior['id'])} on {_name(data['id'])}"),
        library_name=library,
        pipeline_tag=LANGUAGE_TASK if is_language(content) else _TASKS[data["modality"]],
        tags=["transferbound", "pac-bayes", "generalization-bound"],
        eval_results=_eval_results(content),
        **more,
    )


def _eval_results(content: Content) -> list[EvalResult]:
    """Bound and training error under the training split, test error under its own."""
    if is_language(content):
        return language_results(language_content(content), _name(content["dataset"]["id"]))
    data = content["dataset"]
    where: dict[str, Any] = {
        "task_type": _TASKS[data["modality"]],
        "dataset_type": in_metadata(_name(data["id"])),
        "dataset_name": in_metadata(_name(data["id"])),
    }
    named = {"config": data["config"], "revision": data["revision"]}
    where |= {f"dataset_{key}": in_metadata(name) for key, name in named.items() if name}
    confidence, what = confidence_text(content["confidence"]), risk_of(content).words.quantity
    prior = ", data-dependent prior" if content["independence"]["data_dependent"] else ""
    results = [
        (
            "risk_bound",
            f"bound on the {what}, {confidence} confidence{prior}",
            content["risk_bound"],
            data["split"],
        ),
        ("train_error", f"{what} on the training split", content["train_error"], data["split"]),
        ("message_bits", "length of the message in bits", content["message_bits"], data["split"]),
    ]
    test = content["evaluation"]["test"]
    if test:
        results.append((what, what, test["error"], test["split"]))
    return [
        EvalResult(
            metric_type=kind,
            metric_name=name,
            metric_value=float(value),
            dataset_split=in_metadata(split),
            **where,
        )
        for kind, name, value, split in results
    ]


def card_text(certificate: Certificate) -> str:
    """All that stands below the metadata in a card, but for what its author adds below that."""
    content = certificate.content
    title = f"# {code(_name(content['prior']['id']))} on {code(_name(content['dataset']['id']))}"
    if is_language(content):
        body = language_card_parts(language_content(content), certificate.is_vacuous, FIGURE)
    else:
        body = _classifier_parts(certificate)
    return "\n\n".join([title, *body, "---", _END]) + "\n"


def _classifier_parts(certificate: Certificate) -> list[str]:
    content = certificate.content
    return sections(
        _statement(certificate),
        FIGURE,
        _measured(content),
        _account(content),
        _holdout(content),
        content["assumptions"],
        _check(content),
    )


def _statement(certificate: Certificate) -> str:
    content = certificate.content
    data, risk = content["dataset"], risk_of(content)
    words = risk.words
    dependent = content["independence"]["prior_split"]
    first = f"was trained on the split {code(dependent['split'])}" if dependent else "was fixed first"
    trained = f"only {content['decoder']['dim']:,} quantized coordinates were trained, and the"
    if "answer" in content["decoder"]:
        trained = f"the answer to everything, {code(content['decoder']['answer'])}, was chosen, and the"
    text = (
        f"With {confidence_text(content['confidence'])} confidence over the draw of the training data, this "
        f"{words.predictor}'s {words.quantity} on new data of the kind of {code(data['id'])} (split "
        f"{code(data['split'])}) is at most **{risk.value_up(content['risk_bound'])}**. The figure is computed from "
        f"the training data alone: the checkpoint {code(content['prior']['id'])} {first}, {trained} "
        f"{content['message_bits']:.0f} bits "
        f"that name them limit how far training {words.quantity} and true {words.quantity} can differ (Lotfi et al. "
        "2022, arXiv 2211.13609)."
    )
    text += f"\n\n{_label(content)}"
    for line in warnings(content):
        text += f"\n\n> **Warning.** {plain(line)}"
    if certificate.is_vacuous:
        text += f"\n\n> **Vacuous.** {remedy(content)[0].upper()}{remedy(content)[1:]}"
    return text


def _label(content: Content) -> str:
    label, _, rest = plain(prior_label(content)).partition(":")
    return f"**{label[0].upper()}{label[1:]}{':' if rest else '.'}**{rest and rest + '.'}"


def _measured(content: Content) -> str:
    unit = "groups" if content["dataset"]["columns"]["group"] else "rows"
    risk, what = risk_of(content), risk_of(content).words.quantity
    rows = [
        (f"bound on the {what} on new data", risk.value_up(content["risk_bound"])),
        (f"training {what}", f"{risk.value(content['train_error'])} ({risk.count(content)})"),
        (f"independent training units n ({unit})", f"{content['n']:,}"),
        ("message, ideal", f"{content['message_bits']:.1f} bits"),
        ("message, on file", f"{content['file_bits']:,} bits"),
    ]
    test = content["evaluation"]["test"]
    if test:
        rows.append(
            (
                f"{what} on split {code(test['split'])} (for reporting only)",
                f"{risk.value(test['error'])} of {test['n']:,}",
            )
        )
    rows += [
        (f"other form: {plain(name)}", risk.value_up(value)) for name, value in content["bounds"].items()
    ]
    return table(("quantity", "value"), rows)


def _account(content: Content) -> str:
    rows = [
        (plain(cost["field"]), code(str(cost["value"])), f"{cost['bits']:.1f}", plain(cost["code"]))
        for cost in content["message"]["costs"]
    ]
    rows.append(("total", "", f"{content['message']['ideal_bits']:.1f}", ""))
    entropy, risk = content["message"]["empirical_entropy_bits"], risk_of(content)
    paper = content["comparison"]["paper_code"]
    return (
        table(("choice", "value", "bits", "code"), rows)
        + f"\n\nThe entropy of the integers' own frequencies is {entropy:.1f} bits: a code that treats all of them "
        "alike and must also name the frequencies usually takes more; one that tells likelier places apart by contexts "
        "can take less. The code of the 2022 paper (codebook, counts, arithmetic code) would take "
        f"{paper['bits']:.1f} bits for the same integers, its header uncharged; the kl form would then be "
        f"{risk.value_up(paper['occam_kl'])}, where it is {risk.value_up(content['bounds']['occam_kl'])} here."
    )


def _holdout(content: Content) -> str:
    risk, held = risk_of(content), content["comparison"]["holdout_tenth"]
    answer, constant = risk.constant(content)
    what = risk.words.quantity
    return (
        f"Keeping a tenth of the same data ({held['n']:,} units) out of training and counting {what}s there would "
        f"certify {risk.value_up(held['bound'])}, if the {what} there were this one's training {what}. That is often "
        "the smaller number: hold data out when it can be spared. The bound above spends none, holds for every message "
        "at once, and so survives any search over settings. Always answering "
        f"{code(answer)} errs on {risk.value(constant)} of the training rows."
    )


def _check(content: Content) -> str:
    corpus = content["independence"]["checked"]["pretraining_data"]
    more = "" if corpus is None else " What the checkpoint was trained on: `--pretraining-data`."
    return (
        "```bash\ntransferbound verify .\n```\n\n"
        "starts from the checkpoint and `offset.bin` alone: it decodes the message, rebuilds the weights, counts "
        "the errors again and recomputes every number in `certificate.json`. Where the checkpoint or the data lie "
        "elsewhere, name them with `--prior` and `--dataset`; they must have the recorded fingerprints "
        f"(prior {_start(content['prior']['sha256'])}, data {_start(content['dataset']['sha256'])}).{more}"
    )


def _start(digest: str) -> str:
    return code(f"{digest[:16]}...")


def _name(identifier: str) -> str:
    """The last part of a Hub id or of a path."""
    return re.split(r"[\\/]", identifier.rstrip("\\/"))[-1] or identifier

"""The form of certificate.json, as it follows from the types in certificate/content.py."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from spine_fixtures import assigned, changed, image_certificate

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.schema import check_content
from transferbound.errors import CertificateError
from transferbound.message import Header
from transferbound.risks import DEFAULT_RISK

CARDS = sorted((Path(__file__).parents[2] / "model_cards").glob("*/certificate.json"))
CORPUS = {
    "id": "reviews",
    "split": "train",
    "rows": 10,
    "rows_compared": 9,
    "near_rows_compared": 9,
    "exact_duplicates": 0,
    "near_duplicates": 0,
}
CORPUS_PATH = ("independence", "checked", "pretraining_data")


@pytest.fixture
def content() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((image_certificate() / "certificate.json").read_bytes())
    return loaded


def refusal(content: object) -> str:
    with pytest.raises(CertificateError) as caught:
        check_content(content)
    return str(caught.value)


@pytest.mark.parametrize("file", CARDS, ids=[file.parent.name for file in CARDS])
def test_published_certificates_have_the_form_or_are_refused_as_earlier_ones(file: Path) -> None:
    content = json.loads(file.read_bytes())
    if content["schema_version"] == 1:
        assert "schema_version 1; this release reads 2" in refusal(content)
    else:
        check_content(content)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("n",), "5", "n is '5'; it must be of type int"),
        (("n",), True, "n is True; it must be of type int"),
        (("n",), 5.0, "n is 5.0; it must be of type int"),
        (("risk_bound",), True, "risk_bound is True; it must be of type int or float"),
        (("bounds", "occam_kl"), None, "bounds.occam_kl is None; it must be of type int or float"),
        (("bounds",), [], "bounds is []; it must be an object"),
        (("prior", "revision"), 7, "prior.revision is 7; it must be of type str or NoneType"),
        (("prior", "provenance", "files"), "x", "prior.provenance.files is 'x'; it must be a list"),
        (("prior", "provenance", "tags"), [1], "prior.provenance.tags[0] is 1; it must be of type str"),
        (("prior", "provenance", "cards"), [], "the key prior.provenance.cards is unknown"),
        (("dataset", "class_names", 1), None, "dataset.class_names[1] is None; it must be of type str"),
        (("dataset", "columns"), None, "dataset.columns is None; it must be an object"),
        (("decoder", "contexts"), 1, "decoder.contexts is 1; it must be of type bool"),
        (("decoder", "subspace"), "film", "decoder.subspace is 'film'; it must be an object"),
        (
            ("message", "costs", 0, "value"),
            None,
            "message.costs[0].value is None; it must be of type str or int or float or bool",
        ),
        (("evaluation", "test"), [], "evaluation.test is []; it must be an object"),
        (("evaluation", "test", "n"), None, "evaluation.test.n is None; it must be of type int"),
        (("independence", "prior_split"), {}, "the key independence.prior_split.exact_duplicates is missing"),
        (("confidence",), 1.0, "confidence is 1.0; it must lie between 0 and 1"),
        (("dataset", "modality"), "sound", "dataset.modality is 'sound'; it must be image or text"),
    ],
)
def test_each_wrong_value_is_named_by_its_path(
    content: dict[str, Any], path: tuple[str | int, ...], value: object, message: str
) -> None:
    check_content(content)
    assert refusal(assigned(content, path, value)) == message


def test_every_key_of_a_total_type_has_to_be_there(content: dict[str, Any]) -> None:
    for key in content.keys() - {"schema", "schema_version"}:
        less = {name: value for name, value in content.items() if name != key}
        assert refusal(less) == f"the key {key} is missing"


def test_null_where_a_type_allows_it(content: dict[str, Any]) -> None:
    check_content(assigned(content, ("evaluation", "test"), None))
    check_content(assigned(content, ("prior", "licence"), None))


def test_whole_numbers_are_fractions_too(content: dict[str, Any]) -> None:
    check_content(assigned(content, ("risk_bound",), 1))


def test_keys_that_may_be_missing(content: dict[str, Any]) -> None:
    """``first_rows`` of the pretraining data, and whatever a checkpoint's card does not say."""
    check_content(assigned(content, CORPUS_PATH, CORPUS))
    check_content(assigned(content, CORPUS_PATH, CORPUS | {"first_rows": [3]}))
    wrong = assigned(content, CORPUS_PATH, CORPUS | {"first_rows": ["3"]})
    assert "pretraining_data.first_rows[0] is '3'" in refusal(wrong)
    less = {key: value for key, value in CORPUS.items() if key != "split"}
    assert refusal(assigned(content, CORPUS_PATH, less)).endswith("pretraining_data.split is missing")
    check_content(assigned(content, ("prior", "provenance"), {}))


def test_columns_of_images_or_of_texts(content: dict[str, Any]) -> None:
    columns = content["dataset"]["columns"]
    texts = {"text": ["a", "b"], "label": "label", "group": None}
    check_content(assigned(content, ("dataset", "columns"), texts))
    both = assigned(content, ("dataset", "columns"), columns | texts)
    assert refusal(both) == "the key dataset.columns.text is unknown"
    neither = changed(content, ("dataset", "columns", "image"), lambda place, key: place.pop(key))
    assert refusal(neither) == "the key dataset.columns.text is missing"


def test_every_field_of_the_header_is_stated() -> None:
    """The decoder's choices are spelled out in the statement: none may be forgotten there."""
    decoder = Certificate.from_pretrained(image_certificate()).content["decoder"]
    short = {"features", "components", "answer", "classes"}  # of kinds that stand alone
    assert {field.name for field in fields(Header)} - short <= decoder.keys()
    assert not short & decoder.keys()


def test_the_statement_holds_the_keys_of_the_type_and_no_others(content: dict[str, Any]) -> None:
    """But ``loss``: a certificate of the error of a classifier says so by not naming another."""
    assert content.keys() == Content.__annotations__.keys() - {"loss"}
    check_content(content | {"loss": DEFAULT_RISK})
    assert refusal(content | {"loss": "hinge"}).startswith("loss is 'hinge'; known are ")

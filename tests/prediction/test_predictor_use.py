"""``Predictor``: the answers are those that the certificate counts, for each row as if it came alone."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from conftest import save_rows, text_rows
from PIL import Image
from spine_fixtures import assigned, save_calibrated, world
from stated import CASES, case, text_reference
from torch import nn

from transferbound import Certificate, LabelledData, Prediction, Predictor, Prior, verify
from transferbound.errors import (
    ArgumentError,
    CertificateError,
    DataError,
    MessageError,
    PriorError,
    TransferboundError,
)

Made = Callable[[str], tuple[Path, LabelledData]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Made:
    """The certificate of a case and its rows, made once."""
    known: dict[str, tuple[Path, LabelledData]] = {}

    def get(name: str) -> tuple[Path, LabelledData]:
        if name not in known:
            known[name] = case(name, tmp_path_factory.mktemp("case"), tiny_bert)
        return known[name]

    return get


def inputs_of(data: LabelledData) -> list[Any]:
    if data.modality == "image":
        return list(data.images())
    return [row if len(row) == 2 else row[0] for row in data.text_rows()]


@pytest.mark.parametrize("name", CASES)
def test_answers_on_the_training_rows_are_those_counted(name: str, made: Made) -> None:
    folder, data = made(name)
    content = Certificate.from_pretrained(folder).content
    predictor = Predictor.from_pretrained(folder)
    found = predictor.predict(inputs_of(data))
    assert all(isinstance(one, Prediction) for one in found)
    wrong = [one.label_id != label for one, label in zip(found, data.labels.tolist(), strict=True)]
    assert sum(wrong) == content["errors"]
    names = predictor.class_names
    assert names == tuple(content["dataset"]["class_names"]) == data.class_names
    if name == "image ties":
        assert {(one.label, one.label_id) for one in found} == {(None, None)}
        assert content["errors"] == data.n
    elif "constant" in name:
        assert {one.label for one in found} == {content["decoder"]["answer"]}
    else:
        assert 0 < sum(wrong) < data.n
        assert all(one.label == names[one.label_id] == max(one.scores, key=one.scores.get) for one in found)
    assert all(list(one.scores) == list(names) and one.score == max(one.scores.values()) for one in found)
    assert all(sum(one.scores.values()) == pytest.approx(1.0) for one in found)
    logits = predictor.logits(inputs_of(data))
    assert logits.shape == (data.n, 2)
    if name != "image ties":
        assert logits.argmax(1).tolist() == [one.label_id for one in found]


@pytest.mark.parametrize("name", ["text sparse", "text pairs", "image film"])
@pytest.mark.parametrize("batch_size", [1, 7, 250])
def test_a_row_alone_and_among_others(name: str, batch_size: int, made: Made) -> None:
    folder, data = made(name)
    predictor = Predictor.from_pretrained(folder)
    rows = inputs_of(data)
    together = predictor.predict(rows, batch_size=batch_size)
    order = np.random.default_rng(1).permutation(data.n)
    shuffled = predictor.predict([rows[place] for place in order], batch_size=batch_size)
    assert [shuffled[place].label for place in np.argsort(order)] == [one.label for one in together]
    for row in range(0, data.n, 6):
        (alone,) = predictor.predict([rows[row]])
        assert alone.label == together[row].label
        assert alone.scores == pytest.approx(together[row].scores, abs=1e-5)


def test_a_network_that_looks_at_the_rows_beside_a_row_is_refused(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, data = made("image film")
    original = Prior.build

    def mixing(self: Prior, *arguments: Any, **how: Any) -> nn.Module:
        module = original(self, *arguments, **how)
        module.register_forward_hook(lambda m, inputs, logits: logits - logits.mean(0))
        return module

    monkeypatch.setattr(Prior, "build", mixing)
    predictor = Predictor.from_pretrained(folder)
    with pytest.raises(PriorError, match="move with the rows beside it"):
        predictor.predict(inputs_of(data))


def test_pieces_make_no_difference(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from transferbound.prediction import predictor as room

    for name in ("text sparse", "image film"):
        folder, data = made(name)
        predictor = Predictor.from_pretrained(folder)
        whole = [one.label for one in predictor.predict(inputs_of(data))]
        with monkeypatch.context() as patch:
            patch.setattr(room, "_PIECE_ROWS", 7)
            assert [one.label for one in predictor.predict(iter(inputs_of(data)))] == whole
            patch.setattr(room, "_PIECE_BYTES", 1)
            assert [one.label for one in predictor.predict(inputs_of(data))] == whole


# What may be asked -----------------------------------------------------------------------------------


def test_images_in_every_form(made: Made, tmp_path: Path) -> None:
    folder, data = made("image film")
    predictor = Predictor.from_pretrained(folder)
    images = inputs_of(data)[:6]
    wanted = predictor.predict(images)
    paths = []
    for place, image in enumerate(images):
        paths.append(tmp_path / f"{place}.png")
        image.save(paths[-1])
    arrays = [np.asarray(image) for image in images]
    table = datasets.Dataset.from_dict(
        {"image": images, "other": list(range(6))},
        features=datasets.Features({"image": datasets.Image(), "other": datasets.Value("int64")}),
    )
    forms: list[Any] = [
        paths,
        [str(path) for path in paths],
        [path.read_bytes() for path in paths],
        arrays,
        np.stack(arrays),
        [array[:, :, None] for array in arrays],
        [np.repeat(array[:, :, None], 3, 2) for array in arrays],
        [image.convert("RGB") for image in images],
        table,
        table.with_format("numpy"),
        table.to_iterable_dataset(),
        list(table),
        [{"image": path} for path in paths],
        [{"bytes": path.read_bytes(), "path": None} for path in paths],
    ]
    for form in forms:
        assert [one.label for one in predictor.predict(form)] == [one.label for one in wanted]
        assert predictor.logits(form) == pytest.approx(predictor.logits(images), abs=1e-5)
    for one in (paths[0], str(paths[0]), arrays[0], images[0], paths[0].read_bytes()):
        assert [found.label for found in predictor.predict(one)] == [wanted[0].label]


def test_texts_in_every_form(made: Made) -> None:
    folder, data = made("text sparse")
    predictor = Predictor.from_pretrained(folder)
    texts = inputs_of(data)[:9]
    wanted = [one.label for one in predictor.predict(texts)]
    table = datasets.Dataset.from_dict({"text": texts, "label": [0] * 9})
    for form in (
        iter(texts),
        tuple(texts),
        np.array(texts),
        table,
        list(table),
        [{"text": t} for t in texts],
    ):
        assert [one.label for one in predictor.predict(form)] == wanted
    assert [one.label for one in predictor.predict(texts[0])] == wanted[:1]
    assert len(predictor.predict(["", " "])) == 2  # no words are a text, too


def test_pairs_in_every_form(made: Made) -> None:
    folder, data = made("text pairs")
    predictor = Predictor.from_pretrained(folder)
    pairs = inputs_of(data)[:9]
    wanted = [one.label for one in predictor.predict(pairs)]
    rows = [{"sentence1": a, "sentence2": b} for a, b in pairs]
    for form in ([list(pair) for pair in pairs], rows, datasets.Dataset.from_list(rows)):
        assert [one.label for one in predictor.predict(form)] == wanted
    assert [one.label for one in predictor.predict(pairs[0])] == wanted[:1]
    assert predictor.columns == ("sentence1", "sentence2")


@pytest.mark.parametrize("name", ["text sparse", "image film"])
def test_nothing_asked_is_nothing_answered(name: str, made: Made) -> None:
    predictor = Predictor.from_pretrained(made(name)[0])
    assert predictor.predict([]) == []
    assert predictor.logits([]).shape == (0, 2)


GREY = np.zeros((4, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("text sparse", ["a", 3], "row 1 of the inputs is of type int; give a text"),
        ("text sparse", [("a", "b")], "a tuple of 2; give a text"),
        ("text sparse", [GREY], "of type ndarray; give a text"),
        ("text sparse", ["a", "\ud800"], "row 1 of the inputs is no text: it holds half"),
        ("text sparse", [{"sentence": "a"}], "row 0 of the inputs has no 'text', .* it has sentence"),
        ("text sparse", [{"text": None}], "of type tuple|a tuple of 1"),
        ("text sparse", {"text": ["a"]}, "of type dict with text; give rows"),
        ("text sparse", 7, "of type int; give one row or a list"),
        (
            "text sparse",
            datasets.Dataset.from_dict({"sentence": ["a"]}),
            "no column 'text', .* it has sentence",
        ),
        (
            "text sparse",
            datasets.DatasetDict(train=datasets.Dataset.from_dict({"text": ["a"]})),
            "DatasetDict with train; give rows: a list, one split",
        ),
        ("text pairs", ["a"], r"of type str; give a pair of texts \(sentence1, sentence2\)"),
        ("text pairs", [("a", None)], "a tuple of 2; give a pair"),
        ("image film", [3], "of type int; give an image"),
        ("image film", [None], "of type NoneType; give an image"),
        ("image film", ["absent.png"], "absent.png is missing or not a regular file"),
        ("image film", ["."], "is missing or not a regular file"),
        ("image film", ["https://example.org/a.png"], "is an address; give a file"),
        ("image film", [b"text"], "row 0 of the inputs holds an image that cannot be decoded"),
        ("image film", [GREY, GREY / 2.0], r"row 1 of the inputs holds an array float64 of shape \[4, 4\]"),
        ("image film", [GREY[0]], r"an array uint8 of shape \[4\]"),
        ("image film", [GREY[:0]], r"an array uint8 of shape \[0, 4\]"),
        ("image film", [Image.new("I", (4, 4))], "row 0 .* an image of mode I; convert it to 8 bits"),
    ],
)
def test_what_is_no_input_is_named(name: str, inputs: Any, message: str, made: Made) -> None:
    predictor = Predictor.from_pretrained(made(name)[0])
    with pytest.raises(DataError, match=message):
        predictor.predict(inputs)


def test_files_are_read_with_the_guards_of_data(made: Made, tmp_path: Path) -> None:
    predictor = Predictor.from_pretrained(made("image film")[0])
    for form in ("EPS", "ICO", "TGA"):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64)).save(buffer, format=form)
        (tmp_path / "a.png").write_bytes(buffer.getvalue())
        with pytest.raises(DataError, match=r"the file .*a\.png holds an image that cannot be decoded"):
            predictor.predict([tmp_path / "a.png"])
    with pytest.raises(DataError, match="missing or not a regular file"):
        predictor.predict(["/dev/zero"])


def test_batch_sizes_and_devices_are_checked(made: Made) -> None:
    folder, _ = made("text sparse")
    with pytest.raises(ArgumentError, match="batch_size is 0; it must be at least 1"):
        Predictor.from_pretrained(folder, device="cpu").predict(["a"], batch_size=0)
    with pytest.raises(ArgumentError, match=r"device is 'toaster': .*; cpu is always there"):
        Predictor.from_pretrained(folder, device="toaster")


# What is held to the certificate ---------------------------------------------------------------------


def test_prior_and_reference_from_other_places(made: Made, tiny_bert: Path, tmp_path: Path) -> None:
    folder, data = made("text sparse")
    texts = inputs_of(data)
    wanted = [one.label for one in Predictor.from_pretrained(folder).predict(texts)]
    prior = Path(shutil.copytree(tiny_bert, tmp_path / "bert"))
    reference = text_reference(tmp_path / "inputs")
    certificate = Certificate.from_pretrained(folder)
    for found in (
        Predictor.from_pretrained(folder, prior=str(prior), reference=str(reference)),
        Predictor.from_pretrained(str(folder), prior=prior, reference=reference),
        Predictor.from_pretrained(certificate, prior=Prior.from_pretrained(str(prior))),
    ):
        assert [one.label for one in found.predict(texts)] == wanted
        assert found.certificate.content == certificate.content


def test_the_folder_prior_beside_the_certificate(made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made("image film")[0], tmp_path / "out"))
    rewrite(folder, ("prior", "id"), "nobody/no-such-model")
    with pytest.raises(PriorError, match=r"unknown prior nobody/no-such-model.*with prior \(--prior\)"):
        Predictor.from_pretrained(folder)
    shutil.copytree(world() / "prior", folder / "prior")
    assert Predictor.from_pretrained(folder).predict([GREY])[0].label in ("class0", "class1")


def rewrite(folder: Path, path: tuple[str | int, ...], value: object) -> None:
    file = folder / "certificate.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(assigned(content, path, value)), encoding="utf-8")


def test_another_prior_is_refused(made: Made, tiny_bert: Path, tmp_path: Path) -> None:
    folder, _ = made("image film")
    for other in (save_calibrated(tmp_path / "other", seed=2), tiny_bert):
        with pytest.raises(PriorError, match=r"is not the certificate's checkpoint: prior\.sha256 .*--prior"):
            Predictor.from_pretrained(folder, prior=str(other))


def test_another_tokenizer_is_refused(made: Made, tiny_bert: Path, tmp_path: Path) -> None:
    prior = Path(shutil.copytree(tiny_bert, tmp_path / "bert"))
    tokenizer = json.loads((prior / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    words["good"], words["bad"] = words["bad"], words["good"]
    (prior / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(PriorError, match=r"has the certificate's tensors, but tokenizer\.json beside them"):
        Predictor.from_pretrained(made("text sparse")[0], prior=str(prior))


def test_other_reference_inputs_are_refused(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = made("text sparse")
    for other in (save_rows(tmp_path / "texts", text_rows(50)), text_reference(tmp_path / "fewer", 59)):
        with pytest.raises(
            DataError, match=r"are not the certificate's: decoder\.reference\.sha256 .*--reference"
        ):
            Predictor.from_pretrained(folder, reference=str(other))
    copied = Path(shutil.copytree(folder, tmp_path / "out"))
    rewrite(copied, ("decoder", "reference", "id"), str(tmp_path / "gone"))
    with pytest.raises(DataError, match="name where the certificate's reference inputs are now"):
        Predictor.from_pretrained(copied)
    with pytest.raises(ArgumentError, match="'x' are given, but the certificate states none"):
        Predictor.from_pretrained(made("image film")[0], reference="x")


def test_other_default_reference_inputs_are_refused(made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made("text sparse default")[0], tmp_path / "out"))
    rewrite(folder, ("decoder", "reference", "sha256"), "0" * 64)
    with pytest.raises(DataError, match=r"use the release of transferbound that unverified\.versions names"):
        Predictor.from_pretrained(folder)


@pytest.mark.parametrize(
    ("name", "path", "value", "error", "message"),
    [
        ("image film", ("message", "sha256"), "0" * 64, MessageError, "offset.bin is not this certificate's"),
        ("image film", ("message", "file_bits"), 1, MessageError, "offset.bin is not this certificate's"),
        ("image film", ("dataset", "class_names"), ["a", "a"], CertificateError, "has a name twice"),
        ("image film", ("dataset", "modality"), "text", CertificateError, "names 0 columns of texts"),
        (
            "image film",
            ("dataset", "columns", "image"),
            ["a", "b"],
            CertificateError,
            "names 2 columns of images",
        ),
        ("image film", ("decoder", "kind"), "hashed", CertificateError, "contradicts its message"),
        ("text sparse default", ("decoder", "features"), 1, CertificateError, "contradicts its message"),
        ("text sparse default", ("decoder", "features"), 99, CertificateError, "a place that is on no list"),
        ("image film", ("decoder", "preprocessing", "mean"), [0.4] * 3, CertificateError, "read otherwise"),
        ("image film", ("dataset", "class_names"), ["a"], TransferboundError, "num_classes is 1"),
    ],
)
def test_a_certificate_that_contradicts_itself_is_refused(
    name: str,
    path: tuple[str | int, ...],
    value: object,
    error: type[Exception],
    message: str,
    made: Made,
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(made(name)[0], tmp_path / "out"))
    rewrite(folder, path, value)
    if path == ("message", "file_bits"):
        (folder / "offset.bin").write_bytes((folder / "offset.bin").read_bytes() + b"\0")
    with pytest.raises(error, match=message):
        Predictor.from_pretrained(folder)


def test_a_reference_that_is_not_stated_is_missed(made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made("text sparse")[0], tmp_path / "out"))
    content = json.loads((folder / "certificate.json").read_text())
    del content["decoder"]["reference"]
    (folder / "certificate.json").write_text(json.dumps(content))
    with pytest.raises(CertificateError, match=r"decoder\.reference is not what the message needs"):
        Predictor.from_pretrained(folder)


def test_nothing_is_counted_anew(made: Made, tmp_path: Path) -> None:
    """As the docstring says: a false number of errors is for ``verify`` to find."""
    folder, data = made("image film")
    copied = Path(shutil.copytree(folder, tmp_path / "out"))
    rewrite(copied, ("errors",), 0)
    predictor = Predictor.from_pretrained(copied)
    wrong = [
        one.label_id != label
        for one, label in zip(predictor.predict(inputs_of(data)), data.labels, strict=True)
    ]
    assert any(wrong)
    assert not verify(copied).holds


def test_torch_random_state_stays(made: Made) -> None:
    folder, data = made("image film")
    before = torch.random.get_rng_state()
    Predictor.from_pretrained(folder).predict(inputs_of(data)[:2])
    assert torch.equal(before, torch.random.get_rng_state())

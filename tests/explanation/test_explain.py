"""``explain``: what is said of a coordinate is what the decoder gives of a message without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import save_rows
from spine_fixtures import bright_rows, world
from stated import CASES, case, stated

from transferbound import Certificate, LabelledData, Prior
from transferbound.data.encode import encode
from transferbound.errors import ArgumentError, DataError
from transferbound.explanation import Explanation, explain
from transferbound.explanation.figure import draw_explanation
from transferbound.explanation.held import held
from transferbound.explanation.moved import Moved, agreement
from transferbound.explanation.text import explanation_text
from transferbound.explanation.without import LinearRows, answers, wrong_rows
from transferbound.message import Header, message_bits
from transferbound.message.stream import encode as encode_message
from transferbound.prediction.certified import decoded_with_prior
from transferbound.predictor import decode_predictor
from transferbound.risks.counting import count_errors
from transferbound.risks.zero_one import ZeroOne

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


class Decoder:
    """Errors and bits of a certificate's message with other integers, all by the decoder's path."""

    def __init__(self, folder: Path, data: LabelledData) -> None:
        self.certificate = Certificate.from_pretrained(folder)
        self.data = data
        self.prior, self.reference, self.decoded = decoded_with_prior(
            self.certificate, folder, None, None, None
        )

    def __call__(self, integers: np.ndarray) -> tuple[int, float, float]:
        """Wrong rows, bits, bound."""
        message = encode_message(self.decoded.header, integers, self.decoded.contexts)
        decoded = decode_predictor(
            self.prior,
            self.data.num_classes,
            message,
            class_names=self.data.class_names,
            reference=self.reference,
        )
        count = count_errors(decoded.module, encode(decoded.preprocessing, self.data, progress=False))
        bits = message_bits(decoded.header, integers, decoded.contexts)
        bound = ZeroOne.of(self.data).bound(count.wrong.astype(np.float64), bits, 0.05)
        return count.errors, bits, bound

    def without(self, *places: int) -> tuple[int, float, float]:
        changed = self.decoded.integers.copy()
        changed[list(places)] = 0
        return self(changed)


@cache
def found(folder: Path, **how: Any) -> Explanation:
    return explain(folder, progress=False, **how)


@pytest.mark.parametrize("name", CASES)
def test_every_coordinate_is_worth_what_the_decoder_says(name: str, made: Made) -> None:
    folder, data = made(name)
    decoder = Decoder(folder, data)
    result, content = found(folder), decoder.certificate.content
    assert result.exact
    assert (result.rows, result.counted) == (data.n, data.n)
    assert result.errors == result.stated_errors == content["errors"]
    assert result.bits == content["message_bits"]
    integers = decoder.decoded.integers
    assert [one.place for one in result.coordinates] == np.flatnonzero(integers).tolist()
    for one in result.coordinates[:4] + result.coordinates[-2:]:
        errors, bits, bound = decoder.without(one.place)
        assert one.errors == errors - result.errors
        assert one.bits == pytest.approx(result.bits - bits, abs=1e-6)
        assert one.bound == pytest.approx(bound, abs=1e-12)
        assert one.value == integers[one.place]
    json.dumps(result.to_dict())
    assert explanation_text(result)


@pytest.mark.parametrize("name", CASES)
def test_cuts_go_from_the_whole_message_to_none_of_it(name: str, made: Made) -> None:
    folder, data = made(name)
    result, decoder = found(folder), Decoder(folder, data)
    first, last = result.cuts[0], result.cuts[-1]
    content = decoder.certificate.content
    assert (first.errors, first.bits, first.changed) == (content["errors"], content["message_bits"], 0)
    assert first.bound == content["risk_bound"]
    assert (last.coordinates, last.errors) == (0, decoder(np.zeros_like(decoder.decoded.integers))[0])
    counts = [cut.coordinates for cut in result.cuts]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == result.nonzero
    if result.half is not None:
        assert result.half.bits <= result.bits / 2
        assert all(cut.bits > result.bits / 2 or cut.bits <= result.half.bits for cut in result.cuts)


def test_parts_of_a_head_are_its_classes_and_components(made: Made) -> None:
    folder, data = made("text sparse default")
    result, decoder = found(folder), Decoder(folder, data)
    (only,) = result.parts["class"]  # of two classes the first stays as it is
    assert only.name == data.class_names[1]
    errors, bits, _ = decoder.without(*range(9))
    assert (only.errors, only.coordinates) == (errors - result.errors, result.nonzero)
    assert only.bits == pytest.approx(result.bits - bits, abs=1e-6)
    ranks = result.parts["component"]
    assert [part.name for part in ranks] == ["components 1 to 8", "biases"]
    assert sum(part.coordinates or 0 for part in ranks) == result.nonzero
    assert ranks[1].errors == decoder.without(8)[0] - result.errors


def test_parts_of_other_kinds_are_modules_without_their_offset(made: Made) -> None:
    folder, _ = made("image hashed")
    parts = found(folder).parts["module"]
    assert len(parts) > 1
    assert all(part.bits is None and part.coordinates is None for part in parts)
    assert any(part.errors != 0 for part in parts)


def test_credits_add_up_to_what_training_gained(tmp_path: Path) -> None:
    """Of a small step, so that the network is not far from linear along the way."""
    data = LabelledData.load(str(save_rows(tmp_path / "rows", bright_rows(60))))
    header = Header("hashed", 20, input_size=32, head_seed=5, step=-24)
    integers = np.random.default_rng(7).integers(-1, 2, 20)
    prior = Prior.from_pretrained(str(world() / "prior"))
    folder = stated(prior, data, tmp_path / "out", header, integers)
    certificate = Certificate.from_pretrained(folder)
    what = held(
        certificate.content,
        lambda: decoded_with_prior(certificate, folder, None, None, None),
        *(None, None, 2000, False),
    )
    model = Moved(what)
    credits = model.credits()
    surrogates = []
    for integers in (np.zeros_like(what.integers), what.integers):
        model.answers(integers)
        batch = what.encoded.batch(np.arange(data.n))
        outputs = model.module(**batch).detach()
        surrogates.append(float(what.risk.surrogate(outputs, np.arange(data.n)).mean()))
    assert credits.sum() == pytest.approx(surrogates[0] - surrogates[1], rel=0.05)
    assert not credits[what.integers == 0].any()


def test_few_rows_and_few_coordinates_say_so(made: Made) -> None:
    folder, data = made("image film")
    result = found(folder, rows=20, coordinates=3)
    assert (result.rows, result.counted, len(result.coordinates)) == (20, data.n, 3)
    assert not result.exact
    assert any("20 of 60 rows" in note for note in result.notes)
    assert all(one.bound is None for one in result.coordinates)
    assert all(cut.bound is None for cut in result.cuts)
    assert result == explain(folder, rows=20, coordinates=3, progress=False)
    assert "of 3 that were tried" in explanation_text(result).replace("  ", " ")


def test_other_rows_than_those_counted_are_refused(made: Made, tmp_path: Path) -> None:
    folder, _ = made("image film")
    other = save_rows(tmp_path / "rows", bright_rows(60, seed=9))
    with pytest.raises(DataError, match=r"not those that the certificate counts.*--dataset"):
        found(folder, dataset=str(other))


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"rows": -3}, {"coordinates": 0}])
def test_numbers_that_cannot_be(wrong: dict[str, int], made: Made) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        found(made("image film")[0], **wrong)


def test_rows_of_a_head_without_each_number() -> None:
    """Against the plain way, with ties, three classes and a class that no row has."""
    draw = np.random.default_rng(2)
    inputs = draw.integers(-2, 3, (40, 5)).astype(np.float64)
    rows = LinearRows(inputs, np.zeros((40, 4)), draw.integers(0, 3, 40))
    integers = draw.integers(-1, 2, 15)
    places = np.flatnonzero(integers)
    for place, wrong in zip(places, rows.each_without(integers, places), strict=True):
        changed = integers.copy()
        changed[place] = 0
        np.testing.assert_array_equal(wrong, rows.wrong(changed))
    assert wrong_rows(np.zeros((2, 3)), np.array([0, 2])).all()  # a tie is an error
    assert answers(np.array([[1.0, 1.0], [0.0, 2.0]])).tolist() == [-1, 1]


def test_agreement_needs_something_to_compare(made: Made) -> None:
    coordinates = found(made("image hashed")[0]).coordinates
    assert agreement(coordinates[:2], np.ones(20)) is None
    assert agreement(coordinates, np.ones(20)) is None


def test_figure(made: Made, tmp_path: Path) -> None:
    for name in ("text sparse default", "image hashed", "image constant", "image ties"):
        path = tmp_path / name / "figure.png"
        draw_explanation(found(made(name)[0]), path)
        assert path.read_bytes().startswith(b"\x89PNG")

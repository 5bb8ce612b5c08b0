"""Discrete polish: changes on the grid that lower the true bound, and no others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from accelerate import Accelerator
from conftest import save_rows
from spine_fixtures import QUICK, bright_rows, grouped, here_cli, world

from transferbound import Certificate, FinetuneSettings, LabelledData, Prior, certify, verify
from transferbound.bounds import occam_binomial, occam_bounded
from transferbound.data.encode import encode
from transferbound.errors import ArgumentError
from transferbound.finetune import Finetuner
from transferbound.finetune.polish import PolishResult, polish
from transferbound.message import Header, cheapest, message_bits, step_size
from transferbound.message.stream import encode as encode_message
from transferbound.predictor import decode_predictor
from transferbound.risks.counting import count_errors
from transferbound.risks.zero_one import ZeroOne
from transferbound.subspace import SubspaceConfig, SubspaceModel
from transferbound.subspace.quantizer import Quantizer

DIM = 60


@pytest.fixture
def trained() -> tuple[Finetuner, np.ndarray, Prior]:
    """A finetuner after its run, the integers it found, and its prior."""
    prior = Prior.from_pretrained(str(world() / "prior"))
    labelled = LabelledData.load(str(world() / "bright-squares"))
    data = encode(prior.preprocessing(32), labelled, progress=False)
    config = SubspaceConfig("film", DIM, head_scale=6)
    model = SubspaceModel(prior.build(2, input_size=32), config, prior.head_parameters(2), Quantizer(3))
    header = Header("film", DIM, input_size=32, head_scale=6)
    settings = FinetuneSettings(epochs=12, batch_size=20, learning_rate=0.1)
    tuner = Finetuner(
        model,
        data,
        header,
        risk=ZeroOne.of(labelled),
        delta=0.05,
        settings=settings,
        accelerator=Accelerator(cpu=True),
        progress=False,
    )
    return tuner, tuner.run(), prior


def run(tuner: Finetuner, integers: np.ndarray, trials: int) -> PolishResult:
    return polish(
        tuner.model,
        tuner.data,
        tuner._logits,
        replace(tuner.header, step=tuner.exponent),
        integers,
        step_size(tuner.exponent),
        risk=tuner.risk,
        delta=0.05,
        trials=trials,
        batch_size=20,
        accelerator=tuner.accelerator,
        progress=False,
    )


def certified_bound(tuner: Finetuner, integers: np.ndarray, prior: Prior) -> float:
    """By the decoder's own path: message, fresh model, count."""
    contexts = tuner.model.projection.contexts()
    header = cheapest(replace(tuner.header, step=tuner.exponent), integers, contexts)
    message = encode_message(header, integers, contexts)
    errors = count_errors(decode_predictor(prior, 2, message).module, tuner.data).errors
    return occam_binomial(errors, tuner.data.n, message_bits(header, integers, contexts), 0.05)


def test_a_spoiled_offset_gets_better(trained: Any) -> None:
    tuner, integers, prior = trained
    spoiled = integers.copy()
    spoiled[::7] = -np.where(spoiled[::7] == 0, 1, spoiled[::7])
    result = run(tuner, spoiled, trials=25)
    assert result.before == certified_bound(tuner, spoiled, prior)
    assert result.after == certified_bound(tuner, result.integers, prior)
    assert result.after < result.before
    assert result.changed == (result.integers != spoiled).sum() > 0
    assert np.abs(result.integers).max() <= 1


def test_it_never_gets_worse_and_leaves_the_model_at_the_result(trained: Any) -> None:
    tuner, integers, prior = trained
    result = run(tuner, integers, trials=6)
    assert result.after <= result.before == certified_bound(tuner, integers, prior)
    assert np.array_equal(tuner.quantizer.integers(tuner.model.coordinates), result.integers)


def test_no_trials_change_nothing(trained: Any) -> None:
    tuner, integers, _ = trained
    result = run(tuner, integers, trials=0)
    assert result.changed == 0
    assert result.after == result.before
    assert np.array_equal(result.integers, integers)


def test_a_polished_certificate_verifies(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[PolishResult] = []
    original: Callable[..., PolishResult] = polish
    monkeypatch.setattr(
        "transferbound.finetune.loop.polish", lambda *a, **k: calls.append(original(*a, **k)) or calls[-1]
    )
    settings = replace(QUICK, finetune=replace(QUICK.finetune, polish=8))
    certificate = certify(
        str(world() / "prior"), str(world() / "bright-squares"), tmp_path / "out", settings, progress=False
    )
    assert len(calls) == 1
    # Two errors more or less: training counts in float32, the decoder settles close calls.
    assert certificate.risk_bound == pytest.approx(calls[0].after, abs=0.05)
    assert certificate.content["unverified"]["training"]["polish"] == 8
    assert verify(tmp_path / "out").holds
    assert Certificate.from_pretrained(tmp_path / "out").message == certificate.message


def test_from_the_command_line(tmp_path: Any) -> None:
    given = ["--prior", world() / "prior", "--dataset", world() / "bright-squares", "--out", tmp_path / "out"]
    more = ["--dim", "12", "--input-size", "32", "--epochs", "2", "--polish", "3", "--quiet"]
    assert here_cli("bound", *given, *more) in (0, 3)
    content = Certificate.from_pretrained(tmp_path / "out").content
    assert content["unverified"]["training"]["polish"] == 3


def test_a_negative_number_of_trials_is_refused() -> None:
    with pytest.raises(ArgumentError, match="polish is -1"):
        FinetuneSettings(polish=-1)


def test_with_groups_it_lowers_the_bound_that_is_certified(tmp_path: Any) -> None:
    """n counts groups, and their losses are means: the binomial form of the rows is not the bound to lower."""
    folder = save_rows(tmp_path / "squares", grouped(bright_rows(90), 3))
    labelled = LabelledData.load(str(folder), group_column="patient")
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = encode(prior.preprocessing(32), labelled, progress=False)
    config, header = (
        SubspaceConfig("film", DIM, head_scale=6),
        Header("film", DIM, input_size=32, head_scale=6),
    )
    model = SubspaceModel(prior.build(2, input_size=32), config, prior.head_parameters(2), Quantizer(3))
    settings = FinetuneSettings(epochs=12, batch_size=20, learning_rate=0.1)
    how: Any = {"settings": settings, "accelerator": Accelerator(cpu=True), "progress": False}
    tuner = Finetuner(model, data, header, risk=ZeroOne.of(labelled), delta=0.05, **how)
    integers = tuner.run()
    integers[::7] = -np.where(integers[::7] == 0, 1, integers[::7])

    def certified(q: np.ndarray) -> float:
        contexts = tuner.model.projection.contexts()
        coded = cheapest(replace(header, step=tuner.exponent), q, contexts)
        module = decode_predictor(prior, 2, encode_message(coded, q, contexts)).module
        means = np.bincount(labelled.groups, count_errors(module, data).wrong) / 3
        return occam_bounded(means, message_bits(coded, q, contexts), 0.05)

    result = run(tuner, integers, trials=25)
    assert result.before == certified(integers)
    assert result.after == certified(result.integers) < result.before

"""Finetuning: a run that was interrupted ends as an unbroken one; budgets; refused states."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from spine_fixtures import QUICK, here_cli, world

from transferbound import FinetuneSettings, LabelledData, Prior, certify, verify
from transferbound.bounds import bit_price, occam_kl
from transferbound.data.encode import encode
from transferbound.errors import ArgumentError, OutputError, SubspaceError
from transferbound.finetune import Finetuner
from transferbound.finetune.numbers import round_down_coarsely
from transferbound.finetune.soft_bits import soft_bits
from transferbound.message import Header
from transferbound.risks.zero_one import ZeroOne
from transferbound.storage.run_state import RunState
from transferbound.storage.tensors import load_tensors, save_tensors
from transferbound.subspace import SubspaceConfig, SubspaceModel
from transferbound.subspace.quantizer import Quantizer

CONFIG = SubspaceConfig("film", dim=12, seed=3)


class InterruptedRunError(Exception):
    pass


@pytest.fixture
def make() -> Callable[..., Finetuner]:
    """``make(settings, state)``: a fresh model and its finetuner."""
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(world() / "bright-squares"))
    encoded = encode(prior.preprocessing(32), data, progress=False)

    def build(settings: FinetuneSettings, state: RunState | None = None, **more: Any) -> Finetuner:
        module = prior.build(2, input_size=32)
        model = SubspaceModel(module, CONFIG, prior.head_parameters(2), Quantizer(3))
        header = Header(kind="film", dim=12, seed=3, input_size=32)
        return Finetuner(
            model,
            encoded,
            header,
            risk=ZeroOne.of(data),
            delta=0.05,
            settings=settings,
            accelerator=Accelerator(cpu=True),
            state=state,
            progress=False,
            **more,
        )

    return build


def settings(**changes: Any) -> FinetuneSettings:
    values = {"epochs": 6, "batch_size": 20, "learning_rate": 0.1, "save_seconds": 0.0} | changes
    return FinetuneSettings(**values)


def interrupt(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Stops the next run before step number ``step``."""
    original = Finetuner._advance

    def advance(self: Finetuner, indices: Any) -> None:
        if self.step == step:
            raise InterruptedRunError
        original(self, indices)

    monkeypatch.setattr(Finetuner, "_advance", advance)


# The grid comes in at 30 % and the step settles at 80 % of the 30 steps.
@pytest.mark.parametrize("step", [1, 8, 9, 10, 23, 24, 25, 29])
def test_a_run_that_was_interrupted_gives_the_same_integers(
    make: Callable[..., Finetuner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    unbroken = make(settings())
    expected = unbroken.run()
    assert unbroken.total_steps == 30
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, step)
        with pytest.raises(InterruptedRunError):
            make(settings(), RunState(tmp_path / "run", {"a": 1})).run()
    resumed = make(settings(), RunState(tmp_path / "run", {"a": 1}))
    seen: list[int] = []
    original = Finetuner._advance
    monkeypatch.setattr(
        Finetuner, "_advance", lambda self, indices: (seen.append(self.step), original(self, indices))
    )
    assert np.array_equal(resumed.run(), expected)
    assert seen == list(range(step, 30))
    assert resumed.exponent == unbroken.exponent
    assert torch.equal(resumed.model.coordinates, unbroken.model.coordinates)


@pytest.mark.parametrize("step", [9, 10, 17, 29])
def test_an_interrupted_run_keeps_what_it_fixed_on_the_grid(
    make: Callable[..., Finetuner], tmp_path: Path, step: int
) -> None:
    one_by_one = settings(quantize_from=0.3, fix_until=0.9)
    unbroken = make(one_by_one)
    expected = unbroken.run()
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, step)
        with pytest.raises(InterruptedRunError):
            make(one_by_one, RunState(tmp_path / "run", {})).run()
    resumed = make(one_by_one, RunState(tmp_path / "run", {}))
    assert np.array_equal(resumed.run(), expected)
    assert torch.equal(resumed.model.coordinates, unbroken.model.coordinates)


def test_fixed_coordinates_stay_and_the_others_go_on(make: Callable[..., Finetuner]) -> None:
    tuner = make(settings(quantize_from=0.3, fix_until=0.9))
    quantizer = tuner.quantizer
    seen: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []
    original = tuner._backward

    def backward(indices: Any) -> tuple[float, float]:
        result = original(indices)
        if quantizer.fixed is not None:
            seen.append((quantizer.fixed.numpy().copy(), quantizer.integers(tuner.model.coordinates)))
            assert tuner.model.coordinates.grad is not None
            assert not tuner.model.coordinates.grad[quantizer.fixed].any()
        return result

    tuner._backward = backward  # type: ignore[method-assign]
    final = tuner.run()
    shares = [fixed.mean() for fixed, _ in seen]
    assert shares[0] < 0.2
    assert shares[-1] == 1.0
    assert sorted(shares) == shares
    for fixed, integers in seen:
        assert np.array_equal(integers[fixed], final[fixed])
    assert any(not np.array_equal(integers, final) for _, integers in seen)


def test_a_run_killed_after_its_last_step_trains_no_more(
    make: Callable[..., Finetuner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = make(settings(), RunState(tmp_path / "run", {})).run()
    again = make(settings(), RunState(tmp_path / "run", {}))
    interrupt(monkeypatch, 30)
    assert np.array_equal(again.run(), expected)


def test_the_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    RunState(tmp_path / "run", {"decoder": {"dim": 12}, "confidence": 0.95})
    with pytest.raises(OutputError, match=r"other settings \(confidence, decoder differ\).*--restart"):
        RunState(tmp_path / "run", {"decoder": {"dim": 13}, "confidence": 0.9})
    RunState(tmp_path / "run", {"decoder": {"dim": 13}}, restart=True)
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8")) == {"decoder": {"dim": 13}}


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    one, other = RunState(tmp_path / "one", {"seed": 1}), RunState(tmp_path / "other", {"seed": 2})
    one.save({"x": torch.ones(2)}, {"step": 3})
    (tmp_path / "one" / "checkpoint.safetensors").rename(tmp_path / "other" / "checkpoint.safetensors")
    assert one.load() is None
    with pytest.raises(OutputError, match="of another run"):
        other.load()


@pytest.mark.parametrize("keep", [0, 4, 50, -1])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, keep: int) -> None:
    state = RunState(tmp_path, {"seed": 1})
    state.save({"x": torch.ones(50)}, {"step": 3})
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(OutputError, match="cannot be read"):
        state.load()


@pytest.mark.parametrize("text", ["", "{", '{"decoder": NaN}', '{"a": 1, "a": 2}', "[" * 5000])
def test_damaged_settings_are_the_runs_error_with_its_remedy(text: str, tmp_path: Path) -> None:
    RunState(tmp_path / "run", {"decoder": {"dim": 12}})
    (tmp_path / "run" / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(OutputError, match=r"unfinished run cannot be read: .*run\.json .*; pass --restart"):
        RunState(tmp_path / "run", {"decoder": {"dim": 12}})
    RunState(tmp_path / "run", {"decoder": {"dim": 12}}, restart=True)


@pytest.mark.parametrize("metadata", [{}, {"numbers": "{"}, {"numbers": "[" * 5000}])
def test_damaged_numbers_of_a_checkpoint_are_refused(metadata: dict[str, str], tmp_path: Path) -> None:
    state = RunState(tmp_path, {"seed": 1})
    file = tmp_path / "checkpoint.safetensors"
    save_tensors(file, {"x": torch.ones(1)}, {"run": state.fingerprint} | metadata)
    with pytest.raises(OutputError, match=r"cannot be read: what .* says of the run .*; pass --restart"):
        state.load()


def test_a_run_whose_loss_is_not_a_number_goes_on(tmp_path: Path) -> None:
    state = RunState(tmp_path, {})
    state.save({"x": torch.ones(3)}, {"step": 3, "loss": math.nan})
    loaded = state.load()
    assert loaded is not None
    assert loaded[0]["x"].tolist() == [1, 1, 1]
    assert loaded[1]["step"] == 3
    assert math.isnan(loaded[1]["loss"])


_REPLACE = """
import itertools, os, sys
target, *sources = sys.argv[1:]
contents = [open(source, "rb").read() for source in sources]
for content in itertools.cycle(contents):
    with open(target + ".new", "wb") as file:
        file.write(content)
    os.replace(target + ".new", target)
"""


def test_a_checkpoint_replaced_while_it_is_read_is_one_or_the_other(tmp_path: Path) -> None:
    state, sources = RunState(tmp_path, {}), []
    for step in range(7):  # of another size each: the header of one and the tensors of another would not fit
        state.save({"x": torch.full((1 + 1000 * step,), float(step))}, {"step": step})
        sources.append((tmp_path / "checkpoint.safetensors").rename(tmp_path / str(step)))
    state.save({"x": torch.zeros(1)}, {"step": 0})
    command = [sys.executable, "-c", _REPLACE, tmp_path / "checkpoint.safetensors", *sources]
    writer = subprocess.Popen(list(map(str, command)))
    seen = set()
    try:
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            loaded = state.load()
            assert loaded is not None
            step = loaded[1]["step"]
            assert loaded[0]["x"].tolist() == [step] * (1 + 1000 * step)
            seen.add(step)
    finally:
        writer.kill()
        writer.wait()
    assert len(seen) > 1


def test_removing_a_state_leaves_the_users_files(tmp_path: Path) -> None:
    state = RunState(tmp_path / "run", {})
    state.save({"x": torch.ones(1)}, {})
    for name in (
        "checkpoint.safetensors.x1.partial",
        "run.json.x2.partial",
        "checkpoint.safetensors.partial",
    ):
        (tmp_path / "run" / name).write_bytes(b"left by a killed process")
    (tmp_path / "run" / "mine.txt").write_text("keep", encoding="utf-8")
    state.remove()
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_settings_that_do_not_change_the_result_may_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How often to save is no part of a run's identity; the learning rate is."""
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(world() / "bright-squares"))
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 20)
        with pytest.raises(InterruptedRunError):
            certify(prior, data, tmp_path / "out", replace(QUICK, finetune=settings()), progress=False)
    assert not (tmp_path / "out").exists()
    faster = replace(QUICK, finetune=settings(learning_rate=0.2))
    with pytest.raises(OutputError, match="finetune differ"):
        certify(prior, data, tmp_path / "out", faster, progress=False)
    certify(
        prior, data, tmp_path / "out", replace(QUICK, finetune=settings(save_seconds=9.0)), progress=False
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out"]
    assert verify(tmp_path / "out").holds


def test_killed_and_started_again_the_certificate_is_the_same(tmp_path: Path) -> None:
    """SIGKILL of a real process, halfway; then the same command."""
    options = ["--epochs", "40", "--batch-size", "10", "--dim", "12", "--input-size", "32", "--quiet"]
    options += ["--save-seconds", "0"]
    command = ["bound", "--prior", world() / "prior", "--dataset", world() / "bright-squares", *options]
    killed_after = _kill_halfway([*command, "--out", tmp_path / "killed"], tmp_path / "killed.partial")
    assert 40 <= killed_after < 400
    assert not (tmp_path / "killed").exists()
    for out in ("killed", "unbroken"):
        here_cli(*command, "--out", tmp_path / out)
    for name in ("certificate.json", "offset.bin", "README.md", "figures/bound.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["killed", "unbroken"]


def _kill_halfway(command: list[Any], partial: Path) -> int:
    """Kills the command once it has saved some step; gives that step."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "transferbound.cli", *map(str, command)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        step = 0
        while step < 40 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
            step = _saved_step(partial)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
    return _saved_step(partial)


def _saved_step(partial: Path) -> int:
    file = partial / "checkpoint.safetensors"
    if not file.exists():
        return 0
    return int(json.loads(load_tensors(file, OutputError)[1]["numbers"])["step"])


# Budgets ---------------------------------------------------------------------------------------------


def test_the_budget_sets_the_steps_from_the_speed_of_the_first_ones(
    make: Callable[..., Finetuner], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    original = Finetuner._advance

    def one_second(self: Finetuner, indices: Any) -> None:
        clock[0] += 1.0
        original(self, indices)

    monkeypatch.setattr(Finetuner, "_advance", one_second)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    tuner = make(settings(epochs=None), deadline=100.0, to_count=100)
    tuner.run()
    # 100 s less 2.5 for the evaluation of 100 rows (5 batches of half a second each), less the timed steps.
    assert tuner.total_steps in (64, 80)
    assert clock[0] <= 97.5


def test_a_budget_that_is_over_still_ends(
    make: Callable[..., Finetuner], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner = make(settings(epochs=None), deadline=time.monotonic() - 100)
    assert len(tuner.run()) == 12
    assert tuner.total_steps is not None
    assert tuner.total_steps < 40


def test_steps_are_rounded_down_to_a_coarse_grid() -> None:
    values = {round_down_coarsely(1000 * 1.001**i) for i in range(2303)}
    assert len(values) == 10
    for value in (1.0, 7.9, 99.0, 1234.5, 9e5):
        assert value / 1.35 <= round_down_coarsely(value) <= value


def test_a_fraction_of_an_epoch(make: Callable[..., Finetuner]) -> None:
    tuner = make(settings(epochs=0.4))
    tuner.run()
    assert tuner.total_steps == 2


# What a bit is worth ---------------------------------------------------------------------------------


def test_the_price_of_a_bit_is_the_bounds_own_slope() -> None:
    n, risk, bits, delta = 5000, 0.1, 600.0, 0.05
    by_bits = (occam_kl(risk, n, bits + 1, delta) - occam_kl(risk, n, bits - 1, delta)) / 2
    by_risk = (occam_kl(risk + 1e-4, n, bits, delta) - occam_kl(risk - 1e-4, n, bits, delta)) / 2e-4
    # The errors whose removal the bound takes for one bit more, up to the bound's slope in the risk.
    assert bit_price(risk, n, bits, delta) == pytest.approx(by_bits / by_risk, rel=0.02)


def test_soft_bits_pull_small_coordinates_to_zero() -> None:
    w = torch.tensor([0.06, -0.06, 0.0, 0.3, 0.001, 0.002, 0.001, 0.0], requires_grad=True)
    soft_bits(w, torch.tensor(0.1)).backward()
    assert float(w.grad[0]) > 0 > float(w.grad[1])
    assert abs(float(w.grad[3])) < 1e-4


def test_the_price_of_a_bit_at_the_ends() -> None:
    """No errors count as half an error, all of them as all but a half: a price there is, and it is finite."""
    assert bit_price(0.0, 10, 5.0, 0.05) == bit_price(0.05, 10, 5.0, 0.05) > 0
    assert 0 < bit_price(1.0, 10, 5.0, 0.05) < math.inf


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("epochs", v) for v in (0, -1, float("nan"), float("inf"))),
        *(("budget_minutes", v) for v in (0, -1, float("nan"))),
        *(("batch_size", v) for v in (0, -3)),
        *(("learning_rate", v) for v in (0, -1.0, float("inf"))),
        ("save_seconds", -1),
        *(("bit_weight", v) for v in (-0.1, float("nan"))),
        *(("quantize_from", v) for v in (-0.1, 0.9, 1.1)),
        *(("fix_until", v) for v in (0.1, 1.1, float("nan"))),
        ("seed", -1),
        ("mixed_precision", "fp8"),
    ],
)
def test_settings_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{name} is"):
        FinetuneSettings(**{name: value})


@pytest.mark.parametrize(
    ("old", "new", "value"), [("rate", "bit_weight", 0.25), ("initial_share", "initial_density", 0.4)]
)
def test_settings_by_their_former_names(old: str, new: str, value: float) -> None:
    wanted = FinetuneSettings(**{new: value})
    for make in (FinetuneSettings, partial(replace, FinetuneSettings())):
        with pytest.warns(DeprecationWarning, match=f"{old} is now {new}"):
            assert make(**{old: value}) == wanted
    with pytest.warns(DeprecationWarning, match=old), pytest.raises(ArgumentError, match=f"{new} is -1"):
        FinetuneSettings(**{old: -1})


def test_a_model_without_the_grid_is_refused(make: Callable[..., Finetuner]) -> None:
    tuner = make(settings())
    tuner.model.quantizer = None
    with pytest.raises(SubspaceError, match="Quantizer"):
        Finetuner(
            tuner.model,
            tuner.data,
            tuner.header,
            risk=tuner.risk,
            delta=0.05,
            settings=settings(),
            accelerator=Accelerator(cpu=True),
        )

"""Runs one after another in a notebook: whatever is set for all of torch stays as it was, and enters nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from spine_fixtures import QUICK, world

from transferbound import Certificate, CertifySettings, LabelledData, Predictor, Prior, certify, verify


@cache
def inputs() -> tuple[Prior, LabelledData]:
    return Prior.from_pretrained(world() / "prior"), LabelledData.load(world() / "bright-squares")


def settings(**changes: Any) -> CertifySettings:
    return replace(QUICK, finetune=replace(QUICK.finetune, epochs=1, **changes))


def run(**changes: Any) -> Certificate:
    return certify(*inputs(), None, settings(**changes), progress=False)


@cache
def plain() -> Certificate:
    return run()


def state() -> dict[str, Any]:
    """What a program may have set for all, and what moves when somebody draws from it."""
    return {
        "dtype": torch.get_default_dtype(),
        "device": str(torch.get_default_device()),
        "threads": torch.get_num_threads(),
        "matmul": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "torch": torch.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),  # type: ignore[index]
        "accelerate": dict(AcceleratorState._shared_state),
        "bars": datasets.utils.logging.is_progress_bar_enabled(),
    }


@contextmanager
def _as_in_a_notebook(dtype: torch.dtype, mode: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    torch.set_float32_matmul_precision("medium")
    try:
        with mode(), torch.autocast("cpu", torch.bfloat16):
            yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "float64": lambda: _as_in_a_notebook(torch.float64, torch.no_grad),
    "bfloat16": lambda: _as_in_a_notebook(torch.bfloat16, torch.inference_mode),
    "meta device": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_set_for_all_of_torch_enters_nothing_and_stays(setting: str) -> None:
    expected = plain()
    place = str(world() / "bright-squares")
    with SETTINGS[setting]():
        before = state()
        prior = Prior.from_pretrained(world() / "prior")
        here = certify(prior, place, None, settings(), progress=False)
        verdict = verify(expected, prior=prior, dataset=place)
        wrong = _errors(Predictor.from_pretrained(expected, prior=prior))
        assert state() == before
    assert verdict.holds, verdict.problems
    assert wrong == expected.content["errors"]
    assert here.message == expected.message
    assert here.content["errors"] == expected.content["errors"]


def test_another_number_of_threads_stays_and_counts_alike() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert verify(plain(), prior=inputs()[0], dataset=world() / "bright-squares").holds
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def _errors(predictor: Predictor) -> int:
    _, data = inputs()
    found = predictor.predict(list(data.images()))
    return sum(one.label_id != label for one, label in zip(found, data.labels, strict=True))


def test_another_precision_after_another() -> None:
    before = plain()
    half = run(mixed_precision="bf16")
    assert run().message == before.message
    assert verify(half, prior=world() / "prior", dataset=world() / "bright-squares").holds


def test_the_program_keeps_its_own_accelerator() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        own = Accelerator(mixed_precision="bf16", cpu=True)
        run()
        assert own.mixed_precision == AcceleratorState().mixed_precision == "bf16"
        AcceleratorState._reset_state()
        run()
        assert AcceleratorState._shared_state == {}
        assert Accelerator(mixed_precision="no").mixed_precision == "no"  # none of ours is in the way
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    assert PartialState._shared_state == {}

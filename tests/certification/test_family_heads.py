"""Heads of the declared family: what stands beside a member, and what shaking may change."""

import time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from transferbound.certification.family_heads import FamilyHeads
from transferbound.message import Header, message_bits
from transferbound.message.short_codes import sparse_dim
from transferbound.risks.zero_one import ZeroOne

ROWS, MOST = 300, 48


@pytest.fixture
def heads() -> FamilyHeads:
    """Of two classes that two of the components tell apart, with some noise."""
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.normal(size=(ROWS, MOST)).astype(np.float32))
    labels = (values[:, 0] - values[:, 3] + 0.5 * torch.from_numpy(rng.normal(size=ROWS)) > 0).long()
    table = SimpleNamespace(
        own=np.zeros((ROWS, 0)),
        components=lambda place, count: values[:, :count],
        most=lambda place: MOST,
    )
    risk = ZeroOne(labels.numpy(), ["no", "yes"])
    return FamilyHeads(
        cast(Any, SimpleNamespace(prior=SimpleNamespace(modality="image"), reference=None)),
        Header("sparse", dim=sparse_dim(2, 0), levels=15, classes=2),
        cast(Any, table),
        risk,
        0.05,
        labels,
        torch.full((ROWS,), 1 / ROWS, dtype=torch.float64),
        time.monotonic() + 60,
    )


def test_what_stands_beside_a_member_is_declared_and_kept(heads: FamilyHeads) -> None:
    for components, levels, beside in (
        (8, 7, {(16, 7), (8, 15)}),
        (32, 31, {(24, 31), (48, 31), (32, 15), (32, 63)}),
        (48, 63, {(32, 63), (48, 31)}),  # 64 components are not in the table
    ):
        header = Header(
            "sparse",
            dim=sparse_dim(2, components),
            levels=levels,
            features=3,
            components=components,
            classes=2,
        )
        assert {one[1:] for one in heads.beside(header)} == beside
        assert {one[0] for one in heads.beside(header)} == {3}


def test_a_shaken_head_is_of_the_same_member_and_no_worse(heads: FamilyHeads) -> None:
    pilot = heads.attempt(3, 16, np.arange(ROWS), until=heads.deadline)
    shaken = heads.shaken(pilot, heads.deadline)
    assert shaken.whole
    assert shaken.bound <= pilot.bound
    same = ("features", "components", "levels", "step", "dim")
    assert all(getattr(shaken.header, name) == getattr(pilot.header, name) for name in same)
    assert shaken.bits == message_bits(shaken.header, shaken.integers, shaken.contexts)
    assert shaken.bound == heads.risk.expected_bound(shaken.mean, shaken.bits, 0.05)


def test_a_pilot_on_some_rows_is_no_whole_one(heads: FamilyHeads) -> None:
    pilot = heads.attempt(3, 16, np.arange(200), np.arange(200, ROWS), until=heads.deadline)
    assert not pilot.whole

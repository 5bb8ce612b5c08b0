"""Rows that are set aside: which, and that nothing else of them stays with those that are counted."""

from pathlib import Path

import numpy as np
import pytest
from conftest import save_rows
from spine_fixtures import bright_rows, grouped

from transferbound import LabelledData
from transferbound.data.reference import MOST_ROWS, reference_set_aside
from transferbound.data.set_aside import units_set_aside
from transferbound.errors import ArgumentError, DataError


def test_the_rule_looks_at_numbers_alone() -> None:
    assert units_set_aside(20, 5).nonzero()[0].tolist() == [8, 9, 10, 13, 17]
    assert units_set_aside(5000, 0).sum() == 0
    chosen = units_set_aside(5000, 500)
    assert chosen.sum() == 500
    assert not np.any(chosen & ~units_set_aside(5000, 501))  # one more is those and another
    # Sorted by class or not, a tenth of each half is set aside.
    assert 200 < chosen[:2500].sum() < 300


@pytest.mark.parametrize("count", [-1, 20, 10**9])
def test_a_number_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(ArgumentError, match=f"set-aside is {count}; of 20 units"):
        units_set_aside(20, count)


def test_rows_that_stay_and_rows_that_go_are_all_rows(tmp_path: Path) -> None:
    whole = LabelledData.load(save_rows(tmp_path / "bright", bright_rows(60)).as_posix())
    data = whole.setting_aside(12)
    assert data.aside is not None
    assert (data.n, data.aside.n, data.units_aside) == (48, 12, 12)
    away = units_set_aside(60, 12)
    np.testing.assert_array_equal(data.row_hashes, whole.row_hashes[~away])
    np.testing.assert_array_equal(data.labels, whole.labels[~away])
    np.testing.assert_array_equal(data.aside.row_hashes, whole.row_hashes[away])
    assert data.fingerprint != whole.fingerprint
    assert whole.setting_aside(0) is whole
    reference = reference_set_aside(data)
    assert [image.tobytes() for image in reference.rows] == [
        image.tobytes() for image in whole.images(np.flatnonzero(away))
    ]
    assert len(reference.rows) < MOST_ROWS
    with pytest.raises(DataError, match="no rows of the data set"):
        reference_set_aside(whole)


def test_groups_go_whole(tmp_path: Path) -> None:
    save_rows(tmp_path / "groups", grouped(bright_rows(60), 3))
    whole = LabelledData.load(str(tmp_path / "groups"), group_column="patient")
    data = whole.setting_aside(5)
    assert data.aside is not None
    assert (data.n_units, data.n, data.aside.n) == (15, 45, 15)
    assert sorted(set(data.groups.tolist())) == list(range(15))
    away = units_set_aside(20, 5)[whole.groups]
    np.testing.assert_array_equal(data.row_hashes, whole.row_hashes[~away])
    assert len(data.group_values) == 15


@pytest.mark.parametrize("count", [59, 60, 10**7])
def test_something_is_left_to_count(count: int, tmp_path: Path) -> None:
    data = LabelledData.load(save_rows(tmp_path / "bright", bright_rows(60)).as_posix())
    with pytest.raises(ArgumentError, match=f"set-aside is {count}, and the data set"):
        data.setting_aside(count)
    with pytest.raises(ArgumentError, match="some are set aside already"):
        data.setting_aside(3).setting_aside(3)

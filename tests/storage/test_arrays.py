"""Arrays in the cache: whole under their name, or not found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transferbound.storage.arrays import NewArray, default_cache_dir, open_array


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of an array uint8 [5, 3, 2] that is whole."""
    path = tmp_path / "cache" / "pixels.npy"
    new = NewArray(path, np.uint8, (5, 3, 2))
    new.values[:] = np.arange(30).reshape(5, 3, 2)
    assert not path.exists()
    new.commit()
    return path


def test_it_is_found_as_it_was_written(path: Path) -> None:
    found = open_array(path, np.uint8, (5, 3, 2))
    assert found is not None
    assert type(found) is np.ndarray
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, np.arange(30).reshape(5, 3, 2))
    np.testing.assert_array_equal(np.load(path), found)
    assert sorted(file.name for file in path.parent.iterdir()) == ["pixels.npy", "pixels.sha256"]


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [(np.uint8, (5, 6)), (np.uint8, (3, 5, 2)), (np.int8, (5, 3, 2)), (np.float32, (5, 3, 2))],
)
def test_another_type_or_shape_is_not_found(path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    assert open_array(path, dtype, shape) is None


def test_a_damaged_one_is_not_found(path: Path) -> None:
    good = path.read_bytes()
    for bad in (good[:-1], good + b"0", good[:20], b"", good[:-1] + bytes([good[-1] ^ 1])):
        path.write_bytes(bad)
        assert open_array(path, np.uint8, (5, 3, 2)) is None
    path.write_bytes(good)
    assert open_array(path, np.uint8, (5, 3, 2)) is not None
    path.with_suffix(".sha256").unlink()
    assert open_array(path, np.uint8, (5, 3, 2)) is None


def test_it_stays_mapped_when_the_file_is_replaced(path: Path) -> None:
    found = open_array(path, np.uint8, (5, 3, 2))
    assert found is not None
    new = NewArray(path, np.uint8, (5, 3, 2))
    new.values[:] = 7
    new.commit()
    assert found.reshape(-1).tolist() == list(range(30))
    again = open_array(path, np.uint8, (5, 3, 2))
    assert again is not None
    assert (again == 7).all()


def test_one_that_is_given_up_leaves_nothing_and_what_was_there(path: Path) -> None:
    new = NewArray(path, np.uint8, (5, 3, 2))
    new.values[:] = 7
    new.discard()
    assert open_array(path, np.uint8, (5, 3, 2)) is not None
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize(("room", "what"), [(1.0, "than the 0.0 GB"), (0.5, "than 50% of the 0.0 GB")])
def test_room_is_asked_for_first(
    room: float, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = int(4000 / room)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": free}))
    NewArray(tmp_path / "fits.npy", np.float32, (1000,), room=room).discard()
    with pytest.raises(OSError, match=what):
        NewArray(tmp_path / "large.npy", np.float32, (1001,), room=room)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFERBOUND_CACHE", "/named")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert default_cache_dir() == Path("/named")
    monkeypatch.delenv("TRANSFERBOUND_CACHE")
    assert default_cache_dir() == Path("/xdg/transferbound")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path("~/.cache/transferbound").expanduser()

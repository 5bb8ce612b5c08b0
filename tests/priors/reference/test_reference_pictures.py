"""Generated pictures: what they are, and that they are the same everywhere."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from transferbound.errors import ArgumentError
from transferbound.priors.reference import DEFAULTS, default_reference, generated_pictures
from transferbound.priors.reference.noise import SPLINE_STEPS, smooth_noise, spline_weights

GOLDEN = {
    "strokes": "2c0954cc02415167",
    "objects": "4ff3d87537ac55c1",
    "patches": "f0248807fbea5985",
    "leaves": "0d33b17979a8ee55",
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_pictures_are_the_same_everywhere(kind: str) -> None:
    """Their components are part of the decoder: other pictures would be another predictor."""
    pictures = generated_pictures(kind, 3, side=28)
    content = b"".join(picture.tobytes() for picture in pictures)
    assert hashlib.sha256(content).hexdigest()[:16] == GOLDEN[kind]


@pytest.mark.parametrize("kind", GOLDEN)
@pytest.mark.parametrize("side", [8, 33])
def test_pictures_differ_and_fill_their_range(kind: str, side: int) -> None:
    pixels = np.stack([np.asarray(picture) for picture in generated_pictures(kind, 40, side)])
    assert pixels.shape[:3] == (40, side, side)
    assert len(np.unique(pixels.reshape(40, -1), axis=0)) >= 38
    assert pixels.max() > 200
    assert pixels.min() < 50
    assert 10 < pixels.mean() < 220


def test_objects_are_mirror_symmetric_in_outline() -> None:
    pixels = np.stack([np.asarray(picture) for picture in generated_pictures("objects", 40)])
    assert ((pixels > 0) == (pixels[:, :, ::-1] > 0)).mean() > 0.95


def test_the_default_is_a_quarter_of_each() -> None:
    modes = [picture.mode for picture in default_reference("image", side=8).rows]
    assert modes == ["L"] * 500 + ["RGB"] * 500
    names = {default_reference("image", which).name for which in DEFAULTS["image"]}
    assert len(names) == len(DEFAULTS["image"])


def test_the_weights_of_a_spline_sum_to_one() -> None:
    assert {sum(spline_weights(step)) for step in range(SPLINE_STEPS)} == {6 * SPLINE_STEPS**3}


def test_noise_does_not_depend_on_how_many_pictures_are_asked_for() -> None:
    few, many = smooth_noise("demo", 2, 16, 4), smooth_noise("demo", 5, 16, 4)
    assert np.array_equal(few, many[:2])
    assert 50 < many.std() < 200


@pytest.mark.parametrize(("kind", "count", "side"), [("cats", 1, 32), ("leaves", -1, 32), ("leaves", 1, 4)])
def test_what_cannot_be_generated_is_refused(kind: str, count: int, side: int) -> None:
    with pytest.raises(ArgumentError):
        generated_pictures(kind, count, side)

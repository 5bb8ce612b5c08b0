"""Integer streams: golden vectors, slices, distribution."""

import hashlib

import numpy as np
import pytest
import torch

from transferbound import streams
from transferbound.errors import ArgumentError
from transferbound.priors.head import initial_head

GOLDEN_WORDS = [2743467156299376788, 5424573947953173142, 14617023694572276325]
GOLDEN_SIGNS = [1, 1, -1, 1, -1, 1, 1, -1, 1, 1, 1, -1, 1, -1, -1, -1]
GOLDEN_BELOW = [148, 294, 792, 242, 394, 255]
GOLDEN_GAUSSIAN = [83, 37, 25, -92, -218, -15]
GOLDEN_HEAD = [-1728859, 3535847, -6343915, 14213445, -2126053, -7870403]


def reference_word(seed: int, name: str, index: int) -> int:
    """The documented mapping in Python integers, one word at a time."""

    def mix(z: int) -> int:
        z ^= z >> 30
        z = z * 0xBF58476D1CE4E5B9 % 2**64
        z ^= z >> 27
        z = z * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    first, second = (int.from_bytes(digest[k : k + 8], "little") for k in (0, 8))
    return mix(mix((first + (index + 1) * 0x9E3779B97F4A7C15) % 2**64) ^ second)


@pytest.mark.parametrize("start", [0, 7, 2**32 - 2, 2**40])
def test_words_follow_the_documented_mapping(start):
    got = streams.words(3, "name", start, 5)
    assert got.dtype == np.uint64
    assert got.tolist() == [reference_word(3, "name", start + k) for k in range(5)]


def test_golden_vectors():
    assert streams.words(0, "golden", 0, 3).tolist() == GOLDEN_WORDS
    assert streams.signs(0, "golden", 0, 16).tolist() == GOLDEN_SIGNS
    assert streams.below(0, "golden", 0, 6, 1000).tolist() == GOLDEN_BELOW
    assert streams.gaussian_integers(0, "golden", 0, 6).tolist() == GOLDEN_GAUSSIAN


def test_golden_start_of_a_head():
    """The random start of a new head, from its seed: part of what a message decodes to."""
    head = initial_head("fc.weight", torch.Size([2, 3]), 7)
    assert (head.flatten().double() * 2**25).tolist() == GOLDEN_HEAD


@pytest.mark.parametrize(
    "draw",
    [
        streams.words,
        streams.signs,
        streams.gaussian_integers,
        lambda seed, name, start, count: streams.below(seed, name, start, count, 77),
    ],
)
def test_a_slice_is_part_of_the_longer_run(draw):
    whole = draw(5, "slices", 0, 70_000)
    for start, count in ((0, 8), (1, 63), (63, 2), (64, 64), (100, 0), (32_760, 20), (65_530, 4_000)):
        np.testing.assert_array_equal(draw(5, "slices", start, count), whole[start : start + count])


def test_streams_of_other_names_and_seeds_differ():
    base = streams.signs(0, "a", 0, 4096).astype(np.int64)
    for seed, name in ((1, "a"), (0, "b"), (2**63, "a")):
        other = streams.signs(seed, name, 0, 4096)
        assert abs(int((base * other).sum())) < 5 * 64  # five standard deviations


def test_moments():
    count = 200_000
    signs = streams.signs(1, "moments", 0, count)
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(int(signs.sum(dtype=np.int64))) < 5 * count**0.5
    uniform = streams.below(1, "moments", 0, count, 10)
    observed = np.bincount(uniform, minlength=10)
    assert ((observed - count / 10) ** 2 / (count / 10)).sum() < 40  # chi-square, 9 degrees of freedom
    normal = streams.gaussian_integers(1, "moments", 0, count) / streams.GAUSSIAN_STD
    assert abs(normal.mean()) < 5 / count**0.5
    assert abs(normal.var() - 1) < 0.02
    assert abs((normal**4).mean() - (3 - 0.15)) < 0.1


def test_below_reaches_both_ends():
    assert streams.below(0, "ends", 0, 100, 1).tolist() == [0] * 100
    drawn = streams.below(0, "ends", 0, 1000, 3)
    assert drawn.min() == 0
    assert drawn.max() == 2
    assert streams.below(0, "ends", 0, 1000, 2**32).max() < 2**32


@pytest.mark.parametrize(
    ("args", "what"),
    [
        ((-1, "x", 0, 1), "seed"),
        ((0, "x", -1, 1), "start"),
        ((0, "x", 0, -1), "count"),
        ((0, "x", 2**62, 1), "ends at"),
    ],
)
def test_bad_ranges_are_named(args, what):
    for draw in (streams.words, streams.signs, streams.gaussian_integers):
        with pytest.raises(ArgumentError, match=what):
            draw(*args)


@pytest.mark.parametrize("high", [0, -3, 2**32 + 1])
def test_bad_high_is_named(high):
    with pytest.raises(ArgumentError, match="high"):
        streams.below(0, "x", 0, 1, high)

"""The estimate of what integers take, and the contexts of kind sparse, by which it is told them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from short_messages import contexts_of, draw, sparse

from transferbound.message import (
    message_bits,
    symbol_bits,
)
from transferbound.message.estimate import estimated_symbol_bits
from transferbound.message.short_codes import (
    COMPONENTS,
    SPARSE_LEVELS,
    sparse_dim,
)
from transferbound.subspace.kinds.sparse import sparse_contexts


def test_contexts_are_by_rank_of_the_component() -> None:
    """Whole numbers alone: a decoder that rounds a logarithm otherwise reads other integers."""
    for components in COMPONENTS:
        found = sparse_contexts(components, 4)
        assert found.shape == (sparse_dim(4, components),)
        expected = [min(max(rank.bit_length() - 3, 0), 6) for rank in range(1, components + 1)]
        assert found.tolist() == 3 * [*expected, 7]


def test_contexts_pay_where_the_first_components_say_most() -> None:
    header = sparse(3, 256)
    density = 0.9 / (1 + contexts_of(header))
    stream = np.random.default_rng(0)
    symbols = (stream.random(header.dim) < density**2) * stream.choice([-1, 1], header.dim)
    assert message_bits(replace(header, contexts=True), symbols, contexts_of(header)) < message_bits(
        header, symbols
    )


@pytest.mark.parametrize("levels", SPARSE_LEVELS)
@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.4, 1.0])
def test_the_estimate_is_close(levels: int, density: float) -> None:
    for number, (components, classes) in enumerate(
        itertools.product([0, 8, 48, 200, 512], [2, 3, 10, 40]),
    ):
        header = sparse(classes, components, levels=levels)
        for shorter in (0.2, 0.6, 0.95):
            symbols = draw(number, header, density, shorter)
            for contexts in (None, contexts_of(header), np.arange(header.dim) % 3 * 5):
                bits = symbol_bits(symbols, levels, contexts)
                assert abs(estimated_symbol_bits(symbols, contexts, levels=levels) - bits) <= 0.03 * bits + 2


def test_the_estimate_takes_the_fewest_levels_that_hold_the_integers() -> None:
    symbols = np.array([0, 3, -1, 0, 2])
    assert estimated_symbol_bits(symbols) == estimated_symbol_bits(symbols, levels=7)
    assert estimated_symbol_bits(symbols) < estimated_symbol_bits(symbols, levels=15)
    assert estimated_symbol_bits(0 * symbols) == pytest.approx(symbol_bits(0 * symbols, 3), abs=0.1)
    assert estimated_symbol_bits(np.zeros(0, dtype=int)) == 0

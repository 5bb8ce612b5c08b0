"""Networks with symmetries built in: what they commute with, and what they do not."""

from __future__ import annotations

import pytest
import torch

from transferbound.priors import Prior
from transferbound.priors.architectures.symmetry import GROUPS, GroupConv


def pictures() -> torch.Tensor:
    return torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))


def features(name: str, x: torch.Tensor) -> torch.Tensor:
    module = Prior.from_pretrained(f"random/transferbound_{name}/3").build(10, head_seed=1)
    with torch.inference_mode():
        found: torch.Tensor = module(pixel_values=x)
    return found


@pytest.mark.parametrize(("name", "turns", "flips"), [(n, *g) for n, group in GROUPS.items() for g in group])
def test_answers_stay_where_the_picture_is_moved_by_the_group(name: str, turns: int, flips: int) -> None:
    x = pictures()
    moved = torch.rot90(x.flip(-1) if flips else x, turns, (-2, -1))
    torch.testing.assert_close(features(name, moved), features(name, x), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "turns", "flips"),
    [("c1", 1, 0), ("c1", 2, 0), ("c2", 1, 0), ("c2", 0, 1), ("c4", 0, 1), ("local", 2, 0), ("dense", 2, 0)],
)
def test_answers_change_under_what_is_not_in_the_group(name: str, turns: int, flips: int) -> None:
    x = pictures()
    moved = torch.rot90(x.flip(-1) if flips else x, turns, (-2, -1))
    assert float((features(name, moved) - features(name, x)).abs().max()) > 0.01


@pytest.mark.parametrize("name", list(GROUPS))
def test_a_layer_commutes_with_the_group(name: str) -> None:
    """Of a later layer: maps of the input are moved and permuted, and so are those of the output."""
    group, generator = GROUPS[name], torch.Generator().manual_seed(0)
    first, layer = GroupConv(1, 2, 5, group, True), GroupConv(2, 3, 3, group, False)
    for conv in (first, layer):
        conv.weight.data.copy_(torch.randn(conv.weight.shape, generator=generator))
    x = pictures()
    with torch.inference_mode():
        still = layer(first(x)).unflatten(1, (3, len(group)))
        for turns, flips in group:
            moved = layer(first(torch.rot90(x.flip(-1) if flips else x, turns, (-2, -1))))
            back = torch.rot90(moved, -turns, (-2, -1))
            back = (back.flip(-1) if flips else back).unflatten(1, (3, len(group)))
            torch.testing.assert_close(back.sum(2), still.sum(2), atol=1e-3, rtol=1e-4)
            found = {tuple(round(float(v), 1) for v in back[0, 0, g, 10, :4]) for g in range(len(group))}
            wanted = {tuple(round(float(v), 1) for v in still[0, 0, g, 10, :4]) for g in range(len(group))}
            assert len(found) == len(group)
            assert sum(one in wanted for one in found) >= len(group) - 1  # one may fall on a rounding border


def test_same_compute_and_fewer_weights() -> None:
    sizes = {
        name: Prior.from_pretrained(f"random/transferbound_{name}/0").num_parameters
        for name in (*GROUPS, "c1_few", "local", "dense")
    }
    assert sizes["c1"] > 1.9 * sizes["c2"] > 3.5 * sizes["c4"] > 6 * sizes["d4"]
    assert sizes["c1_few"] == pytest.approx(sizes["c4"], rel=0.15)
    assert sizes["local"] > 10 * sizes["c1"]

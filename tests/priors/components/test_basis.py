"""Components of what a network holds: the same for whoever computes them, and no row of the task in them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import save_rows
from spine_fixtures import bright_rows, world

from transferbound import LabelledData, Prior
from transferbound.data.encode import encode
from transferbound.errors import PriorError
from transferbound.features.components import component_table
from transferbound.priors.components.basis import basis_of, component_classifier
from transferbound.priors.components.family import FAMILY, choices
from transferbound.priors.components.taps import HEAD_INPUT, layers_of, seen_at
from transferbound.priors.reference import Reference, default_reference


def prior(name: str = "prior") -> Prior:
    return Prior.from_pretrained(str(world() / name))


def own_reference(seed: int = 0) -> Reference:
    pictures = bright_rows(60, seed=seed)["image"]
    return Reference(f"own-{seed}", "image", "", "", lambda: pictures)


def test_the_table_has_what_the_decoder_computes(tmp_path: Path) -> None:
    folder = save_rows(tmp_path / "rows", bright_rows(40, seed=3))
    data = LabelledData.load(str(folder))
    encoded = encode(prior().preprocessing(32), data)
    basis = basis_of(prior(), own_reference(), 32)
    table = component_table(
        prior(),
        basis,
        encoded,
        "key",
        classes=2,
        class_names=data.class_names,
        most=16,
        device=torch.device("cpu"),
        cache_dir=tmp_path,
    )
    unnamed = [place for place, choice in enumerate(choices("image", True)) if not choice.names]
    for place in basis.directions.keys() & unnamed:
        module = component_classifier(
            prior(), 2, features=place, components=8, reference=own_reference(), input_size=32
        )
        with torch.no_grad():
            _, found = module.answer_and_components(encoded.batch(np.arange(40)))
        assert torch.allclose(found, table.components(place, 8), atol=1e-4), place


def test_components_are_those_of_the_reference(tmp_path: Path) -> None:
    one = component_classifier(
        prior(), 2, features=1, components=4, reference=own_reference(0), input_size=32
    )
    same = component_classifier(
        prior(), 2, features=1, components=4, reference=own_reference(0), input_size=32
    )
    other = component_classifier(
        prior(), 2, features=1, components=4, reference=own_reference(1), input_size=32
    )
    assert torch.equal(one.components.weight, same.components.weight)
    assert not torch.equal(one.components.weight, other.components.weight)


@pytest.mark.parametrize("modality", sorted(FAMILY))
def test_the_default_reference_spans_what_is_declared(modality: str) -> None:
    found = default_reference(modality)
    assert len(found.rows) >= 1000
    assert found.fingerprint == default_reference(modality).fingerprint


def test_a_pass_goes_no_further_than_the_last_tap() -> None:
    body = prior().build(2, input_size=32)
    layers = layers_of(body)
    assert len(layers) >= 2
    called: list[str] = []
    for name, module in body.named_modules():
        module.register_forward_pre_hook(lambda module, inputs, name=name: called.append(name))
    batch = {"pixel_values": torch.rand(2, 3, 32, 32)}
    seen, answer = seen_at(body, [layers[0]], "", batch)
    assert list(seen) == [layers[0]]
    assert answer is None
    assert layers[-1] not in called
    seen, answer = seen_at(body, [layers[0]], "", batch, whole=True)
    assert answer is not None
    assert answer.shape == (2, 2)
    assert layers[-1] in called


def test_what_enters_the_head() -> None:
    body = prior().build(3, input_size=32)
    head = prior().head_parameters(3)[0].rsplit(".", 1)[0]
    seen, _ = seen_at(body, [HEAD_INPUT], head, {"pixel_values": torch.rand(2, 3, 32, 32)})
    assert seen[HEAD_INPUT].shape == (2, body.get_submodule(head).in_features)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"features": 99, "components": 4}, "features is 99"),
        ({"features": 1, "components": 512}, "span"),
    ],
)
def test_what_cannot_be_built(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(PriorError, match=problem):
        component_classifier(prior(), 2, reference=own_reference(), input_size=32, **given)


def test_more_features_than_reference_rows() -> None:
    from transferbound.priors.components.principal import principal_directions

    features = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 300)))
    found = principal_directions(features)
    assert found.vectors.shape == (19, 300)
    assert torch.allclose(found.vectors @ found.vectors.T, torch.eye(19, dtype=torch.float64), atol=1e-9)
    spread = ((features - found.mean) @ found.vectors.T).std(0)
    assert torch.allclose(spread, found.deviations)
    wide = principal_directions(torch.cat([features] * 20))  # the other way to the same directions
    assert torch.allclose(wide.vectors, found.vectors, atol=1e-6)


def test_reference_inputs_of_the_other_modality_are_refused(tiny_timm: Path, tiny_bert: Path) -> None:
    for folder, modality in ((tiny_timm, "text"), (tiny_bert, "image")):
        prior = Prior.from_pretrained(str(folder))
        with pytest.raises(PriorError, match=f"are {modality}s and the prior .* reads"):
            component_classifier(prior, 2, features=1, components=8, reference=default_reference(modality))

"""Heads for pictures that start from the names of the classes: the map, its decoder, and that no label comes in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import save_rows
from spine_fixtures import save_calibrated

from transferbound import CertifySettings, FinetuneSettings, LabelledData, Predictor, Prior, certify, verify
from transferbound.certification.automatic import Automatic
from transferbound.errors import PriorError
from transferbound.priors.components import FAMILY, FeatureChoice, choices
from transferbound.priors.components.basis import basis_of, component_classifier, fitted_start
from transferbound.priors.components.imagenet import stands_for
from transferbound.priors.components.named_classes import own_classes_of
from transferbound.priors.components.self_training import START_COMPONENTS, self_trained
from transferbound.priors.reference import Reference

NAMES = ("cat", "truck", "frog")
PLACE = choices("image", own_reference=True).index(FeatureChoice((0.86, 1.0), 2, names=True))
LAST = choices("image", own_reference=True).index(FeatureChoice(names=True))


@pytest.fixture(scope="module")
def imagenet_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of 1,000 classes at a random start: what it says of names is noise, and a function of it alone."""
    return save_calibrated(tmp_path_factory.mktemp("like") / "prior", classes=1000)


def pictures(n: int, seed: int = 0) -> dict[str, list]:
    """Three kinds of pictures: bright above, bright at the left, bright in the middle."""
    from PIL import Image

    random = np.random.default_rng(seed)
    rows: dict[str, list] = {"image": [], "label": []}
    for row in range(n):
        pixels = random.integers(0, 120, (32, 32, 3), dtype=np.uint8)
        kind = row % 3
        pixels[
            (slice(0, 16), slice(0, 32), slice(8, 24))[kind], (slice(0, 32), slice(0, 16), slice(8, 24))[kind]
        ] += 120
        rows["image"].append(Image.fromarray(pixels))
        rows["label"].append(kind)
    return rows


def reference() -> Reference:
    rows = pictures(60, seed=7)["image"]
    return Reference("own", "image", "", "", lambda: rows)


def said(own: torch.Tensor, *classes: tuple[int, ...]) -> torch.Tensor:
    """What its own classes tell of each class."""
    return torch.stack(
        [own[:, list(some)].mean(1) if some else own.new_zeros(len(own)) for some in classes], 1
    )


def groups(n: int = 600) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """What a checkpoint of six classes says of three groups, weakly, and components that tell them apart."""
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, n)
    centres = random.normal(size=(3, 8)) * 2
    components = centres[truth] + random.normal(size=(n, 8))
    own = random.normal(size=(n, 6)) * 1.2
    own[np.arange(n), 2 * truth + random.integers(0, 2, n)] += 1.0
    components -= components.mean(0)
    return torch.from_numpy(own), torch.from_numpy(components), truth


def test_the_map_agrees_with_the_network_and_is_better_than_what_it_began_with() -> None:
    own, components, truth = groups()
    start = self_trained(said(own, (0, 1), (2, 3), (4, 5)), components)
    assert start.shape == (3, 8)
    assert start.dtype == torch.float32
    answers = components @ start.double().T
    torch.testing.assert_close(answers.std(0, unbiased=False), torch.ones(3, dtype=torch.float64))
    first = said(own, (0, 1), (2, 3), (4, 5))
    before, after = ((scores.argmax(1).numpy() != truth).mean() for scores in (first, answers))
    assert after < 0.6 * before


def test_a_class_that_no_name_tells_of_gets_the_rows_that_no_other_claims() -> None:
    own, components, truth = groups()
    start = self_trained(said(own, (0, 1), (2, 3), ()), components)
    assert ((components @ start.double().T).argmax(1).numpy() != truth).mean() < 0.2


def test_the_order_of_classes_turns_the_map_and_a_small_change_stays_small() -> None:
    own, components, _ = groups()
    start = self_trained(said(own, (0, 1), (2, 3), (4, 5)), components)
    turned = self_trained(said(own, (4, 5), (0, 1), (2, 3)), components)
    torch.testing.assert_close(turned, start[[2, 0, 1]])
    near = self_trained(said(own * (1 + 1e-6), (0, 1), (2, 3), (4, 5)), components * (1 - 1e-6))
    assert float((near - start).abs().max()) < 1e-4


def test_places_of_the_default_reference_inputs_are_as_they_were() -> None:
    assert choices("image", own_reference=False) == FAMILY["image"]
    assert choices("text", own_reference=True) == FAMILY["text"]
    own = choices("image", own_reference=True)
    changed = [place for place, choice in enumerate(own) if choice != FAMILY["image"][place]]
    assert changed == [3, 4, 6]
    for place in changed:  # each said what another place says, once the reference inputs are the user's
        old = FAMILY["image"][place]
        assert any(
            (one.depths, one.places, one.own_head) == (old.depths, old.places, False)
            for other, one in enumerate(FAMILY["image"])
            if other not in changed
        )


def test_the_decoder_adds_the_map_to_what_the_head_says(imagenet_like: Path) -> None:
    prior = Prior.from_pretrained(str(imagenet_like))
    assert own_classes_of(prior, NAMES) == stands_for(NAMES)
    module = component_classifier(
        prior, 3, features=PLACE, components=8, reference=reference(), input_size=32, class_names=NAMES
    )
    basis = basis_of(prior, reference(), 32, [PLACE])
    start = fitted_start(prior, basis, PLACE, NAMES)
    assert start.shape == (3, min(START_COMPONENTS, basis.seen[PLACE].components.shape[1]))
    batch = {"pixel_values": torch.rand(4, 3, 32, 32)}
    with torch.no_grad():
        added, components = module.answer_and_components(batch)
        assert components.shape == (4, 8)
        assert added is not None
        torch.testing.assert_close(module(**batch), added)  # the head is still zero
        module.head.weight += 1.0
        torch.testing.assert_close(module(**batch), added + components.sum(1, keepdim=True).expand(-1, 3))
        for row in range(4):
            alone, _ = module.answer_and_components({"pixel_values": batch["pixel_values"][row : row + 1]})
            torch.testing.assert_close(alone, added[row : row + 1], atol=1e-4, rtol=1e-4)
    assert {name for name, _ in module.named_parameters()} & {"start"} == set()


@pytest.mark.parametrize(
    "names", [("0", "1", "2"), ("qwrt", "zxcv", "plok"), None, ("cat", "zxcv", "plok"), ("cat", "frog", "0")]
)
def test_names_that_the_head_does_not_know_are_refused(
    imagenet_like: Path, names: tuple[str, ...] | None
) -> None:
    prior = Prior.from_pretrained(str(imagenet_like))
    assert own_classes_of(prior, names) is None
    with pytest.raises(PriorError, match="have no names that the head of the prior"):
        component_classifier(
            prior, 3, features=PLACE, components=8, reference=reference(), input_size=32, class_names=names
        )


def test_a_checkpoint_of_other_classes_has_no_such_start(tiny_timm: Path) -> None:
    assert own_classes_of(Prior.from_pretrained(str(tiny_timm)), NAMES) is None


@pytest.mark.parametrize(("place", "to"), [(PLACE, "onnx"), (LAST, "timm")])
def test_certified_verified_used_and_exported(
    tmp_path: Path, imagenet_like: Path, monkeypatch: pytest.MonkeyPatch, place: int, to: str
) -> None:
    import datasets

    places = Automatic._places
    monkeypatch.setattr(
        Automatic, "_places", lambda self, table: [p for p in places(self, table) if p == place]
    )
    rows = pictures(400)
    save_rows(tmp_path / "pictures", rows, label=datasets.ClassLabel(names=list(NAMES)))
    data = LabelledData.load(str(tmp_path / "pictures"))
    settings = CertifySettings(input_size=32, set_aside=60, finetune=FinetuneSettings(budget_minutes=0.3))
    content = certify(str(imagenet_like), data, tmp_path / "out", settings, progress=False).content
    assert content["decoder"]["features"] == place
    assert content["decoder"]["head_start"] == "class names"
    assert any("The head starts from the names of the classes" in line for line in content["assumptions"])
    assert verify(tmp_path / "out").holds
    wrong = sum(
        answer.label != NAMES[label]
        for answer, label in zip(
            Predictor.from_pretrained(tmp_path / "out").predict(rows["image"][:30]),
            rows["label"],
            strict=False,
        )
    )
    assert wrong < 15
    Predictor.from_pretrained(tmp_path / "out").export(
        tmp_path / "model", to=to
    )  # compares the answers itself
    assert any((tmp_path / "model").glob("model.*"))
    renamed = datasets.ClassLabel(names=["truck", "cat", "frog"])
    save_rows(tmp_path / "renamed", rows, label=renamed)
    assert not verify(tmp_path / "out", dataset=str(tmp_path / "renamed")).holds

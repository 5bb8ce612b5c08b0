"""A checkpoint's own head is matched by name to the classes of the data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import save_timm
from safetensors.torch import load_file

from transferbound.priors import Prior
from transferbound.priors.class_order import match_classes, own_names


@pytest.mark.parametrize(
    ("own", "wanted", "order"),
    [
        (("a", "b", "c"), ("a", "b", "c"), (0, 1, 2)),
        (("a", "b", "c"), ("c", "a", "b"), (2, 0, 1)),
        (("Very Good", "not_good"), ("not good", "very-good"), (1, 0)),
        (("1", "0"), ("0", "1"), (1, 0)),
        (("crane", "crane", "x"), ("Crane", "crane", "X"), (0, 1, 2)),
        (("LABEL_0", "LABEL_1"), ("neg", "pos"), (0, 1)),
        (("neg", "pos"), ("0", "1"), (0, 1)),
        (("neg", "pos"), ("class 0", "class 1"), (0, 1)),
        (None, ("neg", "pos"), (0, 1)),
        (("neg", "pos"), None, (0, 1)),
        (("neg", "pos"), ("ham", "spam"), None),
        (("neg", "pos"), ("neg", "neutral"), None),
        (("crane", "crane", "x"), ("x", "crane", "crane"), None),
    ],
)
def test_match(own: Any, wanted: Any, order: Any) -> None:
    assert match_classes(own, wanted) == order


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        (["a", "b"], ("a", "b")),
        ({"1": "b", "0": "a"}, ("a", "b")),
        ({1: "b", 0: "a"}, ("a", "b")),
        ({"0": "a"}, None),
        ({"0": "a", "2": "b"}, None),
        ({"0": "a", "zero": "b"}, None),
        (["a", 1], None),
        (["a"], None),
        ("ab", None),
        (None, None),
    ],
)
def test_names_in_a_config(declared: Any, names: Any) -> None:
    assert own_names(declared, 2) == names


def head_of(folder: Path, name: str, classes: int, **how: Any) -> torch.Tensor:
    module = Prior.from_pretrained(str(folder)).build(classes, **how)
    return dict(module.named_parameters())[name].detach()


def test_a_text_classifier(tmp_path: Path, save_bert: Callable[..., Path]) -> None:
    names = {"id2label": {0: "no", 1: "maybe", 2: "yes"}, "label2id": {"no": 0, "maybe": 1, "yes": 2}}
    folder = save_bert(tmp_path / "p", "BertForSequenceClassification", num_labels=3, **names)
    weight, bias = (
        load_file(folder / "model.safetensors")[f"classifier.{part}"] for part in ("weight", "bias")
    )
    assert weight.unique(dim=0).shape[0] == 3
    wanted = ("Yes", "No", "Maybe")
    prior = Prior.from_pretrained(str(folder))
    assert prior.own_class_names == ("no", "maybe", "yes")
    name = "network.classifier"
    assert torch.equal(head_of(folder, f"{name}.weight", 3, class_names=wanted), weight[[2, 0, 1]])
    assert torch.equal(head_of(folder, f"{name}.bias", 3, class_names=wanted), bias[[2, 0, 1]])
    for same in (None, ("no", "maybe", "yes"), ("0", "1", "2")):
        assert torch.equal(head_of(folder, f"{name}.weight", 3, class_names=same), weight)
    assert not head_of(folder, f"{name}.weight", 3, class_names=("no", "maybe", "never")).any()
    seeded = head_of(folder, f"{name}.weight", 3, head_seed=4)
    assert torch.equal(head_of(folder, f"{name}.weight", 3, head_seed=4, class_names=wanted), seeded)
    # The rest of the network is the same whatever the classes are called.
    one, other = prior.build(3).state_dict(), prior.build(3, class_names=wanted).state_dict()
    assert {key for key in one if not torch.equal(one[key], other[key])} <= {f"{name}.weight", f"{name}.bias"}
    starts = [prior.head_start(3, some) for some in (wanted, None, ("a", "b", "c"))]
    assert [*starts, prior.head_start(2, ("no", "yes"))] == [
        "checkpoint by name",
        "checkpoint",
        "zero, other classes",
        "zero",
    ]


@pytest.mark.parametrize("place", ["top", "pretrained_cfg"])
def test_an_image_classifier_of_timm(place: str, tmp_path: Path) -> None:
    folder = save_timm(tmp_path / "p", "test_efficientnet", num_classes=3)
    plain = head_of(folder, "network.classifier.weight", 3)
    config = json.loads((folder / "config.json").read_text())
    (config if place == "top" else config["pretrained_cfg"])["label_names"] = ["cat", "dog", "owl"]
    (folder / "config.json").write_text(json.dumps(config))
    turned = head_of(folder, "network.classifier.weight", 3, class_names=("owl", "dog", "cat"))
    assert torch.equal(turned, plain[[2, 1, 0]])
    assert not torch.equal(turned, plain)

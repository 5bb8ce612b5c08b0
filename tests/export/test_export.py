"""What is exported answers as certified: its errors on the training rows are counted by its own library, in a process
that never sees transferbound."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cases_to_export import CASES, ExportCase, Found, Priors

from transferbound import Certificate, LabelledData, verify
from transferbound.export.export import export


@dataclass
class Exported:
    """A case's certificate, its export, and what was counted outside."""

    certificate: Path
    data: LabelledData
    out: Path
    outside: dict[str, Any]


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_bert: Path,
    tiny_timm_vit: Path,
    tiny_vit_classifier: Path,
    save_bert: Callable[..., Path],
) -> Callable[[str], Exported]:
    """All cases, exported with every row checked, and counted by one process that has the libraries alone."""
    priors = Priors(tiny_bert, tiny_timm_vit, tiny_vit_classifier, save_bert)
    made: dict[str, tuple[Path, Found]] = {}
    failed: dict[str, BaseException] = {}
    jobs = []
    for name, one in CASES.items():
        folder = tmp_path_factory.mktemp("case")
        try:
            found = one.make(folder, priors)
            made[name] = export(found[0], folder / "exported", one.asked, check="all"), found
            jobs.append(job(one, made[name][0], found[1], folder))
        except Exception as error:
            failed[name] = error
    counted = dict(zip(made, outside(jobs, tmp_path_factory.mktemp("outside")), strict=True))

    def get(name: str) -> Exported:
        if name in failed:
            raise failed[name]
        out, (certificate, data) = made[name]
        return Exported(certificate, data, out, counted[name])

    return get


def job(one: ExportCase, out: Path, data: LabelledData, folder: Path) -> dict[str, Any]:
    """For ``outside.py``: the rows as a user has them."""
    rows: list[Any] = []
    if data.modality == "image":
        (folder / "pictures").mkdir()
        for place, image in enumerate(data.images()):
            rows.append(str(folder / "pictures" / f"{place}.png"))
            image.save(rows[-1])
    else:
        rows = [row if len(row) > 1 else row[0] for row in data.text_rows()]
    return {
        "target": one.target,
        "folder": str(out),
        "rows": rows,
        "labels": data.labels.tolist(),
        "pictures": data.modality == "image",
        "base": str(folder / "prior"),
    }


def outside(jobs: list[dict[str, Any]], scratch: Path) -> list[dict[str, Any]]:
    (scratch / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(Path(__file__).with_name("outside.py")), str(scratch / "jobs.json")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=600, cwd=scratch
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("name", CASES)
def test_the_errors_of_the_export_are_those_certified(name: str, exported: Callable[[str], Exported]) -> None:
    one = exported(name)
    content = Certificate.from_pretrained(one.certificate).content
    assert 0 < content["errors"] < one.data.n
    assert one.outside == {
        "errors": content["errors"],
        "names": list(one.data.class_names),
        "rows": one.data.n,
    }
    said = json.loads((one.out / "export.json").read_text())
    assert said["target"] == CASES[name].target
    checked = said["checked"]
    assert (checked["rows"], checked["errors"], checked["other_answers"], checked["no_answer"]) == (
        *(one.data.n, content["errors"]),
        *(0, 0),
    )
    assert checked["furthest"] < 1e-3
    for file in ("certificate.json", "offset.bin"):
        assert (one.out / file).read_bytes() == (one.certificate / file).read_bytes()
    card = (one.out / "README.md").read_text()
    assert f"library_name: {said['target']}\n" in card
    assert f"Wrong answers, counted with {said['target']}: {content['errors']}" in card


def test_the_folder_of_an_export_is_a_certificates(exported: Callable[[str], Exported]) -> None:
    assert verify(exported("timm, at another size").out).holds


def test_timm_has_the_certified_size(exported: Callable[[str], Exported]) -> None:
    for name, side in (("timm, at another size", 32), ("timm, positions", 64)):
        pretrained = json.loads((exported(name).out / "config.json").read_text())["pretrained_cfg"]
        assert pretrained["input_size"] == [3, side, side]  # the checkpoints' own is 160
        assert pretrained["crop_mode"] == "squash"


def test_what_was_folded_is_said(exported: Callable[[str], Exported]) -> None:
    for name, one in CASES.items():
        folded = "folded" in name
        out = exported(name).out
        assert json.loads((out / "export.json").read_text())["folded"] is folded
        assert ("rounded once" in (out / "README.md").read_text()) is folded, one


def test_tokenizer_and_processor_have_the_certified_size(exported: Callable[[str], Exported]) -> None:
    out = exported("transformers, texts").out
    assert json.loads((out / "tokenizer_config.json").read_text())["model_max_length"] == 9
    out = exported("transformers, images at another size").out
    assert json.loads((out / "config.json").read_text())["image_size"] == 48
    assert json.loads((out / "preprocessor_config.json").read_text())["size"] == {"height": 48, "width": 48}


def test_dense_layers_and_head_are_there(exported: Callable[[str], Exported]) -> None:
    out = exported("sentence-transformers, dense layers").out
    assert {path.name for path in out.iterdir() if path.is_dir()} == {
        *("1_Pooling", "2_Dense", "3_Dense", "figures")
    }


def test_an_adapter_names_its_base_and_its_rank(exported: Callable[[str], Exported]) -> None:
    one = exported("peft")
    config = json.loads((one.out / "adapter_config.json").read_text())
    base = str(one.certificate.parent / "prior")
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (2, 2, base)


def test_no_place_of_this_machine_is_written(exported: Callable[[str], Exported]) -> None:
    for name in CASES:
        one = exported(name)
        home = str(one.certificate.parent.parent)
        for path in one.out.rglob("*.json"):
            text = path.read_text()
            assert "transferbound-prior-" not in text, path  # where its files were read
            if path.name not in ("certificate.json", "adapter_config.json"):  # they name the checkpoint
                assert home not in text, path


def test_padding_is_masked_where_the_network_keeps_to_it(exported: Callable[[str], Exported]) -> None:
    import numpy as np
    import onnxruntime

    out = exported("onnx, several layers").out
    said = json.loads((out / "preprocess.json").read_text())
    assert said["text"]["padding"] == "masked"
    session = onnxruntime.InferenceSession(str(out / "model.onnx"))
    ids = np.array([[2, 5, 6, 7, 3]])
    alone = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    padded = {key: np.pad(value, ((0, 0), (0, 4))) for key, value in alone.items()}
    first, second = (session.run(["logits"], one)[0] for one in (alone, padded))
    assert first == pytest.approx(second, abs=1e-5)

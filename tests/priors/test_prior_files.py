"""Traps 15 and 17 of checkpoints: whatever is read is hashed whole, and nothing is built on a config's word."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import image_rows, save_rows, save_timm, text_rows
from PIL import Image
from spine_fixtures import QUICK

from transferbound import LabelledData, Prior, certify, verify
from transferbound.data import encode as encode_module
from transferbound.data.encode import encode
from transferbound.errors import PriorError

MAX_SECONDS = 20.0


def edit(folder: Path, name: str, **changes: Any) -> Path:
    file = folder / name
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return folder


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def flipped(tiny_vit_classifier: Path, target: Path, flip: bool) -> Path:
    """The tiny ViT with a processor that may turn the order of the channels."""
    folder = copied(tiny_vit_classifier, target)
    processor = {
        "image_processor_type": "MobileViTImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
        "do_center_crop": True,
        "do_flip_channel_order": flip,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return folder


def coloured(folder: Path) -> LabelledData:
    rows = image_rows(24, mode="RGB")
    for image, label in zip(rows["image"], rows["label"], strict=True):
        image.paste(((220, 30, 30), (30, 220, 30), (30, 30, 220))[label], (0, 0, 8, 12))
    return LabelledData.load(str(save_rows(folder, rows)))


def test_the_order_of_the_channels_is_another_prior_and_another_cache(
    tiny_vit_classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two priors once had one fingerprint, and a certificate was made from the other's cached pixels."""
    monkeypatch.setattr(encode_module, "IN_MEMORY_BYTES", 100)
    data = coloured(tmp_path / "data")
    straight, turned = (
        Prior.from_pretrained(str(flipped(tiny_vit_classifier, tmp_path / str(flip), flip)))
        for flip in (False, True)
    )
    assert straight.fingerprint == turned.fingerprint
    assert straight.files != turned.files
    first, second = (
        encode(prior.preprocessing(), data, tmp_path / "cache", progress=False)
        for prior in (straight, turned)
    )
    assert len(list((tmp_path / "cache").glob("pixels-*.npy"))) == 2
    assert not np.array_equal(first.batch([0])["pixel_values"], second.batch([0])["pixel_values"])
    certify(straight, data, tmp_path / "out", QUICK, progress=False)
    assert verify(tmp_path / "out").holds
    verdict = verify(tmp_path / "out", prior=str(tmp_path / "True"))
    assert any(
        line.startswith("prior.files.'preprocessor_config.json' is stated as") for line in verdict.problems
    )


@pytest.mark.parametrize("flag", [{"do_rescale": False}, {"image_mean": [0.4, 0.5, 0.5]}, {"unheard_of": 1}])
def test_every_setting_of_a_processor_counts(
    flag: dict[str, Any], tiny_vit_classifier: Path, tmp_path: Path
) -> None:
    changed = edit(copied(tiny_vit_classifier, tmp_path / "changed"), "preprocessor_config.json", **flag)
    before, after = Prior.from_pretrained(str(tiny_vit_classifier)), Prior.from_pretrained(str(changed))
    assert before.fingerprint == after.fingerprint
    assert before.files["config.json"] == after.files["config.json"]
    assert before.files["preprocessor_config.json"] != after.files["preprocessor_config.json"]
    assert before.preprocessing().fingerprint != after.preprocessing().fingerprint


@pytest.mark.parametrize(
    "file", ["tokenizer.json", "tokenizer_config.json", "1_Pooling/config.json", "config.json"]
)
def test_every_file_of_a_text_prior_counts(file: str, tiny_bert: Path, tmp_path: Path) -> None:
    folder = copied(tiny_bert, tmp_path / "prior")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', encoding="utf-8")
    data = LabelledData.load(str(save_rows(tmp_path / "texts", text_rows())))
    before = Prior.from_pretrained(str(folder))
    assert set(before.files) >= {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "1_Pooling/config.json",
    }
    certify(before, data, tmp_path / "out", QUICK_TEXT, progress=False)
    # A blank more: the same settings in other bytes. What is hashed is the file.
    (folder / file).write_text((folder / file).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    verdict = verify(tmp_path / "out")
    assert any(line.startswith(f"prior.files.{file!r} is stated as") for line in verdict.problems)


QUICK_TEXT = type(QUICK)(finetune=QUICK.finetune)


def test_what_is_read_is_the_copy_that_was_hashed(tiny_vit_classifier: Path, tmp_path: Path) -> None:
    """A file that changes after it was hashed changes nothing."""
    folder = copied(tiny_vit_classifier, tmp_path / "prior")
    prior = Prior.from_pretrained(str(folder))
    before = prior.preprocessing(24).to_dict()
    edit(folder, "preprocessor_config.json", image_mean=[0.1, 0.1, 0.1])
    assert prior.preprocessing(24).to_dict() == before
    assert prior.preprocessing(24).pixels(Image.new("L", (9, 9)), True).shape == (24, 24, 1)


def test_verify_reads_no_cache_of_others(
    tiny_vit_classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_module, "IN_MEMORY_BYTES", 100)
    monkeypatch.setenv("TRANSFERBOUND_CACHE", str(tmp_path / "cache"))
    data = coloured(tmp_path / "data")
    certify(str(tiny_vit_classifier), data, tmp_path / "out", QUICK, progress=False)
    (kept,) = (tmp_path / "cache").glob("pixels-*.npy")
    before = kept.read_bytes()
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(b"")
    assert verify(tmp_path / "out").holds
    assert kept.read_bytes() == b"" != before  # neither read nor mended


# On a config's word nothing is built ------------------------------------------------------------------


def in_time(build: Callable[[], object]) -> str:
    started = time.monotonic()
    with pytest.raises(PriorError) as refused:
        build()
    assert time.monotonic() - started < MAX_SECONDS
    return str(refused.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers 1000000000"),
        ({"num_labels": 10**12}, "num_labels 1000000000000"),
        ({"vocab_size": 10**11}, "asks for"),
        ({"hidden_size": 2**30, "num_attention_heads": 1}, "asks for"),
        ({"max_position_embeddings": 10**12}, "asks for"),
        ({"inner": {"num_hidden_layers": 10**9}}, "inner.num_hidden_layers"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantized"),
        ({"text_config": {"auto_map": {"AutoModel": "evil.Model"}}}, "text_config.auto_map"),
    ],
)
def test_absurd_sizes_of_a_text_config(
    change: dict[str, Any], named: str, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = edit(copied(tiny_bert, tmp_path / "prior"), "config.json", **change)
    assert named in in_time(lambda: Prior.from_pretrained(str(folder)))


@pytest.mark.parametrize(
    "change",
    [
        {"num_classes": 10**10},
        {"model_args": {"block_args": [], "stem_size": 2**40}},
        {"num_features": 10**12},
    ],
)
def test_absurd_sizes_of_a_timm_config(change: dict[str, Any], tmp_path: Path) -> None:
    folder = edit(save_timm(tmp_path / "prior", "test_efficientnet"), "config.json", **change)
    assert str(folder) in in_time(lambda: Prior.from_pretrained(str(folder)))


def test_a_tensor_that_says_it_is_larger_than_its_file(tiny_timm: Path, tmp_path: Path) -> None:
    """1.7 kB that stand for terabytes: a view with a stride of zero."""
    folder = copied(tiny_timm, tmp_path / "prior")
    (folder / "model.safetensors").unlink()
    torch.save({"classifier.weight": torch.zeros(1).expand(2**40)}, folder / "pytorch_model.bin")
    assert "in 4 bytes" in in_time(lambda: Prior.from_pretrained(str(folder)))


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "experts_implementation"])
def test_no_kernel_is_fetched(key: str, tiny_bert: Path, tmp_path: Path) -> None:
    folder = edit(copied(tiny_bert, tmp_path / "prior"), "config.json", **{key: "kernels-community/evil"})
    network = Prior.from_pretrained(str(folder)).build(2).network
    assert network.config._attn_implementation in ("eager", "sdpa")


@pytest.mark.parametrize("side", [1025, 4096, 100_000])
def test_no_picture_is_made_larger_than_any_network_reads(
    tiny_timm: Path, tiny_vit_classifier: Path, tmp_path: Path, side: int
) -> None:
    """By a message, or by the checkpoint's own config: what is asked for is memory alone."""
    for prior in (Prior.from_pretrained(str(tiny_timm)), Prior.from_pretrained(str(tiny_vit_classifier))):
        with pytest.raises(PriorError, match=f"input size {side} is out of range"):
            prior.preprocessing(side)
    made = Path(shutil.copytree(tiny_vit_classifier, tmp_path / "vit"))
    config = json.loads((made / "preprocessor_config.json").read_text())
    for sizes in ({"height": side, "width": side}, {"shortest_edge": side}):
        (made / "preprocessor_config.json").write_text(json.dumps(config | {"size": sizes}))
        with pytest.raises(PriorError, match=f"input size {side} is out of range"):
            Prior.from_pretrained(str(made)).preprocessing()


def test_no_picture_is_made_large_to_be_cut(tiny_timm: Path, tmp_path: Path) -> None:
    made = Path(shutil.copytree(tiny_timm, tmp_path / "timm"))
    config = json.loads((made / "config.json").read_text())
    config["pretrained_cfg"]["crop_pct"] = 1e-4
    (made / "config.json").write_text(json.dumps(config))
    with pytest.raises(PriorError, match=r"0.0001 of an image's side"):
        Prior.from_pretrained(str(made)).preprocessing()

"""Encoding: the same numbers as the libraries' own evaluation pipelines, whatever the batch or the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import image_rows, save_rows

from transferbound.data import encode as encode_module
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedImages, EncodedTexts
from transferbound.data.labelled import LabelledData
from transferbound.errors import OutputError, PriorError
from transferbound.priors import Prior


@pytest.fixture(scope="module")
def image_prior(tiny_timm: Path) -> Prior:
    return Prior.from_pretrained(str(tiny_timm))


@pytest.fixture(scope="module")
def text_prior(tiny_bert: Path) -> Prior:
    return Prior.from_pretrained(str(tiny_bert))


@pytest.fixture(scope="module")
def images(tiny_images: Path) -> LabelledData:
    return LabelledData.load(str(tiny_images))


@pytest.fixture(scope="module")
def texts(tiny_texts: Path) -> LabelledData:
    return LabelledData.load(str(tiny_texts))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pixels_equal_timms_own_evaluation_transform(mode: str, tiny_timm: Path, tmp_path: Path) -> None:
    import timm
    from timm.data import create_transform, resolve_data_config

    data = LabelledData.load(str(save_rows(tmp_path / "d", image_rows(6, mode=mode))))
    encoded = encode(Prior.from_pretrained(str(tiny_timm)).preprocessing(), data, progress=False)
    assert isinstance(encoded, EncodedImages)
    assert encoded.pixels.shape[1] == (1 if mode == "L" else 3)
    model = timm.create_model(f"local-dir:{tiny_timm}", pretrained=True)
    transform = create_transform(**resolve_data_config({}, model=model), is_training=False)
    expected = torch.stack([transform(image.convert("RGB")) for image in data.images()])
    batch = encoded.batch(np.arange(6))["pixel_values"]
    assert batch.dtype == torch.float32
    torch.testing.assert_close(batch, expected, rtol=0, atol=1e-6)


def test_another_size_keeps_the_whole_image(image_prior: Prior, tmp_path: Path) -> None:
    preprocessing = image_prior.preprocessing(32)
    assert preprocessing.to_dict()["crop_pct"] == 1.0
    assert preprocessing.to_dict()["crop_mode"] == "squash"
    from PIL import Image

    wide = np.zeros((20, 60), dtype=np.uint8)
    wide[:, 57:] = 255  # only the edge of an oblong image
    pixels = preprocessing.pixels(Image.fromarray(wide), greyscale=True)
    assert pixels.shape == (32, 32, 1)
    assert pixels[:, -1].min() > 200
    with pytest.raises(PriorError, match="input size 5 is out of range"):
        image_prior.preprocessing(5)


def test_rows_do_not_depend_on_the_batch(image_prior: Prior, images: LabelledData) -> None:
    encoded = encode(image_prior.preprocessing(32), images, progress=False)
    whole = encoded.batch(torch.arange(24))["pixel_values"]
    order = np.random.default_rng(0).permutation(24)
    seen = np.zeros(24, dtype=int)
    for rows, batch, labels in encoded.batches(7, order):
        assert torch.equal(batch["pixel_values"], whole[torch.from_numpy(rows)])
        assert labels.tolist() == images.labels[rows].tolist()
        seen[rows] += 1
    assert (seen == 1).all()
    with pytest.raises(ValueError, match="batch_size is 0"):
        next(encoded.batches(0))


def test_batches_do_not_change_what_is_stored(image_prior: Prior, images: LabelledData) -> None:
    encoded = encode(image_prior.preprocessing(32), images, progress=False)
    first = encoded.batch([0])["pixel_values"]
    kept = first.clone()
    first.zero_()
    assert torch.equal(encoded.batch([0])["pixel_values"], kept)


def test_cache_is_used_and_equals_memory(
    image_prior: Prior, images: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = encode(image_prior.preprocessing(32), images, progress=False)
    monkeypatch.setattr(encode_module, "IN_MEMORY_BYTES", 100)
    fresh = encode(image_prior.preprocessing(32), images, cache_dir=tmp_path, progress=False)
    files = list(tmp_path.iterdir())
    assert sorted(file.suffix for file in files) == [".npy", ".sha256"]

    def fail(*_: Any) -> None:
        raise AssertionError("encoded a second time")

    monkeypatch.setattr(encode_module, "_fill", fail)
    again = encode(image_prior.preprocessing(32), images, cache_dir=tmp_path, progress=False)
    for encoded in (fresh, again):
        batch = encoded.batch(np.arange(24))["pixel_values"]
        assert torch.equal(batch, in_memory.batch(np.arange(24))["pixel_values"])
    with pytest.raises(AssertionError, match="second time"):  # another size is another file
        encode(image_prior.preprocessing(48), images, cache_dir=tmp_path, progress=False)


def test_cache_knows_the_row_order(
    image_prior: Prior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_module, "IN_MEMORY_BYTES", 100)
    rows = image_rows(6)
    turned = {key: values[::-1] for key, values in rows.items()}
    loaded = [
        LabelledData.load(str(save_rows(tmp_path / name, r))) for name, r in (("a", rows), ("b", turned))
    ]
    assert loaded[0].fingerprint == loaded[1].fingerprint
    first, second = (
        encode(image_prior.preprocessing(32), data, cache_dir=tmp_path / "cache", progress=False)
        for data in loaded
    )
    assert torch.equal(first.batch([0])["pixel_values"], second.batch([5])["pixel_values"])
    assert not torch.equal(first.batch([0])["pixel_values"], second.batch([0])["pixel_values"])


def test_interrupted_and_truncated_cache_files(
    image_prior: Prior, images: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_module, "IN_MEMORY_BYTES", 100)
    fill = encode_module._fill

    def interrupted(*arguments: Any) -> None:
        fill(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(encode_module, "_fill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encode(image_prior.preprocessing(32), images, cache_dir=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(encode_module, "_fill", fill)
    encode(image_prior.preprocessing(32), images, cache_dir=tmp_path, progress=False)
    (file,) = tmp_path.glob("*.npy")
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 64
    for damaged in (whole[:1000], bytes(flipped), b""):
        file.write_bytes(damaged)
        encode(image_prior.preprocessing(32), images, cache_dir=tmp_path, progress=False)
        assert file.read_bytes() == whole


def test_cache_folder_that_cannot_be_written(
    image_prior: Prior, images: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_module, "IN_MEMORY_BYTES", 100)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        encode(image_prior.preprocessing(32), images, cache_dir=tmp_path / "file", progress=False)


def test_tokens_equal_the_tokenizers_own_padding(
    text_prior: Prior, texts: LabelledData, tiny_tokenizer: Any
) -> None:
    encoded = encode(text_prior.preprocessing(), texts, progress=False)
    assert isinstance(encoded, EncodedTexts)
    rows = [3, 0, 11]
    wanted = [list(texts.text_rows())[row][0] for row in rows]
    expected = tiny_tokenizer(wanted, padding=True, return_tensors="pt")
    batch = encoded.batch(rows)
    assert set(batch) == {"input_ids", "attention_mask"}
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    assert encoded.lengths is not None
    assert encoded.lengths[rows].tolist() == expected["attention_mask"].sum(1).tolist()


def test_pairs_and_truncation(text_prior: Prior, tiny_tokenizer: Any, tmp_path: Path) -> None:
    rows = {
        "sentence1": ["a film", "good great bad dull plot actor scene"],
        "sentence2": ["is bad", "of it"],
        "label": [0, 1],
    }
    data = LabelledData.load(str(save_rows(tmp_path / "d", rows)))
    batch = encode(text_prior.preprocessing(8), data, progress=False).batch([0, 1])
    expected = tiny_tokenizer(
        rows["sentence1"],
        rows["sentence2"],
        padding=True,
        truncation=True,
        max_length=8,
        return_token_type_ids=True,
        return_tensors="pt",
    )
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(batch[name], expected[name])
    assert text_prior.build(2, head_seed=1)(**batch).shape == (2, 2)


def test_empty_text_is_one_token(text_prior: Prior, tmp_path: Path) -> None:
    preprocessing = text_prior.preprocessing()
    preprocessing.tokenizer.backend_tokenizer  # noqa: B018  (a fast tokenizer)
    data = LabelledData.load(str(save_rows(tmp_path / "d", {"text": ["", "good"], "label": [0, 1]})))
    encoded = encode(preprocessing, data, progress=False)
    logits = text_prior.build(2, head_seed=1)(**encoded.batch([0, 1]))
    assert torch.isfinite(logits).all()
    assert preprocessing.tokens([""], None)[0][0]


def test_padding_barely_moves_the_logits(text_prior: Prior, texts: LabelledData) -> None:
    model = text_prior.build(2, head_seed=5)
    encoded = encode(text_prior.preprocessing(), texts, progress=False)
    with torch.no_grad():
        together = model(**encoded.batch(np.arange(24)))
        alone = torch.cat([model(**encoded.batch([row])) for row in range(24)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_other_kind_of_data(image_prior: Prior, texts: LabelledData) -> None:
    with pytest.raises(PriorError, match=r"for images and the data set .* holds texts"):
        encode(image_prior.preprocessing(), texts, progress=False)


def test_pixels_that_do_not_fit_on_the_disk_are_refused(
    image_prior: Prior, images: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_module, "IN_MEMORY_BYTES", 100)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(OutputError, match=r"0\.0 GB that are free\); name another .* or choose a smaller"):
        encode(image_prior.preprocessing(32), images, cache_dir=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []

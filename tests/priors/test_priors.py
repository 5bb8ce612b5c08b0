"""Priors: what is loaded, what is refused, and that every build is the same."""

from __future__ import annotations

import io
import json
import math
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import COMMIT, save_timm
from PIL import Image
from safetensors.torch import load_file, save_file

from transferbound.data.labelled import LabelledData
from transferbound.demo import export_efficientnet_lite0, export_mnist5000
from transferbound.errors import ArgumentError, OutputError, PriorError
from transferbound.priors import ImagePreprocessing, Prior
from transferbound.priors.backends.pooling import pool


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def image_batch(side: int) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


# What is loaded


def test_timm_network_is_the_checkpoint(tiny_timm: Path) -> None:
    import timm

    prior = Prior.from_pretrained(str(tiny_timm))
    reference = timm.create_model(f"local-dir:{tiny_timm}", pretrained=True).eval()
    built = prior.build(10)  # as many classes as the checkpoint: its own head is kept
    batch = image_batch(64)
    with torch.no_grad():
        assert torch.equal(built(pixel_values=batch), reference(batch))
    assert prior.num_parameters == sum(p.numel() for p in reference.parameters())
    assert (prior.source, prior.modality, prior.architecture) == ("timm", "image", "test_efficientnet")
    assert (prior.licence, prior.provenance["datasets"]) == ("apache-2.0", ["imagenet-1k"])


def test_new_head_starts_from_zero(tiny_timm: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_timm))
    parameters = dict(prior.build(3).named_parameters())
    assert prior.head_parameters(3) == ("network.classifier.weight", "network.classifier.bias")
    assert all(not parameters[name].any() for name in prior.head_parameters(3))
    assert parameters["network.classifier.weight"].shape[0] == 3


@pytest.mark.parametrize("fixture", ["tiny_timm", "tiny_bert", "tiny_vit_classifier"])
@pytest.mark.parametrize("head_seed", [0, 7])
def test_build_does_not_touch_or_read_the_global_random_state(
    fixture: str, head_seed: int, request: pytest.FixtureRequest
) -> None:
    prior = Prior.from_pretrained(str(request.getfixturevalue(fixture)))
    torch.manual_seed(1)
    first = prior.build(3, head_seed=head_seed).state_dict()
    drawn = torch.rand(4)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(4))
    torch.manual_seed(999)
    second = Prior.from_pretrained(prior.name).build(3, head_seed=head_seed).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert set(first) == set(second)


def test_builds_share_no_memory(tiny_timm: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_timm))
    first = prior.build(3)
    with torch.no_grad():
        for value in first.state_dict().values():
            value.fill_(5)
    second = prior.build(3).state_dict()
    reference = Prior.from_pretrained(str(tiny_timm)).build(3).state_dict()
    assert all(torch.equal(second[name], reference[name]) for name in reference)


def test_built_modules_are_in_eval_mode_in_every_part(tiny_bert: Path, tiny_timm: Path) -> None:
    for folder in (tiny_bert, tiny_timm):
        assert not any(module.training for module in Prior.from_pretrained(str(folder)).build(2).modules())


def test_dropout_is_inactive(tiny_bert: Path) -> None:
    model = Prior.from_pretrained(str(tiny_bert)).build(2, head_seed=1)
    batch = {"input_ids": torch.tensor([[2, 5, 6, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    with torch.no_grad():
        assert torch.equal(model(**batch), model(**batch))


def test_seeded_heads_are_functions_of_the_seed(tiny_timm: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_timm))
    name = prior.head_parameters(3)[0]
    one, again, two = (dict(prior.build(3, head_seed=seed).named_parameters())[name] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, two)
    fan_in = one.shape[1]
    assert 0 < one.abs().max() <= fan_in**-0.5
    with pytest.raises(PriorError, match="head_seed is -1"):
        prior.build(3, head_seed=-1)


def test_one_class_is_refused(tiny_timm: Path) -> None:
    with pytest.raises(ArgumentError, match="num_classes is 1"):
        Prior.from_pretrained(str(tiny_timm)).build(1)


def test_fingerprint_is_of_tensors_not_of_the_file(tiny_timm: Path, tmp_path: Path) -> None:
    before = Prior.from_pretrained(str(tiny_timm))
    rewritten = change_weights(copied(tiny_timm, tmp_path / "a"), lambda tensors: None)
    assert Prior.from_pretrained(str(rewritten)).fingerprint == before.fingerprint

    def nudge(tensors: dict[str, torch.Tensor]) -> None:
        name = next(name for name in tensors if name.endswith("running_var"))
        tensors[name][0] = torch.nextafter(tensors[name][0], torch.tensor(9.0))

    nudged = change_weights(copied(tiny_timm, tmp_path / "b"), nudge)
    assert Prior.from_pretrained(str(nudged)).fingerprint != before.fingerprint


def test_the_files_that_configure_the_network_are_hashed_whole(tiny_timm: Path, tmp_path: Path) -> None:
    folder = copied(tiny_timm, tmp_path / "a")
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"]["mean"] = [0.1, 0.1, 0.1]
    (folder / "config.json").write_text(json.dumps(config))
    before, after = (Prior.from_pretrained(str(item)) for item in (tiny_timm, folder))
    assert before.fingerprint == after.fingerprint
    assert before.files.keys() == after.files.keys() == {"config.json"}
    assert before.files != after.files
    assert before.preprocessing().fingerprint != after.preprocessing().fingerprint


def test_pth_with_tensors_only_is_the_same_prior(tiny_timm: Path, tmp_path: Path) -> None:
    folder = copied(tiny_timm, tmp_path / "pth")
    torch.save({"state_dict": load_file(folder / "model.safetensors")}, folder / "model.pth")
    (folder / "model.safetensors").unlink()
    before, after = Prior.from_pretrained(str(tiny_timm)), Prior.from_pretrained(str(folder))
    assert before.fingerprint == after.fingerprint
    by_file = Prior.from_pretrained(str(folder / "model.pth"))
    assert by_file.fingerprint == before.fingerprint


@pytest.mark.parametrize("fixture", ["tiny_timm", "tiny_bert"])
def test_a_named_weight_file_is_the_one_that_is_loaded(
    fixture: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = copied(request.getfixturevalue(fixture), tmp_path / "a")
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(tensors) if tensors[name].ndim >= 2)
    tensors[name] += 1
    save_file(tensors, folder / "other.safetensors", metadata={"format": "pt"})
    built = Prior.from_pretrained(str(folder / "other.safetensors")).build(2).state_dict()
    assert torch.equal(built[f"network.{name}"], tensors[name])


def test_fixed_size_vit_is_resampled_to_another_size(tiny_timm_vit: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_timm_vit))
    small = prior.build(3, head_seed=1, input_size=64)
    assert small(pixel_values=image_batch(64)).shape == (2, 3)
    own = prior.build(3, head_seed=1)
    assert own(pixel_values=image_batch(prior.input_size)).shape == (2, 3)


# transformers


def test_image_classifier_of_transformers(tiny_vit_classifier: Path) -> None:
    from transformers import ViTForImageClassification

    prior = Prior.from_pretrained(str(tiny_vit_classifier))
    assert (prior.source, prior.modality, prior.input_size) == ("transformers", "image", 32)
    reference = ViTForImageClassification.from_pretrained(tiny_vit_classifier).eval()
    with torch.no_grad():
        expected = reference(pixel_values=image_batch(32)).logits
        assert torch.equal(prior.build(10)(pixel_values=image_batch(32)), expected)
    assert prior.build(4, input_size=48)(pixel_values=image_batch(48)).shape == (2, 4)


def test_image_processor_pixels_match(tiny_vit_classifier: Path) -> None:
    from transformers import AutoImageProcessor

    preprocessing = Prior.from_pretrained(str(tiny_vit_classifier)).preprocessing()
    assert isinstance(preprocessing, ImagePreprocessing)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    pixels = preprocessing.pixels(image, greyscale=False).astype(np.float32)
    ours = (pixels * preprocessing.scale - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    processor = AutoImageProcessor.from_pretrained(tiny_vit_classifier, backend="pil")
    theirs = processor(images=image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    assert np.abs(ours - theirs).max() < 1e-5


def test_convolutional_classifier_of_transformers(tmp_path: Path) -> None:
    """Crops by ``crop_pct``, keeps no position embeddings, and reads any size."""
    from transformers import ConvNextConfig, ConvNextForImageClassification, ConvNextImageProcessor

    config = ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], num_labels=5)
    ConvNextForImageClassification(config).save_pretrained(tmp_path)
    ConvNextImageProcessor(size={"shortest_edge": 56}, crop_pct=0.875).save_pretrained(tmp_path)
    prior = Prior.from_pretrained(str(tmp_path))
    assert prior.input_size == 56
    assert prior.preprocessing(40).to_dict()["size"] == 40
    assert prior.build(3, input_size=40)(pixel_values=image_batch(40)).shape == (2, 3)


def test_encoder_gets_a_pooled_head(tiny_bert: Path) -> None:
    from transformers import AutoModel

    prior = Prior.from_pretrained(str(tiny_bert))
    assert (prior.modality, prior.architecture) == ("text", "BertModel")
    assert prior.input_size == 32  # the tokenizer's limit, below the default cap of 128
    assert prior.unused == ("pooler.dense.bias", "pooler.dense.weight")
    assert prior.head_parameters(2) == ("head.weight", "head.bias")
    model = prior.build(2, head_seed=3)
    assert not any("pooler" in name for name, _ in model.named_parameters())
    ids, mask = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(tiny_bert).eval()(ids, attention_mask=mask).last_hidden_state
        mean = torch.stack([hidden[0].mean(0), hidden[1, :3].mean(0)])
        torch.testing.assert_close(model(ids, mask), model.head(mean))


def test_sequence_classifier_keeps_its_own_head_only_for_its_own_classes(
    tmp_path: Path, save_bert: Callable[..., Path]
) -> None:
    folder = save_bert(tmp_path / "own", "BertForSequenceClassification", num_labels=3)
    prior = Prior.from_pretrained(str(folder))
    assert prior.head_parameters(3) == ("network.classifier.weight", "network.classifier.bias")
    assert prior.keeps_own_head(3)
    assert not prior.keeps_own_head(2)
    saved = load_file(folder / "model.safetensors")["classifier.weight"]
    assert torch.equal(dict(prior.build(3).named_parameters())["network.classifier.weight"], saved)
    assert not dict(prior.build(2).named_parameters())["network.classifier.weight"].any()


def test_masked_lm_head_is_left_out_and_recorded(tmp_path: Path, save_bert: Callable[..., Path]) -> None:
    prior = Prior.from_pretrained(str(save_bert(tmp_path / "mlm", "BertForMaskedLM")))
    assert prior.unused
    assert all(name.startswith("cls.") for name in prior.unused)


def test_decoder_pools_its_last_token(tmp_path: Path, tiny_tokenizer: Any) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=32, n_positions=40, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt")
    tiny_tokenizer.save_pretrained(tmp_path / "gpt")
    prior = Prior.from_pretrained(str(tmp_path / "gpt"))
    model = prior.build(2, head_seed=1)
    short = model(torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long))
    padded = model(torch.tensor([[5, 6, 7, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]]))
    torch.testing.assert_close(short, padded)
    assert prior.preprocessing().to_dict()["pooling"] == "lasttoken"


def test_decoder_with_a_classifier_and_no_padding_token(tmp_path: Path, tiny_tokenizer: Any) -> None:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    config = GPT2Config(vocab_size=32, n_positions=40, n_embd=16, n_layer=1, n_head=2, num_labels=3)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "gpt")
    tiny_tokenizer.save_pretrained(tmp_path / "gpt")
    model = Prior.from_pretrained(str(tmp_path / "gpt")).build(3)
    with torch.no_grad():
        short = model(torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long))
        ids, mask = torch.tensor([[5, 6, 7, 0], [5, 6, 7, 8]]), torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
        torch.testing.assert_close(model(ids, mask)[:1], short)


def test_encoder_decoders_are_refused(tmp_path: Path, tiny_tokenizer: Any) -> None:
    from transformers import T5Config, T5Model

    config = T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path / "t5")
    tiny_tokenizer.save_pretrained(tmp_path / "t5")
    with pytest.raises(PriorError, match="encoder-decoder"):
        Prior.from_pretrained(str(tmp_path / "t5"))


def test_declared_pooling_is_used(tiny_bert: Path, tmp_path: Path) -> None:
    folder = copied(tiny_bert, tmp_path / "st")
    (folder / "1_Pooling").mkdir()
    path = folder / "1_Pooling" / "config.json"
    path.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    assert Prior.from_pretrained(str(folder)).build(2).pooling == "cls"
    path.write_text(json.dumps({"pooling_mode": "attention"}))
    with pytest.raises(PriorError, match="attention"):
        Prior.from_pretrained(str(folder))


@pytest.mark.parametrize("file", ["1_Pooling/config.json", "sentence_bert_config.json"])
@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("[1]", "not an object")])
def test_damaged_files_of_sentence_transformers(
    file: str, text: str, message: str, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = copied(tiny_bert, tmp_path / "model")
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(text)
    with pytest.raises(PriorError, match=message):
        Prior.from_pretrained(str(folder))


@pytest.mark.parametrize("declared", [{}, {"pooling_mode": "sum"}, {"pooling_mode_mean_tokens": False}])
def test_a_pooling_that_is_not_known(declared: dict[str, Any], tiny_bert: Path, tmp_path: Path) -> None:
    folder = copied(tiny_bert, tmp_path / "model")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(declared))
    with pytest.raises(PriorError, match="one of cls, lasttoken"):
        Prior.from_pretrained(str(folder))


def test_pooling_modes_by_hand() -> None:
    hidden = torch.tensor([[[1.0, 4.0], [3.0, 2.0], [100.0, 100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    expected = {
        "cls": [1.0, 4.0],
        "lasttoken": [3.0, 2.0],
        "max": [3.0, 4.0],
        "mean": [2.0, 3.0],
        "mean_sqrt_len_tokens": [4 / 2**0.5, 6 / 2**0.5],
        "weightedmean": [7 / 3, 8 / 3],
    }
    for mode, values in expected.items():
        torch.testing.assert_close(pool(hidden, mask, mode), torch.tensor([values]))


def test_text_input_size_limits(tiny_bert: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_bert))
    assert prior.preprocessing(8).input_size == 8
    with pytest.raises(PriorError, match="input size 33 is out of range"):
        prior.preprocessing(33)


# The Hub, offline


def test_hub_id_from_the_local_cache(tiny_timm: Path, hub_cache: Callable[..., str]) -> None:
    prior = Prior.from_pretrained(hub_cache(tiny_timm, "someone/tiny"))
    assert prior.revision == COMMIT
    assert prior.fingerprint == Prior.from_pretrained(str(tiny_timm)).fingerprint
    assert Prior.from_pretrained("someone/tiny", revision=COMMIT).revision == COMMIT
    with pytest.raises(PriorError, match="not in the local Hub cache"):
        Prior.from_pretrained("someone/tiny", revision="f" * 40)


@pytest.mark.parametrize("name", ["timm/test_efficientnet", "timm:test_efficientnet.r160_in1k"])
def test_timm_name_is_timms_own_repository(name: str, tiny_timm: Path, hub_cache: Callable[..., str]) -> None:
    hub_cache(tiny_timm, "timm/test_efficientnet.r160_in1k")
    assert Prior.from_pretrained(name).revision == COMMIT


def test_transformers_hub_id(tiny_bert: Path, hub_cache: Callable[..., str]) -> None:
    assert Prior.from_pretrained(hub_cache(tiny_bert, "someone/bert")).revision == COMMIT


# Bad input


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "name is ''"),
        ("no/such/thing/at/all", "not a Hub id"),
        ("nobody/nothing", "unknown prior nobody/nothing"),
        ("timm/efficientnet_zz", "timm has no architecture"),
        ("timm/test_efficientnet.nope", "unknown prior"),
    ],
)
def test_unknown_priors(name: str, message: str) -> None:
    with pytest.raises(PriorError, match=message):
        Prior.from_pretrained(name)


def test_local_prior_takes_no_revision(tiny_timm: Path) -> None:
    with pytest.raises(PriorError, match="local path"):
        Prior.from_pretrained(str(tiny_timm), revision="main")


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match=r"no config\.json"):
        Prior.from_pretrained(str(tmp_path))


def test_folder_without_weights(tiny_timm: Path, tmp_path: Path) -> None:
    folder = copied(tiny_timm, tmp_path / "a")
    (folder / "model.safetensors").unlink()
    with pytest.raises(PriorError, match="no weights"):
        Prior.from_pretrained(str(folder))


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_safetensors(tiny_timm: Path, tmp_path: Path, keep: int) -> None:
    folder = copied(tiny_timm, tmp_path / "a")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PriorError, match="truncated or not a safetensors file"):
        Prior.from_pretrained(str(folder))


class _Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("legacy", [False, True])
def test_pth_that_holds_code_is_refused_and_not_run(tiny_timm: Path, tmp_path: Path, legacy: bool) -> None:
    folder = copied(tiny_timm, tmp_path / "a")
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "executed"
    if legacy:
        (folder / "model.pth").write_bytes(pickle.dumps({"x": _Payload(mark)}))
    else:
        torch.save({"x": _Payload(mark)}, folder / "model.pth")
    with pytest.raises(PriorError, match="could run code"):
        Prior.from_pretrained(str(folder))
    assert not mark.exists()


def test_truncated_pth(tiny_timm: Path, tmp_path: Path) -> None:
    folder = copied(tiny_timm, tmp_path / "a")
    buffer = io.BytesIO()
    torch.save(load_file(folder / "model.safetensors"), buffer)
    (folder / "model.safetensors").unlink()
    (folder / "model.pth").write_bytes(buffer.getvalue()[:5000])
    with pytest.raises(PriorError, match=r"model\.pth is truncated or not a PyTorch checkpoint"):
        Prior.from_pretrained(str(folder))


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_refused(tiny_bert: Path, tmp_path: Path, file: str) -> None:
    folder = copied(tiny_bert, tmp_path / "a")
    config = json.loads((folder / file).read_text())
    config["auto_map"] = {"AutoModel": "modeling.Evil"}
    (folder / file).write_text(json.dumps(config))
    (folder / "modeling.py").write_text("raise SystemExit('executed')")
    with pytest.raises(PriorError, match="remote code"):
        Prior.from_pretrained(str(folder))


def test_numbers_that_only_some_readers_of_json_know(tiny_bert: Path, tmp_path: Path) -> None:
    """transformers writes such: an attention scale of Infinity, "no limit" as an integer of 31 digits."""
    folder = copied(tiny_bert, tmp_path / "a")
    plain = Prior.from_pretrained(str(tiny_bert))
    for file, more in (
        ("config.json", {"scale": math.inf, "unknown": math.nan, "large": 1e999}),
        ("tokenizer_config.json", {"model_max_length": 1000000000000000019884624838656}),
    ):
        content = json.loads((folder / file).read_text()) | more
        (folder / file).write_text(json.dumps(content).replace("{", '{"one": 1, "one": 2, ', 1))
    assert "Infinity" in (folder / "config.json").read_text()
    assert "1000000000000000019884624838656" in (folder / "tokenizer_config.json").read_text()
    prior = Prior.from_pretrained(str(folder))
    assert prior.fingerprint == plain.fingerprint
    assert prior.preprocessing().tokens(["a good film"], None) == plain.preprocessing().tokens(
        ["a good film"], None
    )


def test_a_large_tokenizer_config_is_read(tiny_bert: Path, tmp_path: Path) -> None:
    """Gemma's is larger than a certificate may be: it lists thousands of added tokens."""
    folder = copied(tiny_bert, tmp_path / "a")
    file = folder / "tokenizer_config.json"
    content = json.loads(file.read_text()) | {"unused": ["<unused token>"] * 100_000}
    file.write_text(json.dumps(content))
    assert file.stat().st_size > 1_500_000
    Prior.from_pretrained(str(folder)).preprocessing()


def test_config_that_is_not_json(tiny_bert: Path, tmp_path: Path) -> None:
    folder = copied(tiny_bert, tmp_path / "a")
    (folder / "config.json").write_text("{")
    with pytest.raises(PriorError, match="not valid JSON"):
        Prior.from_pretrained(str(folder))
    (folder / "config.json").write_text('{"model_type": "no_such_type"}')
    with pytest.raises(PriorError, match="no_such_type"):
        Prior.from_pretrained(str(folder))


def _drop(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[next(name for name in tensors if name.endswith(".weight") and "head" not in name)]


def _add(tensors: dict[str, torch.Tensor]) -> None:
    tensors["encoder.layer.7.stowaway.weight"] = torch.zeros(3)


def _reshape(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if tensors[name].ndim >= 2)
    tensors[name] = tensors[name][:-1].clone()


@pytest.mark.parametrize("fixture", ["tiny_timm", "tiny_bert", "tiny_vit_classifier"])
@pytest.mark.parametrize("change", [_drop, _add, _reshape])
def test_every_tensor_is_accounted_for(
    fixture: str,
    change: Callable[[dict[str, torch.Tensor]], None],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    folder = change_weights(copied(request.getfixturevalue(fixture), tmp_path / "a"), change)
    with pytest.raises(PriorError, match=r"cannot be loaded|does not fit"):
        Prior.from_pretrained(str(folder))


def _poison(tensors: dict[str, torch.Tensor]) -> None:
    next(value for value in tensors.values() if value.is_floating_point()).view(-1)[0] = float("nan")


def test_weights_that_are_not_numbers(tiny_timm: Path, tmp_path: Path) -> None:
    with pytest.raises(PriorError, match="NaN"):
        Prior.from_pretrained(str(change_weights(copied(tiny_timm, tmp_path / "a"), _poison)))


def test_sharded_weights(tiny_bert: Path, tmp_path: Path) -> None:
    folder = copied(tiny_bert, tmp_path / "a")
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[:5], "model-00002-of-00002.safetensors": names[5:]}
    for file, some in parts.items():
        save_file({name: tensors[name] for name in some}, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {name: file for file, some in parts.items() for name in some}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    whole, sharded = (Prior.from_pretrained(str(item)) for item in (tiny_bert, folder))
    assert whole.fingerprint == sharded.fingerprint
    first, second = (prior.build(2).state_dict() for prior in (whole, sharded))
    assert all(torch.equal(first[name], second[name]) for name in first)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(PriorError, match="model-00002-of-00002"):
        Prior.from_pretrained(str(folder))


def test_unknown_timm_architecture(tmp_path: Path) -> None:
    folder = save_timm(tmp_path / "a", "test_resnet")
    config = json.loads((folder / "config.json").read_text())
    config["architecture"] = "resnet_of_the_future"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(PriorError, match="resnet_of_the_future"):
        Prior.from_pretrained(str(folder))


def test_a_broken_card_is_reported_not_fatal(tiny_timm: Path, tmp_path: Path) -> None:
    folder = copied(tiny_timm, tmp_path / "a")
    (folder / "README.md").write_text("---\nlicense: [\n---\n# tiny\n")
    assert "card_error" in Prior.from_pretrained(str(folder)).provenance


# Registry packages


def test_efficientnet_lite0_from_its_package(tmp_path: Path) -> None:
    folder = export_efficientnet_lite0(tmp_path / "lite0")
    prior = Prior.from_pretrained(str(folder))
    assert (prior.architecture, prior.num_parameters) == ("tf_efficientnet_lite0", 4_652_008)
    # The fingerprint is part of the certificate format: it may never change for the same tensors.
    assert prior.fingerprint == "afcb704dee2b00c0077f3b7541a74c3b250c073189e5a247ca933afb2312402f"
    assert prior.preprocessing().to_dict()["mean"] == [0.5, 0.5, 0.5]
    with pytest.raises(OutputError, match="exists already"):
        export_efficientnet_lite0(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["lite0"]


def test_mnist5000_from_its_package(tmp_path: Path) -> None:
    data = LabelledData.load(str(export_mnist5000(tmp_path / "mnist5000")))
    assert (data.n, data.num_classes, data.is_greyscale) == (5000, 10, True)
    assert np.bincount(data.labels).tolist() == [500] * 10
    assert [image.size for image, _ in zip(data.images(), range(3), strict=False)] == [(28, 28)] * 3


def test_several_weight_files_want_a_name(tiny_timm: Path, tmp_path: Path) -> None:
    folder = copied(tiny_timm, tmp_path / "a")
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    assert Prior.from_pretrained(str(folder)).provenance["files"] == ["one.safetensors"]
    shutil.copy(folder / "one.safetensors", folder / "two.safetensors")
    with pytest.raises(PriorError, match=r"several \*\.safetensors files"):
        Prior.from_pretrained(str(folder))
    assert Prior.from_pretrained(str(folder / "two.safetensors")).provenance["files"] == ["two.safetensors"]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("[]", "not an object"),
        ("{", "not valid JSON"),
        ('{"weight_map": ["a"]}', "not a weight index"),
        ('{"weight_map": {"a": ["b"]}}', "not in its folder"),
        ('{"weight_map": {"a": "../outside.safetensors"}}', "not in its folder"),
    ],
)
def test_bad_weight_index(index: str, message: str, tiny_bert: Path, tmp_path: Path) -> None:
    folder = copied(tiny_bert, tmp_path / "a")
    (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(PriorError, match=message):
        Prior.from_pretrained(str(folder))


def test_checkpoint_without_a_tokenizer(tiny_bert: Path, tmp_path: Path) -> None:
    folder = copied(tiny_bert, tmp_path / "a")
    for path in folder.glob("*token*"):
        path.unlink()
    with pytest.raises(PriorError, match="no tokenizer"):
        Prior.from_pretrained(str(folder))


def test_tokenizer_of_another_model(tmp_path: Path, save_bert: Callable[..., Path]) -> None:
    folder = save_bert(tmp_path / "small", vocab_size=20)
    with pytest.raises(PriorError, match="25 tokens and embeddings for 20"):
        Prior.from_pretrained(str(folder))


def test_checkpoint_without_an_image_processor(tiny_vit_classifier: Path, tmp_path: Path) -> None:
    folder = copied(tiny_vit_classifier, tmp_path / "a")
    for path in folder.glob("*processor*"):
        path.unlink()
    with pytest.raises(PriorError, match="no image processor"):
        Prior.from_pretrained(str(folder))


def test_state_dict_of_something_else(tiny_timm: Path, tmp_path: Path) -> None:
    folder = copied(tiny_timm, tmp_path / "a")
    (folder / "model.safetensors").unlink()
    torch.save([1, 2, 3], folder / "model.pth")
    with pytest.raises(PriorError, match="state dict"):
        Prior.from_pretrained(str(folder))

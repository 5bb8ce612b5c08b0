"""What people reported of other tools when they finetuned a model, done with this one: one test a report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from case_files import bert, content_of, pictures_in_folders, quick, small_bert, small_timm, texts, told
from conftest import save_rows, save_timm
from safetensors.torch import load_file, save_file

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig, certify
from transferbound.priors import Prior

Capture = pytest.CaptureFixture[str]


def test_a_folder_named_like_a_format_and_nothing_beside_it(tmp_path: Path, capsys: Capture) -> None:
    """huggingface/datasets#5228."""
    pictures_in_folders(tmp_path / "imagefolder" / "train", n=20)
    pictures_in_folders(tmp_path / "other" / "train", n=8)
    found = told(tmp_path, capsys, *quick(small_timm(), "imagefolder", "--input-size", 32))
    assert found.code in (0, 3), found.err
    data = content_of(tmp_path)["dataset"]
    assert (data["rows"], data["class_names"]) == (20, ["cat", "dog"])


@pytest.mark.parametrize(
    "kind", ["CamembertModel", "XLMRobertaModel", "MPNetModel", "BertModel", "LongformerModel"]
)
def test_texts_are_cut_to_the_position_table(tmp_path: Path, kind: str) -> None:
    """huggingface/transformers#4153."""
    more = {"attention_window": 4} if kind == "LongformerModel" else {}
    prior = Prior.from_pretrained(
        str(bert(tmp_path / "prior", kind, max_position_embeddings=20, pad_token_id=1, **more))
    )
    most = prior.input_size
    assert most == (20 if kind == "BertModel" else 18)
    module = prior.build(2)
    ids = torch.full((1, most), 7)
    with torch.inference_mode():
        assert torch.isfinite(module(input_ids=ids, attention_mask=torch.ones_like(ids))).all()


def test_damaged_images_are_all_named_by_their_files(tmp_path: Path, capsys: Capture) -> None:
    """pytorch/vision#485."""
    pictures_in_folders(tmp_path / "data" / "train", n=12)
    for file in ("cat/004.png", "dog/005.png", "dog/011.png"):
        path = tmp_path / "data" / "train" / file
        path.write_bytes(path.read_bytes()[:40])
    (tmp_path / "data" / "train" / "cat" / "006.png").write_text("no picture", encoding="utf-8")
    found = told(tmp_path, capsys, *quick(small_timm(), "data"))
    assert found.code == 2
    assert "4 images cannot be read" in found.line
    assert all(
        re.search(rf"{file[4:]}\)", found.line) for file in ("cat/004.png", "cat/006.png", "dog/011.png")
    )
    assert "0x" not in found.line


def test_training_that_diverges_says_so(tmp_path: Path, capsys: Capture) -> None:
    """NVIDIA/DeepLearningExamples#543."""
    texts(tmp_path / "data", n=200)
    found = told(tmp_path, capsys, *quick(small_bert(), "data", "--learning-rate", "1e12"))
    assert found.code == 2
    assert re.search(r"training diverged at step \d+.*lower --learning-rate, which is 1e\+12", found.line)
    assert not list(tmp_path.glob("out*"))


def test_files_that_a_word_in_their_name_puts_elsewhere(tmp_path: Path, capsys: Capture) -> None:
    """huggingface/datasets#7201."""
    pictures_in_folders(tmp_path / "data", n=20, name=lambda n: f"train_{n}.png" if n < 8 else f"{n:03d}.png")
    found = told(tmp_path, capsys, *quick(small_timm(), "data", "--input-size", 32))
    assert found.code in (0, 3), found.err
    content = content_of(tmp_path)
    assert content["dataset"]["rows"] == 8
    said = "WARNING: 12 of the 20 files of data in the folder are in none of its splits, and the split train has 8 rows"
    assert any(line.startswith(said) for line in content["assumptions"])
    assert said.removeprefix("WARNING: ") in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_classifier_that_is_no_better_than_one_answer(tmp_path: Path, capsys: Capture) -> None:
    """ThilinaRajapakse/simpletransformers#18."""
    rows = {
        "text": [f"w{i % 20} w{i % 7}" for i in range(100)],
        "label": [int(i % 25 == 0) for i in range(100)],
    }
    save_rows(tmp_path / "data", rows)
    found = told(tmp_path, capsys, *quick(small_bert(), "data"))
    assert found.code in (0, 3), found.err
    said = "WARNING: the classifier is no better than always answering 'class0'"
    assert [
        line for line in content_of(tmp_path)["assumptions"] if line.startswith(said) and "lies above" in line
    ]


def test_a_head_whose_classes_are_the_other_way_round(tmp_path: Path) -> None:
    """DFKI-NLP/thermostat#10."""
    right = bert(tmp_path / "right", "BertForSequenceClassification", id2label={0: "bad", 1: "good"})
    turned = tmp_path / "turned"
    shutil.copytree(right, turned)
    config = json.loads((turned / "config.json").read_text(encoding="utf-8"))
    config |= {"id2label": {"0": "good", "1": "bad"}, "label2id": {"good": 0, "bad": 1}}
    (turned / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = load_file(turned / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = tensors[name].flip(0).contiguous()
    save_file(tensors, turned / "model.safetensors", metadata={"format": "pt"})
    batch = {"input_ids": torch.tensor([[2, 7, 8, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    with torch.inference_mode():
        logits = [
            Prior.from_pretrained(str(folder)).build(2, class_names=("bad", "good"))(**batch)
            for folder in (right, turned)
        ]
    assert torch.equal(*logits)
    assert Prior.from_pretrained(str(right)).head_start(2, ("cats", "dogs")) == "zero, other classes"


def test_labels_that_count_from_one(tmp_path: Path, capsys: Capture) -> None:
    """AlfredXiangWu/LightCNN#5."""
    rows = {"text": [f"w{i % 20} w{i % 7}" for i in range(40)], "label": [str(1 + i % 2) for i in range(40)]}
    _write_csv(tmp_path / "data" / "train.csv", rows)
    found = told(tmp_path, capsys, *quick(small_bert(), "data", "--num-classes", 2))
    assert found.code == 2
    assert "labels count from 0" in found.line
    assert "--class-names 1,2" in found.line
    assert "drop" not in found.line
    found = told(tmp_path, capsys, *quick(small_bert(), "data", "--class-names", "1,2"))
    assert found.code in (0, 3), found.err
    assert content_of(tmp_path)["dataset"]["class_names"] == ["1", "2"]


def test_an_architecture_of_fixed_size_on_small_pictures(tmp_path: Path, capsys: Capture) -> None:
    """huggingface/pytorch-image-models#1540."""
    import timm
    from timm.models import save_for_hf

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        small = {"embed_dim": (16, 32, 32), "num_heads": (2, 2, 2), "depth": (1, 1, 1)}
        model = timm.create_model("levit_128s", num_classes=5, **small)
    save_for_hf(model, str(tmp_path / "levit"), safe_serialization=True, model_args=small)
    pictures_in_folders(tmp_path / "data" / "train", n=8)
    found = told(tmp_path, capsys, *quick("levit", "data"))
    assert found.code in (0, 3), found.err
    assert content_of(tmp_path)["decoder"]["input_size"] == 0


def test_masked_image_checkpoints(tmp_path: Path, capsys: Capture) -> None:
    """huggingface/transformers#13808."""
    import transformers

    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
    }
    sizes |= {"intermediate_size": 32, "patch_size": 8, "encoder_stride": 8}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        transformers.ViTForMaskedImageModeling(transformers.ViTConfig(**sizes)).save_pretrained(
            tmp_path / "mim"
        )
        del sizes["encoder_stride"]
        decoder = {"decoder_hidden_size": 16, "decoder_intermediate_size": 32, "decoder_num_hidden_layers": 1}
        config = transformers.ViTMAEConfig(**sizes, **decoder, decoder_num_attention_heads=2)
        transformers.ViTMAEForPreTraining(config).save_pretrained(tmp_path / "mae")
    for name in ("mim", "mae"):
        transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / name)
    prior = Prior.from_pretrained(str(tmp_path / "mim"))
    assert "vit.embeddings.mask_token" in prior.unused
    assert prior.build(3)(pixel_values=torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    pictures_in_folders(tmp_path / "data" / "train", n=8)
    found = told(tmp_path, capsys, *quick("mae", "data"))
    assert found.code == 2
    assert "ViTMAEForPreTraining" in found.line
    assert "is a masked autoencoder" in found.line


def test_one_run_after_another_in_another_precision(tmp_path: Path) -> None:
    """huggingface/accelerate#1131."""
    data = str(texts(tmp_path / "data", n=40))
    for precision in ("no", "bf16", "no"):
        how = FinetuneSettings(epochs=1, mixed_precision=precision)
        settings = CertifySettings(subspace=SubspaceConfig("film", dim=12), finetune=how)
        assert certify(str(small_bert()), data, settings=settings, progress=False).content["n"] == 40


def test_an_adapter_names_its_base(tmp_path: Path, capsys: Capture) -> None:
    """huggingface/peft#523."""
    (tmp_path / "adapter").mkdir()
    config = {"peft_type": "LORA", "base_model_name_or_path": "someone/base", "r": 4}
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(
        {"base_model.model.x.lora_A.weight": torch.zeros(2, 2)},
        tmp_path / "adapter" / "adapter_model.safetensors",
    )
    texts(tmp_path / "data", n=8)
    found = told(tmp_path, capsys, *quick("adapter", "data"))
    assert found.code == 2
    assert "adapter (peft LORA) of 'someone/base'" in found.line
    assert "merge_and_unload" in found.line


def test_labels_that_are_words(tmp_path: Path, capsys: Capture) -> None:
    """huggingface/transformers#2869."""
    words = ("negative", "positive")
    _write_csv(
        tmp_path / "data" / "train.csv",
        {"text": [f"w{i % 20}" for i in range(40)], "label": [words[i % 2] for i in range(40)]},
    )
    found = told(tmp_path, capsys, *quick(small_bert(), "data"))
    assert found.code == 2
    assert "--class-names" in found.line
    found = told(tmp_path, capsys, *quick(small_bert(), "data", "--class-names", "positive,negative"))
    assert found.code in (0, 3), found.err
    data = content_of(tmp_path)["dataset"]
    assert (data["class_names"], data["classes_from"]) == (["positive", "negative"], "words")
    found = told(tmp_path, capsys, "verify", "out", "--quiet")
    assert found.code == 0, found.err
    shutil.rmtree(tmp_path / "out")
    found = told(tmp_path, capsys, *quick(small_bert(), "data", "--class-names", "good,bad"))
    assert found.code == 2
    assert "'negative'" in found.line
    assert "'good', 'bad'" in found.line


def test_a_timm_model_as_transformers_saves_it(tmp_path: Path) -> None:
    """huggingface/transformers#34564."""
    plain = save_timm(tmp_path / "plain", "test_efficientnet", num_classes=3)
    (tmp_path / "wrapped").mkdir()
    config = json.loads((plain / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "timm_wrapper", "architectures": ["TimmWrapperForImageClassification"]}
    (tmp_path / "wrapped" / "config.json").write_text(
        json.dumps(config | {"model_args": None}), encoding="utf-8"
    )
    tensors = {f"timm_model.{name}": value for name, value in load_file(plain / "model.safetensors").items()}
    save_file(tensors, tmp_path / "wrapped" / "model.safetensors", metadata={"format": "pt"})
    batch = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = [
            Prior.from_pretrained(str(tmp_path / name)).build(3)(pixel_values=batch)
            for name in ("plain", "wrapped")
        ]
    assert torch.equal(*logits)


def test_a_certificate_is_verified_from_elsewhere(tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(small_bert(), tmp_path / "priors" / "bert")
    texts(tmp_path / "work" / "data", n=40)
    found = told(tmp_path / "work", capsys, *quick("../priors/bert", "data"))
    assert found.code in (0, 3), found.err
    (tmp_path / "away").mkdir()
    assert told(tmp_path / "away", capsys, "verify", tmp_path / "work" / "out", "--quiet").code == 0
    shutil.move(tmp_path / "work" / "data", tmp_path / "moved")
    found = told(tmp_path / "away", capsys, "verify", tmp_path / "work" / "out", "--quiet")
    assert found.code == 2
    assert "--dataset" in found.line
    shutil.move(tmp_path / "priors", tmp_path / "others")
    found = told(tmp_path / "away", capsys, "verify", tmp_path / "work" / "out", "--quiet")
    assert found.code == 2
    assert "--prior" in found.line


def test_words_that_look_like_missing_values(tmp_path: Path, capsys: Capture) -> None:
    """huggingface/datasets#4467."""
    said = ["null", "NA", "None", "nan", "N/A", "w1", "w2", "w3"] * 4
    _write_csv(tmp_path / "data" / "train.csv", {"text": said, "label": [str(i % 2) for i in range(32)]})
    found = told(tmp_path, capsys, *quick(small_bert(), "data", "--num-classes", 2))
    assert found.code in (0, 3), found.err
    assert content_of(tmp_path)["dataset"]["rows"] == 32
    assert told(tmp_path, capsys, "verify", "out", "--quiet").code == 0


def test_rows_that_were_drawn_and_mapped_are_verified_and_predicted_alike(
    tmp_path: Path, capsys: Capture
) -> None:
    words = [str(1 + i % 5) for i in range(60)]
    rows = {
        "title": [f"w{i % 20}" for i in range(60)],
        "body": [f"w{i % 7}" for i in range(60)],
        "stars": words,
    }
    _write_csv(tmp_path / "data" / "a.csv", rows)
    _write_csv(tmp_path / "data" / "b.csv", rows)
    how = (
        "--label-map",
        "1=bad,2=bad,3=bad,4=good,5=good",
        "--label-column",
        "stars",
        "--data-files",
        "a.csv",
    )
    draw = ("--max-rows", 40, "--shuffle-seed", 2)
    found = told(tmp_path, capsys, *quick(small_bert(), "data", *how, *draw))
    assert found.code in (0, 3), found.err
    data = content_of(tmp_path)["dataset"]
    assert (data["rows"], data["draw"]) == (40, {"seed": 2, "units": 40, "of": 60})
    assert (data["class_names"], data["columns"]["text"]) == (["bad", "good"], ["title", "body"])
    assert told(tmp_path, capsys, "verify", "out", "--quiet").code == 0
    found = told(tmp_path, capsys, "predict", "out", "w1", "w2", "--quiet", "--json")
    assert json.loads(found.out)["label"] in ("bad", "good", None)


def _write_csv(path: Path, rows: dict[str, list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(rows), *(",".join(row) for row in zip(*rows.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

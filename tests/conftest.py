"""Tiny checkpoints and data sets in Hub layout, and a Hub cache that holds them; no network anywhere."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:  # side by side, more threads than cores only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Read once by huggingface_hub and datasets when they are first imported.
_HOME = os.environ.get("TRANSFERBOUND_TESTS_HOME") or tempfile.mkdtemp(prefix="transferbound-tests-")
Path(_HOME).mkdir(parents=True, exist_ok=True)
os.environ["HF_HOME"] = _HOME
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFERBOUND_CACHE"] = os.path.join(_HOME, "transferbound")
for _name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
    os.environ.pop(_name, None)

import datasets  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

datasets.disable_progress_bars()

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_WORDS = [
    "the",
    "a",
    "film",
    "is",
    "good",
    "bad",
    "great",
    "dull",
    "plot",
    "actor",
    "scene",
    "music",
    "funny",
]
_WORDS += ["sad", "very", "not", "and", "but", "of", "it"]


def pytest_sessionfinish() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def tiny_timm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """timm's ``test_efficientnet``, random weights, 10 classes, as timm saves it for the Hub."""
    return save_timm(tmp_path_factory.mktemp("checkpoints") / "tiny-timm", "test_efficientnet")


@pytest.fixture(scope="session")
def tiny_timm_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_timm(tmp_path_factory.mktemp("checkpoints") / "tiny-vit", "test_vit")


def save_timm(folder: Path, architecture: str, num_classes: int = 10) -> Path:
    import timm
    from timm.models import save_for_hf

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = timm.create_model(architecture, num_classes=num_classes)
    save_for_hf(model, str(folder), safe_serialization=True)
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\ndatasets:\n- imagenet-1k\n---\n# tiny\n", encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """A word-level tokenizer with BERT's special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


@pytest.fixture(scope="session")
def save_bert(tiny_tokenizer: Any) -> Callable[..., Path]:
    """``save_bert(folder, class_name, **config)`` writes a one-layer BERT of 16 dimensions."""

    def save(folder: Path, class_name: str = "BertModel", **changes: Any) -> Path:
        import transformers

        sizes = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 40}
        config = transformers.BertConfig(
            **{
                **sizes,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "hidden_dropout_prob": 0.5,
                **changes,
            }
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            model = getattr(transformers, class_name)(config)
        model.save_pretrained(folder)
        tiny_tokenizer.save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, save_bert: Callable[..., Path]) -> Path:
    return save_bert(tmp_path_factory.mktemp("checkpoints") / "tiny-bert")


@pytest.fixture(scope="session")
def tiny_vit_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers ViT image classifier, 32 x 32, 10 classes, with its image processor."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-hf-vit"
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        num_labels=10,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def image_rows(n: int = 24, num_classes: int = 3, side: int = 12, mode: str = "L") -> dict[str, list[Any]]:
    """``n`` distinct random images with labels 0, 1, 2, 0, ..."""
    generator = np.random.default_rng(0)
    shape = (n, side, side) if mode == "L" else (n, side, side, 3)
    pixels = generator.integers(0, 256, shape, dtype=np.uint8)
    return {"image": [Image.fromarray(item) for item in pixels], "label": [i % num_classes for i in range(n)]}


def text_rows(n: int = 24, num_classes: int = 2) -> dict[str, list[Any]]:
    generator = np.random.default_rng(1)
    texts = [" ".join(generator.choice(_WORDS, size=3 + i % 9)) + f" {i}" for i in range(n)]
    return {"text": texts, "label": [i % num_classes for i in range(n)]}


def save_rows(folder: Path, rows: dict[str, Any], split: str = "train", **features: Any) -> Path:
    """Write rows as parquet with declared features, in Hub layout."""
    known: dict[str, Any] = {"image": datasets.Image(), "text": datasets.Value("string")}
    if "label" in rows and "label" not in features:
        names = [f"class{i}" for i in range(max(rows["label"], default=0) + 1)]
        features["label"] = datasets.ClassLabel(names=names)
    kinds = {key: features.get(key) or known.get(key) or datasets.Value("string") for key in rows}
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_dict(rows, features=datasets.Features(kinds))
    table.to_parquet(str(folder / "data" / f"{split}-00000-of-00001.parquet"))
    return folder


@pytest.fixture(scope="session")
def tiny_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_rows(tmp_path_factory.mktemp("data") / "tiny-images", image_rows())


@pytest.fixture(scope="session")
def tiny_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_rows(tmp_path_factory.mktemp("data") / "tiny-texts", text_rows())


@pytest.fixture
def hub_cache() -> Iterator[Callable[..., str]]:
    """``hub_cache(folder, repo_id, repo_type)`` puts a folder into the Hub cache as ``hf download`` does."""
    placed: list[Path] = []

    def place(folder: Path, repo_id: str, repo_type: str = "model", commit: str = COMMIT) -> str:
        root = Path(_HOME) / "hub" / f"{repo_type}s--{repo_id.replace('/', '--')}"
        shutil.copytree(folder, root / "snapshots" / commit)
        (root / "refs").mkdir(exist_ok=True)
        (root / "refs" / "main").write_text(commit, encoding="utf-8")
        placed.append(root)
        return repo_id

    yield place
    for root in placed:
        shutil.rmtree(root, ignore_errors=True)

"""transformers image classifiers and text encoders."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from transferbound.errors import PriorError
from transferbound.priors.backends.backend import Backend, quiet_construction
from transferbound.priors.backends.dense import DenseLayer, dense_layers
from transferbound.priors.backends.image_processor import image_preprocessing
from transferbound.priors.backends.preprocessing import ImagePreprocessing, TextPreprocessing
from transferbound.priors.backends.wrappers import (
    POOLINGS,
    ImageClassifier,
    PooledTextClassifier,
    TextClassifier,
)
from transferbound.priors.checkpoint.resolve import Checkpoint

__all__ = ["MAX_TOKENS", "TransformersBackend"]

#: A row of text is cut to this many tokens unless the user names another input size.
MAX_TOKENS = 128
_VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)
_TOKENIZER_FILES = (
    *_VOCABULARY_FILES,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


class TransformersBackend(Backend):
    """A checkpoint whose ``config.json`` names a transformers model type."""

    source = "transformers"

    def __init__(self, checkpoint: Checkpoint, tensors: dict[str, torch.Tensor]) -> None:
        self._name = checkpoint.name
        self._folder = checkpoint.folder
        self._config = self._read_config(checkpoint.config)
        kind = (checkpoint.config.get("architectures") or [""])[0]
        images = self._config.model_type in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
        self.modality = "image" if images else "text"
        if getattr(self._config, "is_encoder_decoder", False):
            raise PriorError(
                f"the prior {self._name} is an encoder-decoder ({self._config.model_type}); "
                "choose an encoder, a decoder or an image classifier"
            )
        self._pooling = ""
        self._dense: tuple[DenseLayer, ...] = ()
        if images:
            self._factory: Any = transformers.AutoModelForImageClassification
        elif kind.endswith("ForSequenceClassification"):
            self._factory = transformers.AutoModelForSequenceClassification
        else:
            self._factory = transformers.AutoModel
            self._pooling = _pooling(self._folder, self._config, kind, self._name)
            self._dense = dense_layers(self._folder, self._name)
            self._check_dense()
        if not images:
            self._tokenizer = self._read_tokenizer()
            if getattr(self._config, "pad_token_id", None) is None:
                # Decoders with a classifier look for the last token that is not this one.
                self._config.pad_token_id = self._pad_id()
        own_head = kind.endswith(("ForSequenceClassification", "ForImageClassification"))
        self.own_classes = int(self._config.num_labels) if own_head else 0
        dense, tensors = self._split(tensors)
        network, info = self._load(tensors)
        self.architecture = type(network).__name__
        self.unused = self._account(network, info, own_head)
        self._state = {f"network.{k}": v.detach().clone() for k, v in network.state_dict().items()} | dense
        if images:
            self._image = image_preprocessing(self._folder, self._name, self._config, 0)
            self.input_size = self._image.input_size
        else:
            self._most_tokens = _most_tokens(self._tokenizer, self._config, self._folder)
            self.input_size = min(MAX_TOKENS, self._most_tokens)

    def state(self, input_size: int) -> dict[str, torch.Tensor]:
        return self._state

    def skeleton(self, num_classes: int, input_size: int) -> nn.Module:
        config = copy.deepcopy(self._config)
        if not self._pooling:
            config.num_labels = num_classes
            config.problem_type = "single_label_classification"
        with quiet_construction(), _quiet_transformers():
            network, _ = self._from_config(config)
            if self._pooling:
                width = self._dense[-1].out_features if self._dense else _hidden_size(config, self._name)
                dense = {layer.place: layer.build() for layer in self._dense}
                return PooledTextClassifier(network, width, num_classes, self._pooling, dense)
        if self.modality == "text":
            return TextClassifier(network)
        resized = input_size not in (0, self.input_size)
        if resized and "interpolate_pos_encoding" in inspect.signature(network.forward).parameters:
            return ImageClassifier(network, interpolate_pos_encoding=True)
        return ImageClassifier(network)

    def preprocessing(self, input_size: int) -> ImagePreprocessing | TextPreprocessing:
        if self.modality == "image":
            if input_size in (0, self.input_size):
                return self._image
            return image_preprocessing(self._folder, self._name, self._config, input_size)
        size = input_size or self.input_size
        if not 2 <= size <= self._most_tokens:
            raise PriorError(
                f"input size {size} is out of range; the prior {self._name} reads "
                f"2 to {self._most_tokens} tokens"
            )
        tokenizer = self._tokenizer
        special = (
            tokenizer.eos_token_id,
            tokenizer.bos_token_id,
            tokenizer.unk_token_id,
            tokenizer.pad_token_id,
        )
        digest = hashlib.sha256()
        for name in _TOKENIZER_FILES:
            if (self._folder / name).is_file():
                digest.update(f"{name}\0".encode() + (self._folder / name).read_bytes() + b"\0")
        return TextPreprocessing(
            input_size=size,
            tokenizer=tokenizer,
            description={
                "source": "transformers",
                "tokenizer": type(tokenizer).__name__,
                "tokenizer_sha256": digest.hexdigest(),
                "truncation": "longest_first",
                "pooling": self._pooling,
                **({"dense": [layer.to_dict() for layer in self._dense]} if self._dense else {}),
            },
            token_types="token_type_ids" in tokenizer.model_input_names,
            pad_id=self._pad_id(),
            empty_id=next((int(i) for i in special if i is not None), 0),
        )

    def _pad_id(self) -> int:
        """Any id does where the tokenizer has none: the attention mask hides what is padded."""
        return 0 if self._tokenizer.pad_token_id is None else int(self._tokenizer.pad_token_id)

    def _read_config(self, raw: dict[str, Any]) -> Any:
        try:
            with _quiet_transformers():
                return transformers.AutoConfig.from_pretrained(
                    self._folder, trust_remote_code=False, local_files_only=True
                )
        except (ValueError, KeyError, OSError, TypeError) as error:
            raise PriorError(
                f"the prior {self._name}: transformers {transformers.__version__} does not know model type "
                f"{raw.get('model_type')!r} ({str(error).splitlines()[0]})"
            ) from error

    def _check_dense(self) -> None:
        width = _hidden_size(self._config, self._name)
        for layer in self._dense:
            if layer.in_features != width:
                raise PriorError(
                    f"the prior {self._name}: the dense layer {layer.place} reads {layer.in_features} features, "
                    f"and {width} come before it"
                )
            width = layer.out_features

    def _split(
        self, tensors: dict[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """The dense layers' tensors under the skeleton's names, and the network's."""
        places = tuple(f"{layer.place}." for layer in self._dense)
        dense = {f"dense.{key}": value for key, value in tensors.items() if key.startswith(places)}
        return dense, {key: value for key, value in tensors.items() if not key.startswith(places)}

    def _load(self, tensors: dict[str, torch.Tensor]) -> tuple[nn.Module, dict[str, Any]]:
        """The network and transformers' report, from the very tensors that were hashed."""
        try:
            with quiet_construction(), _quiet_transformers():
                with torch.device("meta"):
                    empty, extra = self._from_config(copy.deepcopy(self._config))
                network, info = type(empty).from_pretrained(
                    None,
                    config=copy.deepcopy(self._config),
                    state_dict=dict(tensors),
                    dtype=torch.float32,
                    output_loading_info=True,
                    **extra,
                )
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).strip().splitlines()
            raise PriorError(
                f"the prior {self._name} cannot be loaded: {reason[0] if reason else error!r}"
            ) from error
        return network, info

    def _from_config(self, config: Any) -> tuple[Any, dict[str, Any]]:
        """An untrained network, and the arguments that leave out a pooler which nothing would read."""
        if self._pooling:
            try:
                extra = {"add_pooling_layer": False}
                return self._factory.from_config(config, trust_remote_code=False, **extra), extra
            except TypeError:  # this architecture has no pooling layer to leave out
                pass
        return self._factory.from_config(config, trust_remote_code=False), {}

    def _account(self, network: nn.Module, info: dict[str, Any], own_head: bool) -> tuple[str, ...]:
        """Every tensor has its place, or is a head that this prior leaves out. Returns those left out."""
        mismatched = sorted(str(item[0]) for item in info["mismatched_keys"])
        missing = sorted(info["missing_keys"])
        if not own_head and not self._pooling:
            base = getattr(network, "base_model_prefix", "")
            missing = [key for key in missing if not base or key.startswith(f"{base}.")]
        unused = sorted(info["unexpected_keys"])
        strangers = unused if own_head else [key for key in unused if self._is_backbone(network, key)]
        problems = [
            f"{what}: {', '.join(keys[:8])}{' ...' if len(keys) > 8 else ''}"
            for what, keys in (
                ("missing", missing),
                ("of another shape", mismatched),
                ("unexpected", strangers),
            )
            if keys
        ]
        if problems:
            raise PriorError(
                f"the prior {self._name} does not fit {type(network).__name__}: tensors {'; '.join(problems)}"
            )
        return tuple(unused)

    def _is_backbone(self, network: nn.Module, key: str) -> bool:
        """Whether a tensor that found no place belongs to the encoder, not to a head or a pooler."""
        prefix = f"{getattr(network, 'base_model_prefix', '')}."
        inner = key.removeprefix(prefix).split(".")
        if "pooler" in inner:
            return False
        return key.startswith(prefix) or inner[0] in {name.split(".", 1)[0] for name in network.state_dict()}

    def _read_tokenizer(self) -> Any:
        try:
            with _quiet_transformers():
                tokenizer = transformers.AutoTokenizer.from_pretrained(
                    self._folder, use_fast=True, trust_remote_code=False, local_files_only=True
                )
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            raise PriorError(
                f"the prior {self._name} has no tokenizer that can be read ({str(error).splitlines()[0]}); "
                "tokenizer.json belongs beside its weights"
            ) from error
        # Without a vocabulary file transformers makes an empty tokenizer that knows no word, silently.
        if not any((self._folder / name).is_file() for name in _VOCABULARY_FILES):
            raise PriorError(
                f"the prior {self._name} has no tokenizer: none of {', '.join(_VOCABULARY_FILES)} is beside "
                "its weights"
            )
        rows = getattr(self._config, "vocab_size", None)
        if isinstance(rows, int) and len(tokenizer) > rows:
            raise PriorError(
                f"the prior {self._name} has a tokenizer of {len(tokenizer)} tokens and embeddings for {rows}; "
                "they do not belong together"
            )
        tokenizer.padding_side = "right"
        tokenizer.truncation_side = "right"
        return tokenizer


def _pooling(folder: Path, config: Any, kind: str, name: str) -> str:
    path = folder / "1_Pooling" / "config.json"
    if path.is_file():
        declared = json.loads(path.read_text(encoding="utf-8"))
        modes = [declared["pooling_mode"]] if "pooling_mode" in declared else []
        legacy = {
            "cls_token": "cls",
            "mean_tokens": "mean",
            "max_tokens": "max",
            "weightedmean_tokens": "weightedmean",
        }
        for key, value in declared.items():
            if key.startswith("pooling_mode_") and value is True:
                mode = key.removeprefix("pooling_mode_")
                modes.append(legacy.get(mode, mode))
        if len(modes) != 1 or modes[0] not in POOLINGS:
            raise PriorError(f"the prior {name} pools by {modes}; one of {', '.join(POOLINGS)} is supported")
        return str(modes[0])
    causal = config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    decoder = kind.endswith(("ForCausalLM", "LMHeadModel")) or (causal and not masked)
    return "lasttoken" if decoder else "mean"


def _hidden_size(config: Any, name: str) -> int:
    for key in ("hidden_size", "d_model", "dim", "n_embd"):
        value = getattr(config, key, None)
        if isinstance(value, int):
            return value
    raise PriorError(f"the prior {name}: its config names no hidden size, so no head can be put on it")


def _most_tokens(tokenizer: Any, config: Any, folder: Path) -> int:
    limits = [int(min(tokenizer.model_max_length, 1 << 20))]
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        # RoBERTa and its kin start counting positions after the padding index.
        offset = int(config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
        limits.append(positions - offset)
    path = folder / "sentence_bert_config.json"
    if path.is_file():
        declared = json.loads(path.read_text(encoding="utf-8")).get("max_seq_length")
        if isinstance(declared, int):
            limits.append(declared)
    return min(limits)


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No loading bars and load reports: what is missing or unexpected is our own error to give."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

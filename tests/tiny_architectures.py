"""Small random checkpoints of every text architecture that transformers has, in Hub layout.

``build(name, folder)`` writes one: a configuration shrunk by the names of its numbers, weights drawn from a seed and
large enough for logits to vary from row to row, and a word-level tokenizer beside them. No network, some 20 ms each.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from text_architectures import OVERRIDES, SPECIAL_CASES
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

__all__ = ["MOST_TOKENS", "WORDS", "build", "model_class", "write_configuration"]

MOST_TOKENS = 32
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = [f"w{number}" for number in range(30)]
_VOCABULARY = 48  # more than the tokenizer has: tokens for images, sound and the like come after it
_MOST_PARAMETERS = 1_000_000

_NAMED = [
    (
        32,
        "hidden_size d_model dim n_embd embed_dim emb_dim model_dim embedding_size hidden_dim encoder_hidden_size "
        "embedding_dim moe_hidden_size image_size",
    ),
    (
        2,
        "num_hidden_layers num_layers n_layer n_layers encoder_layers decoder_layers num_decoder_layers "
        "num_key_value_heads num_kv_heads swa_num_key_value_heads n_mamba_heads num_experts_per_tok moe_topk "
        "num_experts_per_token moe_k linear_num_key_heads num_mem_blocks",
    ),
    (
        4,
        "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads "
        "swa_num_attention_heads index_n_heads qk_rope_head_dim num_experts num_local_experts n_routed_experts "
        "moe_num_experts sliding_window sliding_window_size attention_window local_attention mamba_d_state state_size "
        "ssm_state_size mamba_n_heads linear_num_value_heads linear_num_heads",
    ),
    (
        8,
        "head_dim swa_head_dim qk_nope_head_dim v_head_dim index_head_dim d_kv d_head linear_key_head_dim "
        "linear_value_head_dim mamba_d_head kv_channels kv_lora_rank q_lora_rank linear_head_dim chunk_size "
        "mamba_chunk_size index_topk patch_size hidden_size_per_layer_input",
    ),
    (
        48,
        "intermediate_size ffn_dim d_ff dff n_inner d_inner moe_intermediate_size encoder_ffn_dim decoder_ffn_dim "
        "shared_expert_intermediate_size shared_intermediate_size",
    ),
    (_VOCABULARY, "vocab_size vocab_size_per_layer_input"),
    (64, "max_position_embeddings n_positions n_ctx max_seq_len"),
    (1, "n_shared_experts num_shared_experts n_group topk_group first_k_dense_replace num_dense_layers"),
]
_SIZES: dict[str, int] = {}
for _size, _names in _NAMED:
    for _name in _names.split():
        _SIZES[_name] = _size
# Left to be worked out by most configurations, and out of proportion where they are.
_SET_WHERE_ABSENT = ("head_dim", "num_key_value_heads", "vocab_size", "vocab_size_per_layer_input")
_TOKENS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


def build(name: str, folder: Path, seed: int = 5) -> Path:
    """Writes the architecture ``name`` of ``text_architectures()``: a classifier where there is one, else an encoder.

    Raises:
        ValueError: it has more than a million parameters; its configuration needs an entry in ``OVERRIDES``.
    """
    model_type, changes = SPECIAL_CASES.get(name, (name, {}))
    config = _shrunk(CONFIG_MAPPING[model_type], {**OVERRIDES.get(model_type, {}), **changes})
    network_class = model_class(model_type)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        size = _parameters(network_class, config)
        if size > _MOST_PARAMETERS:
            raise ValueError(f"{name} has {size:,} parameters; shrink it in OVERRIDES")
        network = network_class(config)
        _fill(network, seed)
    network.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def write_configuration(model_type: str, folder: Path) -> Path:
    """Writes a full-size configuration with a single tensor: enough for what is refused before weights are read."""
    config = CONFIG_MAPPING[model_type]()
    config.save_pretrained(folder)
    save_file({"tensor": torch.zeros(1)}, folder / "model.safetensors")
    _tokenizer().save_pretrained(folder)
    return folder


def model_class(model_type: str) -> Any:
    """The sequence classifier of a model type, or its bare model where it has none."""
    name = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.get(model_type) or MODEL_MAPPING_NAMES[model_type]
    return getattr(transformers, name if isinstance(name, str) else name[0])


def _shrunk(config_class: type, changes: dict[str, Any]) -> Any:
    known = inspect.signature(config_class).parameters
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        default = parameter.default
        number = isinstance(default, int) and not isinstance(default, bool)
        if name in _SIZES and (number or (default is None and name in _SET_WHERE_ABSENT)):
            values[name] = _SIZES[name]
        elif number and name.endswith(("token_id", "token_index")):
            values[name] = _VOCABULARY - 1
    if "kv_lora_rank" in values and "num_key_value_heads" in known:  # latent attention has no groups of heads
        values["num_key_value_heads"] = values["num_attention_heads"]
    values.update({name: token for name, token in _TOKENS.items() if name in known})
    parts = getattr(config_class, "sub_configs_defaults", None) or {}
    for name, part in parts.items():
        values[name] = _shrunk(part.get_config_class(part.model_type), changes.get(name, {}))
    values.update({name: value for name, value in changes.items() if name not in parts})
    return config_class(**values)


def _parameters(network_class: Any, config: Any) -> int:
    try:
        with torch.device("meta"):
            return sum(value.numel() for value in network_class(config).parameters())
    except (RuntimeError, NotImplementedError):  # an architecture that computes while it is built
        return 0


def _fill(network: nn.Module, seed: int) -> None:
    """Weights of unit gain, embeddings of unit size, some bias: transformers' own 0.02 leaves all rows alike."""
    generator = torch.Generator().manual_seed(seed)
    seen: set[int] = set()
    for module in network.modules():
        for name, value in module.named_parameters(recurse=False):
            if id(value) in seen:  # tied
                continue
            seen.add(id(value))
            noise = torch.randn(value.shape, generator=generator)
            if isinstance(module, nn.Embedding):
                value.copy_(noise)
            elif value.dim() >= 2:
                fan_in = value.shape[1] if value.dim() == 3 else value[0].numel()
                value.copy_(noise / fan_in**0.5)
            elif name == "bias":
                value.copy_(0.1 * noise)
            elif name == "weight":
                value.mul_(1 + 0.1 * noise)
        for name, value in module.named_buffers(recurse=False):
            if name in ("running_mean", "running_var"):
                noise = 0.1 * torch.randn(value.shape, generator=generator)
                value.copy_(noise if name == "running_mean" else 1 + noise.abs())
            elif name in ("x_min", "x_max"):  # ranges of a quantized activation
                value.fill_(-4.0 if name == "x_min" else 4.0)


def _tokenizer() -> Any:
    """Word-level, with BERT's special tokens."""
    core = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate((*_SPECIAL, *WORDS))}, unk_token="[UNK]")
    )
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    pad, unknown, first, last, mask = _SPECIAL
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=pad,
        unk_token=unknown,
        cls_token=first,
        sep_token=last,
        mask_token=mask,
        model_max_length=MOST_TOKENS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )

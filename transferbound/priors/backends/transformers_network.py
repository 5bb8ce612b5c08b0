"""A transformers network from the very tensors that were hashed: each has its place, or is known to be left out."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

import torch
import transformers
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.backends.quiet import quiet_construction, quiet_transformers
from transferbound.priors.checkpoint.resolve import Checkpoint
from transferbound.priors.checkpoint.sizes import check_network

__all__ = ["Head", "TransformersNetwork", "hidden_size", "read_config"]

_KERNELS = ("use_kernels", "kernel_config", "experts_implementation", "_experts_implementation_internal")

Head = Literal["own", "new", "none", "tokens"]
"""``own`` where the checkpoint brings the network's head, ``new`` where the network has one that the checkpoint lacks,
``none`` where the network ends in hidden states, ``tokens`` where its head, the checkpoint's own, predicts tokens."""


def read_config(checkpoint: Checkpoint) -> Any:
    """transformers' configuration of the checkpoint.

    Raises:
        PriorError: its model type is not known, or it is an encoder-decoder.
    """
    try:
        with quiet_transformers():
            config = transformers.AutoConfig.from_pretrained(
                checkpoint.folder, trust_remote_code=False, local_files_only=True
            )
    except (ValueError, KeyError, OSError, TypeError) as error:
        raise PriorError(
            f"the prior {checkpoint.name}: transformers {transformers.__version__} does not know model type "
            f"{checkpoint.config.get('model_type')!r} ({str(error).splitlines()[0]})"
        ) from error
    _own_attention(config)
    if getattr(config, "is_encoder_decoder", False):
        raise PriorError(
            f"the prior {checkpoint.name} is an encoder-decoder ({config.model_type}); "
            "choose an encoder, a decoder or an image classifier"
        )
    return config


def _own_attention(config: Any) -> None:
    """Attention of the library itself, in all parts of the network: other names make it fetch kernels and run them."""
    for part in (config, *(value for value in vars(config).values() if hasattr(value, "model_type"))):
        for key in [key for key in vars(part) if "attn_implementation" in key or key in _KERNELS]:
            if vars(part)[key] not in ("eager", "sdpa"):
                vars(part)[key] = None
        if part is not config:
            _own_attention(part)


def hidden_size(config: Any, name: str) -> int:
    """H, the width of the network's hidden states.

    Raises:
        PriorError: the configuration does not say.
    """
    for key in ("hidden_size", "d_model", "dim", "n_embd"):
        value = getattr(config, key, None)
        if isinstance(value, int):
            return value
    raise PriorError(f"the prior {name}: its config names no hidden size, so no head can be put on it")


@dataclass(frozen=True)
class TransformersNetwork:
    """How the network of a checkpoint is made.

    Attributes:
        name: of the prior, for errors.
        factory: one of transformers' Auto classes.
        config: transformers' configuration.
        head: where the network's head comes from.
    """

    name: str
    factory: Any
    config: Any
    head: Head

    def build(self, num_classes: int) -> Any:
        """A module of the right shapes, whose values are arbitrary; without a head ``num_classes`` says nothing."""
        config = copy.deepcopy(self.config)
        if self.head in ("own", "new"):
            config.num_labels = num_classes
            config.problem_type = "single_label_classification"
        with quiet_construction(), quiet_transformers():
            return self._from_config(config)[0]

    def load(self, tensors: dict[str, torch.Tensor]) -> tuple[nn.Module, tuple[str, ...]]:
        """The checkpoint's network, and the names of the tensors that it leaves out.

        Raises:
            PriorError: a tensor outside the head is missing, unexpected or misshapen.
        """
        try:
            with quiet_construction(), quiet_transformers():
                with torch.device("meta"):
                    empty, extra = self._from_config(copy.deepcopy(self.config))
                check_network(empty, tensors, self.name)
                network, report = type(empty).from_pretrained(
                    None,
                    config=copy.deepcopy(self.config),
                    state_dict=dict(tensors),
                    dtype=torch.float32,
                    output_loading_info=True,
                    **extra,
                )
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).strip().splitlines()
            raise PriorError(
                f"the prior {self.name} cannot be loaded: {reason[0] if reason else error!r}"
            ) from error
        return network, self._account(network, report)

    def _from_config(self, config: Any) -> tuple[Any, dict[str, Any]]:
        """An untrained network, and the arguments that leave out a pooler which nothing would read."""
        if self.head == "none":
            try:
                extra = {"add_pooling_layer": False}
                return self.factory.from_config(config, trust_remote_code=False, **extra), extra
            except TypeError:  # this architecture has no pooling layer to leave out
                pass
        return self.factory.from_config(config, trust_remote_code=False), {}

    def _account(self, network: nn.Module, report: dict[str, Any]) -> tuple[str, ...]:
        """Every tensor has its place, or is a head that this prior leaves out. Returns those left out."""
        mismatched = sorted(str(item[0]) for item in report["mismatched_keys"])
        missing = sorted(report["missing_keys"])
        if self.head == "new":
            base = getattr(network, "base_model_prefix", "")
            missing = [key for key in missing if not base or key.startswith(f"{base}.")]
        unused = sorted(report["unexpected_keys"])
        strangers = (
            unused
            if self.head in ("own", "tokens")
            else [key for key in unused if _is_backbone(network, key)]
        )
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
            saved = (self.config.architectures or ["a network that its config does not name"])[0]
            raise PriorError(
                f"the prior {self.name}, saved as {str(saved)[:80]}, does not fit {type(network).__name__}: tensors "
                f"{'; '.join(problems)}"
            )
        return tuple(unused)


def _is_backbone(network: nn.Module, key: str) -> bool:
    """Whether a tensor that found no place belongs to the encoder, not to a head or a pooler."""
    prefix = f"{getattr(network, 'base_model_prefix', '')}."
    inner = key.removeprefix(prefix).split(".")
    if "pooler" in inner or inner[-1] == "mask_token":  # of masked-image pretraining
        return False
    return key.startswith(prefix) or inner[0] in {name.split(".", 1)[0] for name in network.state_dict()}

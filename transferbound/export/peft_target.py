"""``peft``: an adapter for ``PeftModel.from_pretrained``; only what is truly a low-rank update of linear layers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from transferbound.errors import ExportError
from transferbound.export.files import copy_tokenizer, encoder_config, write_image_processor
from transferbound.export.subject import Subject
from transferbound.export.target import Answering, Target
from transferbound.export.transformers_target import answering
from transferbound.priors.backends.quiet import quiet_construction, quiet_transformers
from transferbound.priors.backends.wrappers import ImageClassifier, TextClassifier
from transferbound.storage.files import write_json

__all__ = ["PeftTarget"]

_ULPS = 4.0 * torch.finfo(torch.float32).eps  # of the largest weight: what float32 leaves of an exact product


class PeftTarget(Target):
    """The updates B A of kind "lora", and the head, saved whole, for the checkpoint as the base model."""

    name = "peft"
    packages = ("peft",)
    extra = "peft"

    def reason_against(self, subject: Subject) -> str:
        """An adapter holds low-rank updates of linear layers and a head, for a classifier of transformers alone."""
        kind, module = subject.decoded.header.kind, subject.decoded.module
        if kind != "lora":
            return f"an adapter holds low-rank updates of linear layers and a head; kind {kind!r} is something else"
        if subject.prior.source != "transformers" or not isinstance(module, TextClassifier | ImageClassifier):
            return f"its base model would be {subject.prior.architecture}, no classifier of transformers"
        if getattr(module, "_arguments", None):
            return "its base model reads pictures of another size than was certified"
        others = [name for name in _moved(subject) if not _is_low_rank(subject, name)]
        return f"{others[0]} is moved, and is no linear layer" if others else ""

    def write(self, subject: Subject, folder: Path) -> None:
        """``adapter_config.json`` and the adapter's weights, the head whole, and what reads a row."""
        from peft import LoraConfig, get_peft_model

        layers, rank = _layers(subject), subject.decoded.header.rank
        config = LoraConfig(
            r=rank,
            lora_alpha=rank,  # a factor of one
            target_modules=list(layers),
            modules_to_save=[_head(subject)],
            inference_mode=True,
        )
        moved: Any = subject.decoded.module
        with quiet_construction(), quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own deprecations
            model = get_peft_model(_base(subject), config)
            own = model.peft_config["default"]  # where the copies of its files lay is nobody's business
            own.base_model_name_or_path = subject.certificate.content["prior"]["id"]
            own.revision = subject.certificate.content["prior"]["revision"]
            for name, delta in layers.items():
                part = model.base_model.model.get_submodule(name)
                left, right = _factors(delta, rank, name)
                for factor, value in ((part.lora_B["default"], left), (part.lora_A["default"], right)):
                    factor.weight.data.copy_(value.reshape(factor.weight.shape))
            head = model.base_model.model.get_submodule(_head(subject)).modules_to_save["default"]
            head.load_state_dict(moved.network.get_submodule(_head(subject)).state_dict())
            model.save_pretrained(folder, save_embedding_layers=False)
        write_json(folder / "config.json", encoder_config(subject))
        if subject.modality == "text":
            copy_tokenizer(subject, folder)
        else:
            write_image_processor(subject, folder)

    def load(self, folder: Path, subject: Subject) -> Answering:
        """The adapter on the checkpoint of ``subject``, which the adapter does not hold."""
        from peft import PeftModel

        with quiet_construction(), quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = PeftModel.from_pretrained(_base(subject), str(folder)).eval()
        return answering(folder, model, subject.modality)

    def usage(self, subject: Subject) -> str:
        """The base model, to be fetched under its own name, and the adapter on it."""
        auto = "AutoModelForSequenceClassification"
        auto = auto if subject.modality == "text" else "AutoModelForImageClassification"
        return (
            f"from peft import PeftModel\nfrom transformers import AutoConfig, {auto}\n\n"
            'config = AutoConfig.from_pretrained(".")  # with the names of the classes\n'
            "# BASE: the checkpoint that adapter_config.json names, of the revision that certificate.json names\n"
            f"base = {auto}.from_pretrained(BASE, config=config)\n"
            'model = PeftModel.from_pretrained(base, ".").eval()'
        )


def _base(subject: Subject) -> Any:
    """The checkpoint's network; the head, which the adapter brings, as it starts."""
    header = subject.decoded.header
    module: Any = subject.prior.build(
        len(subject.class_names),
        head_seed=header.head_seed,
        input_size=header.input_size,
        class_names=subject.class_names,
    )
    return module.network


def _head(subject: Subject) -> str:
    """The module that holds the head, within the network."""
    name = subject.prior.head_parameters(len(subject.class_names))[0]
    return name.removeprefix("network.").rsplit(".", 1)[0]


def _moved(subject: Subject) -> dict[str, Tensor]:
    """What the message adds to each parameter that it moves, float64, by the names within the network."""
    module: Any = subject.decoded.module
    before = dict(_base(subject).named_parameters())
    differences = {
        name: value.detach().double() - before[name].detach().double()
        for name, value in module.network.named_parameters()
    }
    return {name: value for name, value in differences.items() if bool(value.any())}


def _layers(subject: Subject) -> dict[str, Tensor]:
    """The updates by the name of their layer, without the head's."""
    head = _head(subject) + "."
    return {
        name.removesuffix(".weight"): delta
        for name, delta in _moved(subject).items()
        if not name.startswith(head)
    }


def _is_low_rank(subject: Subject, name: str) -> bool:
    """Whether a moved parameter is a layer's weight that peft has an adapter for, or the head's."""
    if name.startswith(_head(subject) + "."):
        return True
    module: Any = subject.decoded.module
    place, _, leaf = name.rpartition(".")
    layer = module.network.get_submodule(place)
    plain = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
    return leaf == "weight" and plain


def _factors(delta: Tensor, rank: int, name: str) -> tuple[Tensor, Tensor]:
    """[rows, rank] and [rank, columns], whose product is ``delta`` but for the rounding of the weights.

    Raises:
        ExportError: it is of a larger rank.
    """
    matrix = delta.flatten(1)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    root = values[:rank].sqrt()
    found = left[:, :rank] * root, root[:, None] * right[:rank]
    rest = float((found[0] @ found[1] - matrix).abs().max())
    if rest > max(_ULPS, _ULPS * float(matrix.abs().max())):
        raise ExportError(f"the update of {name} is of a larger rank than {rank}; choose --to transformers")
    return found

"""timm image models."""

from __future__ import annotations

from typing import Any

import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.architectures import filters, small  # noqa: F401  (registers them with timm)
from transferbound.priors.backends.backend import Backend
from transferbound.priors.backends.preprocessing import ImagePreprocessing, check_side
from transferbound.priors.backends.quiet import quiet_construction, quiet_logger
from transferbound.priors.backends.wrappers import ImageClassifier
from transferbound.priors.checkpoint.resolve import Checkpoint
from transferbound.priors.checkpoint.sizes import check_network
from transferbound.priors.class_order import own_names
from transferbound.storage.files import write_json

__all__ = ["TimmBackend"]

_WRAPPER = "timm_model."
_LEAST_CROP = 0.25  # of the side: before the rest is cut away a picture is so many times as large


class TimmBackend(Backend):
    """A checkpoint whose ``config.json`` names a timm architecture."""

    source = "timm"
    modality = "image"
    unused = ()

    def __init__(self, checkpoint: Checkpoint, tensors: dict[str, torch.Tensor]) -> None:
        self._name = checkpoint.name
        self.folder, self._files = checkpoint.folder, checkpoint.read
        self._tensors = _unwrapped(tensors)
        if (
            checkpoint.config.get("model_args", {}) is None
        ):  # so transformers' wrapper writes it, and timm fails
            plain = {key: value for key, value in checkpoint.config.items() if key != "model_args"}
            write_json(self.folder / "config.json", plain)
        self.architecture = str(checkpoint.config["architecture"])
        if not timm.is_model(self.architecture.split(".", 1)[0]):
            raise PriorError(
                f"the prior {self._name}: timm {timm.__version__} has no architecture {self.architecture!r}"
            )
        self._states: dict[int, dict[str, torch.Tensor]] = {}
        check_network(self._empty(), self._tensors, self._name)
        model = self._load({})
        config: Any = model.pretrained_cfg
        self.own_classes = int(getattr(model, "num_classes", 0) or 0)
        declared = checkpoint.config.get("label_names")  # timm moved it between releases
        if declared is None:
            inner = checkpoint.config.get("pretrained_cfg")
            declared = inner.get("label_names") if isinstance(inner, dict) else None
        self.own_names = own_names(declared, self.own_classes)
        self._fixed_size = bool(config.get("fixed_input_size", False))
        self._data_config = _plain(resolve_data_config({}, model=model))
        channels, height, width = self._data_config["input_size"]
        if height != width:
            raise PriorError(
                f"the prior {self._name} reads {height} x {width} images; only squares are supported"
            )
        self.input_size = int(height)
        self._channels = int(channels)
        self._states[0] = _state_of(model)

    def state(self, input_size: int) -> dict[str, torch.Tensor]:
        size = self._fixed(input_size)
        if size not in self._states:
            # Position embeddings are resampled by timm's own rule, a function of the checkpoint alone.
            self._states[size] = _state_of(self._load({"img_size": size}))
        return self._states[size]

    def skeleton(self, num_classes: int, input_size: int) -> nn.Module:
        size = self._fixed(input_size)
        arguments = {"img_size": size} if size else {}
        with quiet_construction():
            network = timm.create_model(
                f"local-dir:{self.folder}", pretrained=False, num_classes=num_classes, **arguments
            )
        return ImageClassifier(network)

    def preprocessing(self, input_size: int) -> ImagePreprocessing:
        """timm's own at the checkpoint's size; at another the whole picture is squeezed to it, and nothing cropped."""
        config = dict(self._data_config)
        side = input_size or self.input_size
        check_side(side)
        crop = config["crop_pct"]
        if not (isinstance(crop, int | float) and crop >= _LEAST_CROP):
            raise PriorError(
                f"the prior {self._name} keeps {crop!r} of an image's side; at least {_LEAST_CROP} is read"
            )
        if side != self.input_size:
            # The whole image at the size asked for: nothing is cropped away.
            config.update(input_size=[self._channels, side, side], crop_pct=1.0, crop_mode="squash")
        if self._channels not in (1, 3):
            raise PriorError(
                f"the prior {self._name} reads {self._channels} channels; only 1 and 3 are supported"
            )
        return ImagePreprocessing(
            input_size=side,
            channels=self._channels,
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            description={
                "source": "timm",
                "interpolation": config["interpolation"],
                "crop_pct": config["crop_pct"],
                "crop_mode": config["crop_mode"],
            },
            files=self._files.fingerprint,
            geometry=_Geometry(config),
            channelwise=config["crop_mode"] != "border",
        )

    def _empty(self) -> nn.Module:
        """The network of the checkpoint's config, without memory where its architecture allows that."""
        try:
            with quiet_construction(), quiet_logger("timm"), torch.device("meta"):
                network: nn.Module = timm.create_model(f"local-dir:{self.folder}", pretrained=False)
                return network
        except NotImplementedError:  # an architecture that computes while it is built
            return nn.Identity()
        except (RuntimeError, KeyError, TypeError, ValueError, AssertionError, AttributeError) as error:
            raise PriorError(
                f"the prior {self._name} cannot be built as {self.architecture}: {error}"
            ) from error

    def _fixed(self, input_size: int) -> int:
        return input_size if self._fixed_size and input_size not in (0, self.input_size) else 0

    def _load(self, arguments: dict[str, Any]) -> nn.Module:
        # The tensors already read stand in for the file, so what is hashed is what is loaded. With the
        # checkpoint's own number of classes timm loads strictly: every tensor must have its place.
        overlay = {"source": "", "file": None, "state_dict": dict(self._tensors), "custom_load": False}
        try:
            with quiet_construction(), quiet_logger("timm"):
                model: nn.Module = timm.create_model(
                    f"local-dir:{self.folder}", pretrained=True, pretrained_cfg_overlay=overlay, **arguments
                )
                return model
        except (RuntimeError, KeyError, TypeError, ValueError, AssertionError, AttributeError) as error:
            what = f"at input size {arguments['img_size']}" if arguments else "as " + self.architecture
            raise PriorError(f"the prior {self._name} cannot be loaded {what}: {error}") from error


class _Geometry:
    """timm's evaluation transform without its last step, the conversion to a normalized tensor."""

    def __init__(self, config: dict[str, Any]) -> None:
        transform = create_transform(
            input_size=tuple(config["input_size"]),
            interpolation=config["interpolation"],
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            crop_pct=config["crop_pct"],
            crop_mode=config["crop_mode"],
            is_training=False,
            normalize=False,
        )
        self._steps = transform.transforms[:-1]

    def __call__(self, image: Image.Image) -> Image.Image:
        for step in self._steps:
            image = step(image)
        return image


def _unwrapped(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As timm names them, where transformers' wrapper has written them."""
    if not all(name.startswith(_WRAPPER) for name in tensors):
        return tensors
    return {name.removeprefix(_WRAPPER): value for name, value in tensors.items()}


def _state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {f"network.{name}": value.detach().clone() for name, value in model.state_dict().items()}


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_size": [int(side) for side in config["input_size"]],
        "interpolation": str(config["interpolation"]),
        "mean": [float(value) for value in config["mean"]],
        "std": [float(value) for value in config["std"]],
        "crop_pct": float(config["crop_pct"]),
        "crop_mode": str(config["crop_mode"]),
    }

"""``timm``: ``timm.create_model("local-dir:FOLDER", pretrained=True)``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from timm.models import model_entrypoint

from transferbound.export.subject import Subject
from transferbound.export.target import Answering, Target
from transferbound.priors import ImagePreprocessing
from transferbound.priors.backends.quiet import quiet_construction, quiet_logger
from transferbound.priors.backends.wrappers import ImageClassifier
from transferbound.priors.checkpoint.json_files import read_object
from transferbound.priors.checkpoint.write import write_tensors
from transferbound.storage.files import write_json

__all__ = ["TimmTarget"]

_KEPT = ("first_conv", "classifier", "fixed_input_size", "min_input_size", "license")


class TimmTarget(Target):
    """An image classifier of an architecture that timm itself has."""

    name = "timm"
    packages = ("timm",)

    def reason_against(self, subject: Subject) -> str:
        """timm has to know the architecture without transferbound, and the predictor has to be that network."""
        if subject.prior.source != "timm":
            return f"the checkpoint {subject.prior.name} is one of {subject.prior.source}, not of timm"
        architecture = subject.prior.architecture.split(".", 1)[0]
        home = model_entrypoint(architecture).__module__
        if not home.startswith("timm."):
            return (
                f"the architecture {architecture} is transferbound's own, which timm does not know without it"
            )
        return subject.why_not

    def write(self, subject: Subject, folder: Path) -> None:
        """``model.safetensors``, and a ``config.json`` with the certified size and the names of the classes."""
        network: Any = _network(subject)
        write_tensors(folder / "model.safetensors", network.state_dict())
        own = read_object(subject.prior.folder / "config.json", subject.prior.name)
        preprocessing = subject.preprocessing
        assert isinstance(preprocessing, ImagePreprocessing)
        side = preprocessing.input_size
        names = list(subject.class_names)
        said = {key: network.pretrained_cfg.get(key) for key in _KEPT}
        pretrained = {key: value for key, value in said.items() if value is not None} | {
            "custom_load": False,
            "input_size": [preprocessing.channels, side, side],
            "interpolation": preprocessing.description["interpolation"],
            "crop_pct": preprocessing.description["crop_pct"],
            "crop_mode": preprocessing.description["crop_mode"],
            "mean": list(preprocessing.mean),
            "std": list(preprocessing.std),
            "num_classes": len(names),
            "tag": "certified",
        }
        config: dict[str, Any] = {
            "architecture": str(own["architecture"]).split(".", 1)[0],
            "num_classes": len(names),
            "num_features": int(network.num_features),
            "label_names": names,
            "pretrained_cfg": pretrained,
        }
        if isinstance(own.get("model_args"), dict):
            arguments = {key: value for key, value in own["model_args"].items() if key != "num_classes"}
            config["model_args"] = arguments | ({"img_size": side} if "img_size" in arguments else {})
        write_json(folder / "config.json", config)

    def load(self, folder: Path, subject: Subject) -> Answering:
        """``create_model`` and the transform that timm makes of the configuration."""
        with quiet_construction(), quiet_logger("timm"):
            model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
        mode = "L" if model.pretrained_cfg["input_size"][0] == 1 else "RGB"

        @torch.inference_mode()
        def answers(rows: Sequence[Image.Image]) -> np.ndarray:
            return np.concatenate(
                [model(transform(image.convert(mode))[None]).double().numpy() for image in rows]
            )

        return answers

    def usage(self, subject: Subject) -> str:
        """``create_model`` and timm's own transform, for one picture."""
        preprocessing = subject.preprocessing
        assert isinstance(preprocessing, ImagePreprocessing)
        mode = "L" if preprocessing.channels == 1 else "RGB"
        return (
            "import timm, torch\nfrom PIL import Image\n\n"
            'model = timm.create_model("local-dir:.", pretrained=True).eval()\n'
            "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))\n"
            "with torch.inference_mode():\n"
            f'    logits = model(transform(Image.open("picture.png").convert("{mode}"))[None])\n'
            'print(model.pretrained_cfg["label_names"][int(logits.argmax())])'
        )


def _network(subject: Subject) -> Any:
    assert isinstance(subject.classifier, ImageClassifier)
    return subject.classifier.network

"""What the tests of cached features share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from transferbound import LabelledData, Prior
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.features import CachedFeatures, cached_features, features_key
from transferbound.subspace import SubspaceConfig, SubspaceModel

HEAD = SubspaceConfig("head", dim=12, seed=3)
SIDE = 32


def prepare(
    prior: Prior, data: LabelledData, config: SubspaceConfig = HEAD, size: int = SIDE, **more: Any
) -> tuple[SubspaceModel, EncodedData, CachedFeatures | None]:
    model = SubspaceModel(
        prior.build(data.num_classes, input_size=size), config, prior.head_parameters(data.num_classes)
    )
    encoded = encode(prior.preprocessing(size), data, progress=False)
    key = features_key(prior, data, size)
    return model, encoded, cached_features(model, encoded, key, accelerator=Accelerator(cpu=True), **more)


class Vectors(EncodedData):
    def __init__(self, n: int = 20) -> None:
        super().__init__(np.arange(n) % 2)
        self.x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))

    def batch(self, indices: Any, device: Any = None) -> dict[str, torch.Tensor]:
        return {"x": self.x[torch.as_tensor(np.asarray(indices))]}


def assert_same(model: SubspaceModel, data: EncodedData, found: CachedFeatures) -> None:
    """Logits and gradient on the features are the whole model's, in batches of several sizes."""
    torch.manual_seed(0)
    model.coordinates.data.normal_(std=0.3)
    for rows in (np.array([3]), np.arange(data.n)[::-1][:7].copy(), np.arange(0, data.n, 3)):
        gradients, outputs = [], []
        for logits in (found.logits(rows), model(**data.batch(rows))):
            model.coordinates.grad = None
            logits.square().sum().backward()
            gradients.append(model.coordinates.grad.clone())
            outputs.append(logits.detach())
        assert outputs[1].abs().max() > 1e-3
        assert gradients[1].abs().max() > 1e-3
        for one, other, tolerance in ((*outputs, 1e-5), (*gradients, 1e-4)):
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance * float(other.abs().max()))

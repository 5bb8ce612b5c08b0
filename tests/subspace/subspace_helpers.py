"""Small models for the subspace tests."""

import torch
from torch import nn

from transferbound.subspace import SubspaceConfig

#: One config for each kind; each fits `SmallNet`.
CONFIGS = {
    "dense": SubspaceConfig("dense", 20, seed=1),
    "kron": SubspaceConfig("kron", 23, seed=2),
    "kron-sum": SubspaceConfig("kron-sum", 20, seed=3),
    "hashed-tiny": SubspaceConfig("hashed", 7, seed=4),
    "hashed": SubspaceConfig("hashed", 100, seed=5, head_scale=3),
    "film": SubspaceConfig("film", 60, seed=6),
    "head": SubspaceConfig("head", 30, seed=7, head_scale=-2),
    "modules": SubspaceConfig("modules", 40, seed=8, modules="features.0,fc.b*"),
    "lora": SubspaceConfig("lora", 50, seed=9, rank=2),
    "film+kron": SubspaceConfig("film+kron", 60, seed=10, head_scale=1),
    "head+lora+hashed": SubspaceConfig("head+lora+hashed", 70, seed=11, rank=3),
}

HEAD = ("fc.weight", "fc.bias")


class SmallNet(nn.Module):
    """Convolution, batch and layer norm, a weight used twice, and a zero head."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3))
        self.norm = nn.LayerNorm(16)
        self.mix = nn.Linear(16, 16)
        self.again = nn.Linear(16, 16)
        self.again.weight = self.mix.weight
        self.fc = nn.Linear(16, 5)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.features(x).mean((2, 3)))
        return self.fc(torch.tanh(self.again(torch.tanh(self.mix(x)))))


def small_net(dtype: torch.dtype = torch.float32) -> SmallNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = SmallNet()
        net.features[1].running_mean.normal_()
        net.features[1].running_var.uniform_(0.5, 2.0)
    return net.to(dtype)


def batch(dtype: torch.dtype = torch.float32, n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 3, 8, 8, generator=generator, dtype=torch.float64)
    return x.to(dtype), torch.randint(5, (n,), generator=generator)


def loss_of(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(model(x), y)

"""Trap 13: the certified predictor answers for a row alone, whatever stands beside it in a batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from leak_helpers import certified, problems
from spine_fixtures import text_data, world
from torch import nn

from transferbound import LabelledData, Prior
from transferbound.certificate import statement
from transferbound.certification import training
from transferbound.data.batches import composition, evaluation_batches, evaluation_order
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData, EncodedTexts
from transferbound.errors import PriorError
from transferbound.predictor import DecodedPredictor, decode_predictor
from transferbound.risks import passes
from transferbound.risks.counting import count_errors
from transferbound.risks.trial import CLOSE_CALL, Precision, try_rows_alone

CPU = torch.device("cpu")


class Texts(nn.Module):
    """A classifier of texts; ``companions`` says how a row's logits depend on the others."""

    def __init__(self, companions: str = "") -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.embedding = nn.Embedding(64, 8)
            self.head = nn.Linear(8, 2)
        self.companions = companions

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        if self.companions == "capacity":  # an expert takes the first 300 tokens of a batch
            flat = hidden.flatten(0, 1)
            hidden = torch.cat([flat[:300], 0 * flat[300:]]).view_as(hidden)
        pooled = hidden.mean(1)  # blind to the mask: padding counts
        if self.companions == "nothing":  # alone, it has no answer that could be compared
            pooled = pooled + (torch.nan if len(pooled) == 1 else 0) + pooled.mean(0)
        if self.companions == "mean":
            pooled = pooled - pooled.mean(0)
        if self.companions == "centred":  # alone, all its logits are zero
            return self.head(pooled) - self.head(pooled).mean(0)
        if self.companions == "rare" and len(pooled) > 4:
            pooled = pooled * torch.linspace(1, 1 + 1e-3, len(pooled)).to(pooled)[:, None]
        logits = self.head(pooled)
        if self.companions == "padding":  # what a model with position-wise mixing can learn: was I padded?
            logits = logits + 10 * (attention_mask.sum(1) < attention_mask.shape[1])[
                :, None
            ] * logits.new_tensor([1.0, -1.0])
        return logits


@pytest.fixture
def texts(tiny_bert: Path, tmp_path: Path) -> EncodedTexts:
    data = LabelledData.load(str(text_data(tmp_path / "texts", n=300)))
    encoded = encode(Prior.from_pretrained(str(tiny_bert)).preprocessing(), data, progress=False)
    assert isinstance(encoded, EncodedTexts)
    assert len(set(encoded.lengths.tolist())) > 3
    return encoded


def alone(module: nn.Module, data: EncodedData) -> list[bool]:
    with torch.inference_mode():
        answers = [int(module.double()(**data.batch([row])).argmax()) for row in range(data.n)]
    module.float()
    return [answer != int(label) for answer, label in zip(answers, data.labels, strict=True)]


def test_a_pass_never_pads(texts: EncodedTexts) -> None:
    rows = np.random.default_rng(0).permutation(texts.n)
    batches = list(evaluation_batches(texts, rows, 50, CPU))
    assert sorted(np.concatenate(batches)) == list(range(texts.n))
    assert all(texts.batch(batch)["attention_mask"].all() for batch in batches)
    assert max(map(len, batches)) > 4
    seeds = [composition(texts, 50, seed) for seed in (None, 1, 2)]
    assert len({tuple(order) for order, _ in seeds}) == 3
    assert all(25 <= size <= 50 for _, size in seeds)
    assert list(evaluation_batches(texts, np.zeros(0, dtype=np.int64), 50, CPU)) == []


@pytest.mark.parametrize("companions", ["", "padding"])
def test_padding_moves_no_count(companions: str, texts: EncodedTexts) -> None:
    """A model that sees whether a row was padded once certified 19.46 % and erred on half of the rows given alone."""
    module, shuffled = Texts(companions), np.random.default_rng(1).permutation(texts.n)
    reference = alone(module, texts)
    assert 0 < sum(reference) < texts.n
    for batch_size in (1, 2, 7, 250):
        for order in (None, shuffled):
            assert count_errors(module, texts, batch_size=batch_size, order=order).wrong.tolist() == reference
    assert count_errors(module, texts, seed=3).wrong.tolist() == reference


@pytest.mark.parametrize("companions", ["mean", "centred", "capacity", "rare", "nothing"])
def test_a_model_that_looks_at_the_rows_beside_a_row_is_refused(companions: str, texts: EncodedTexts) -> None:
    with pytest.raises(PriorError, match="the answers of Texts for a row move with the rows beside it"):
        count_errors(Texts(companions), texts)


def test_it_is_refused_before_any_time_is_spent(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Prior.build

    def mixing(self: Prior, *arguments: Any, **how: Any) -> nn.Module:
        module = original(self, *arguments, **how)
        module.register_forward_hook(lambda m, inputs, logits: logits + logits.mean(0))
        return module

    monkeypatch.setattr(Prior, "build", mixing)
    monkeypatch.setattr(training.Finetuner, "run", lambda self: pytest.fail("trained"))
    with pytest.raises(PriorError, match="move with the rows beside it"):
        certified(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_the_trial_does_not_see_verify_counts_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides run the same leaky predictor; the batches of verify are others, so its count is another."""
    monkeypatch.setattr(passes, "try_rows_alone", lambda *_, **__: Precision())
    monkeypatch.setattr(training, "try_rows_alone", lambda *_, **__: Precision())

    def leaky(*arguments: Any, **how: Any) -> DecodedPredictor:
        predictor = decode_predictor(*arguments, **how)
        predictor.module.register_forward_hook(lambda m, inputs, logits: logits - logits.mean(0))
        return replace(predictor)

    monkeypatch.setattr(statement, "decode_predictor", leaky)
    certified(tmp_path)
    found = [problems(tmp_path) for _ in range(3)]
    assert any("errors is stated as" in text for text in found)


class IllConditioned(nn.Module):
    """Two large numbers whose difference counts: float32 has about two digits of it, and they move with the batch."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.full((2,), size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        jitter = 1 if self.offset.dtype == torch.float64 else 1 + 1e-7 * (len(x) % 5)
        return (x * jitter + self.offset) - self.offset


class Vectors(EncodedData):
    def __init__(self, n: int) -> None:
        random = np.random.default_rng(0)
        super().__init__(random.integers(0, 2, n))
        self.x = torch.from_numpy(random.normal(0, 1, (n, 2)).astype(np.float32))

    def batch(self, indices: Any, device: Any = None) -> dict[str, torch.Tensor]:
        return {"x": self.x[torch.as_tensor(np.asarray(indices))]}


@pytest.mark.parametrize("size", [1e4, 1e6, 1e9])
def test_ill_conditioned_logits_are_settled_in_float64(size: float) -> None:
    """By the logits alone such a checkpoint counted 873 errors at batch size 1 and 870 otherwise."""
    data, module = Vectors(400), IllConditioned(size)
    reference = alone(module, data)
    by_float32 = (module(data.x).argmax(1) != data.labels).tolist()
    assert by_float32 != reference or size < 1e5
    precision = try_rows_alone(module, data, batch_size=250, device=CPU)
    assert (precision.close > CLOSE_CALL) == (size > 1e4 - 1)
    for batch_size in (1, 2, 7, 250):
        assert count_errors(module, data, batch_size=batch_size).wrong.tolist() == reference


def test_logits_that_float64_does_not_determine_are_refused() -> None:
    class Chaos(IllConditioned):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * (1 + 1e-4 * (len(x) % 5))

    with pytest.raises(PriorError, match="move with the rows beside it"):
        count_errors(Chaos(1.0), Vectors(100))


def test_images_are_tried_too(tmp_path: Path) -> None:
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(world() / "bright-squares"))
    encoded = encode(prior.preprocessing(32), data, progress=False)
    module = prior.build(2, head_seed=1, input_size=32)
    assert try_rows_alone(module, encoded, batch_size=64, device=CPU) == Precision()
    assert evaluation_order(encoded).tolist() == list(range(encoded.n))

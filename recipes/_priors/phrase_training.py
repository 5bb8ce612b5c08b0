"""A text encoder trained in full to tell from a phrase whether its review liked the film; stopped, it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from transferbound.storage.files import replacing

BATCH = 64
_TOKENS, _BLOCK, _SAVED = 64, 50, 250
_RATES = {"body": 1e-4, "head": 2e-3}


def train(
    network: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[tuple[str, float]],
    state: Path,
    ends: tuple[int, int] | None = None,
) -> None:
    """One pass, all parameters, in place.

    Args:
        network, tokenizer: the encoder.
        rows: phrases, each with the probability that its review liked the film.
        state: file from which a stopped training goes on, and from whose end a later call starts.
        ends: a step after which the rate falls to zero in a line, and the step at which it ends; None: after all rows.
    """
    torch.manual_seed(0)
    head = nn.Linear(network.config.hidden_size, 1)
    model = nn.ModuleDict({"body": network, "head": head})
    optimizer = torch.optim.AdamW(
        [{"params": model[name].parameters(), "lr": rate} for name, rate in _RATES.items()],
        weight_decay=0.01,
        fused=True,
    )
    steps = batches([len(text) for text, _ in rows])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=list(_RATES.values()),
        total_steps=len(steps) + 1,
        pct_start=0.06,
        anneal_strategy="linear",
    )
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    done = _load(state, parts)
    steps = steps[: ends[1]] if ends else steps
    model.train()
    bar = tqdm(steps[done:], desc="training on reviews", unit="step", initial=done, total=len(steps))
    for step, places in enumerate(bar, start=done + 1):
        optimizer.zero_grad()
        _loss(network, tokenizer, head, [rows[i] for i in places]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        if ends and step > ends[0]:
            _cool(optimizer, schedule, step, ends)
        optimizer.step()
        schedule.step()
        if step % _SAVED == 0 or step == len(steps):
            _save(state, parts, step)


def _cool(
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.OneCycleLR,
    step: int,
    ends: tuple[int, int],
) -> None:
    """Lowers the scheduled rate, by a share that falls from one at ``ends[0]`` to zero past ``ends[1]``."""
    share = (ends[1] + 1 - step) / (ends[1] + 1 - ends[0])
    for group, rate in zip(optimizer.param_groups, schedule.get_last_lr(), strict=True):
        group["lr"] = share * rate


def pooled(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> torch.Tensor:
    """Mean over the tokens of each text: [B, H]."""
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=_TOKENS, return_tensors="pt")
    mask = encoded["attention_mask"].unsqueeze(-1)
    return (network(**encoded).last_hidden_state.float() * mask).sum(1) / mask.sum(1)


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of like length together, within blocks, in random order: little padding, and still mixed."""
    random = np.random.default_rng(1)
    size = BATCH * _BLOCK
    found: list[list[int]] = []
    for start in range(0, len(lengths), size):
        block = sorted(range(start, min(start + size, len(lengths))), key=lengths.__getitem__)
        parts = [block[i : i + BATCH] for i in range(0, len(block), BATCH)]
        found += [parts[i] for i in random.permutation(len(parts))]
    return found


def _loss(
    network: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    head: nn.Linear,
    rows: Sequence[tuple[str, float]],
) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):  # half the time where the processor has it
        logits = head(pooled(network, tokenizer, [text for text, _ in rows])).squeeze(1)
    targets = torch.tensor([liked for _, liked in rows])
    return nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)


def _load(state: Path, parts: dict[str, Any]) -> int:
    """How many steps were done."""
    if not state.exists():
        return 0
    saved = torch.load(state, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    torch.set_rng_state(saved["random"])
    return int(saved["step"])


def _save(state: Path, parts: dict[str, Any], step: int) -> None:
    content = {name: part.state_dict() for name, part in parts.items()}
    with replacing(state) as partial:
        torch.save(content | {"random": torch.get_rng_state(), "step": step}, partial)

"""Networks that give no hidden states for texts alone are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_architectures import build

from transferbound.errors import PriorError
from transferbound.priors import Prior


@pytest.mark.parametrize("name", ["bros", "dpr"])
def test_a_network_without_hidden_states_for_texts(name: str, tmp_path: Path) -> None:
    module = Prior.from_pretrained(str(build(name, tmp_path / "prior"))).build(2)
    ids = torch.full((1, 4), 7)
    with pytest.raises(PriorError, match="gives no hidden states for texts alone"):
        module(input_ids=ids, attention_mask=torch.ones_like(ids))

"""What processes share and agree on: alone, and two of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from launching import launch

from transferbound import distributed

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
import torch
from accelerate import Accelerator
from transferbound import distributed

accelerator = Accelerator(cpu=True)
rank = accelerator.process_index
found = {
    "share": distributed.share(np.arange(5), accelerator).tolist(),
    "total": distributed.total(torch.tensor([1, rank]), accelerator).tolist(),
    "mean": distributed.mean(1.0 + rank, accelerator),
    "mean of whole numbers": distributed.mean(1 + rank, accelerator),
    "gathered": distributed.gathered(torch.tensor([[rank, 7]]), accelerator).tolist(),
    "all": [distributed.all_agree(here, accelerator) for here in (True, False, rank == 0)],
    "same": [distributed.same_everywhere(here, accelerator) for here in ("", "head", str(rank))],
}
Path(f"{sys.argv[1]}.{rank}.json").write_text(json.dumps(found))
accelerator.end_training()
"""


@pytest.mark.parametrize("make", [lambda: None, lambda: Accelerator(cpu=True)], ids=["none", "accelerator"])
def test_a_process_alone_has_all_and_agrees_with_itself(make: Any) -> None:
    accelerator = make()
    assert distributed.is_alone(accelerator)
    np.testing.assert_array_equal(distributed.share(np.arange(5), accelerator), np.arange(5))
    assert distributed.total(torch.tensor([2, 3]), accelerator).tolist() == [2, 3]
    assert distributed.mean(2.5, accelerator) == 2.5
    assert distributed.gathered(torch.tensor([4]), accelerator).tolist() == [4]
    assert distributed.all_agree(True, accelerator)
    assert not distributed.all_agree(False, accelerator)
    assert distributed.same_everywhere("head", accelerator)


@pytest.mark.long
def test_two_processes_share_and_agree(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch(script, tmp_path / "found")
    first, second = (json.loads((tmp_path / f"found.{rank}.json").read_text()) for rank in (0, 1))
    assert (first.pop("share"), second.pop("share")) == ([0, 2, 4], [1, 3])
    assert first == second
    assert first == {
        "total": [2, 1],
        "mean": 1.5,
        "mean of whole numbers": 1.5,
        "gathered": [[0, 7], [1, 7]],
        "all": [True, False, False],
        "same": [True, True, False],
    }

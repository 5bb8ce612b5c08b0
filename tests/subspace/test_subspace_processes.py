"""Other processes: the same decoded bits, and the same gradient from halves of a batch."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from subspace_helpers import CONFIGS, HEAD, batch, loss_of, small_net

from transferbound.errors import SubspaceError
from transferbound.subspace import SubspaceModel
from transferbound.subspace.decode import decode_offset_

HERE = str(Path(__file__).parent)

DECODE = """
import sys, torch
sys.path.insert(0, sys.argv[1])
torch.set_num_threads(2)
from test_subspace_processes import all_decoded
print(all_decoded())
"""

GRADIENT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_subspace_processes import half_batch_gradient
half_batch_gradient(sys.argv[2])
"""


def all_decoded() -> str:
    """A digest of the decoded weights of every kind."""
    sha = hashlib.sha256()
    for config in CONFIGS.values():
        net = small_net()
        decode_offset_(net, config, [k % 5 - 2 for k in range(config.dim)], 2.0**-6.25, HEAD)
        for p in net.parameters():
            sha.update(p.detach().numpy().tobytes())
    return sha.hexdigest()


def half_batch_gradient(out: str) -> None:
    """Run by each of two processes: its half of the batch, then the mean of the d-vector."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model = SubspaceModel(small_net(), CONFIGS["film+kron"], HEAD)
    model.coordinates.data.fill_(0.02)
    x, y = batch()
    rank, count = accelerator.process_index, accelerator.num_processes
    assert count == 2
    loss_of(model, x[rank::count], y[rank::count]).backward()
    model.reduce_gradient(accelerator)
    if accelerator.is_main_process:
        torch.save(model.coordinates.grad, out)
    accelerator.end_training()


def test_another_process_decodes_the_same_bits():
    command = [sys.executable, "-c", DECODE, HERE]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == all_decoded()


@pytest.mark.long
def test_two_processes_give_the_gradient_of_one(tmp_path):
    script, out = tmp_path / "script.py", tmp_path / "gradient.pt"
    script.write_text(GRADIENT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    subprocess.run([*launch, str(script), HERE, str(out)], check=True, env=environment, timeout=300)
    model = SubspaceModel(small_net(), CONFIGS["film+kron"], HEAD)
    model.coordinates.data.fill_(0.02)
    loss_of(model, *batch()).backward()
    both = torch.load(out, weights_only=True)
    assert (both - model.coordinates.grad).norm() < 1e-5 * both.norm()


def test_sharded_models_are_refused():
    from torch.distributed.fsdp import fully_shard

    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
        net = fully_shard(small_net(), mesh=mesh)
        with pytest.raises(SubspaceError, match="sharded"):
            SubspaceModel(net, CONFIGS["hashed"], HEAD)
    finally:
        torch.distributed.destroy_process_group()


def test_wrapped_models_are_refused():
    with pytest.raises(SubspaceError, match="plain model"):
        SubspaceModel(torch.nn.DataParallel(small_net()), CONFIGS["hashed"], HEAD)
    with pytest.raises(SubspaceError, match="plain model"):
        SubspaceModel(torch.compile(small_net(), backend="eager"), CONFIGS["hashed"], HEAD)

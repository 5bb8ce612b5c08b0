"""Two processes on one machine, as ``accelerate launch`` starts them."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["launch"]


def launch(*command: object, environment: dict[str, str] | None = None) -> str:
    """Runs a script in two processes over gloo; what they printed.

    Without MPI ``accelerate launch --cpu`` starts one process whatever is asked for; its launcher for several devices
    starts them, and the environment keeps them on the CPU.
    """
    start = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    start += [
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
    ]
    done = subprocess.run(
        [*start, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ
        | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        | (environment or {}),
        check=False,
    )
    assert done.returncode == 0 or "exitcode  : 3" in done.stderr, done.stdout + done.stderr
    return done.stdout

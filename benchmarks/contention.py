"""Step time of MiniLM with spinning and with sleeping threads, on a quiet machine and beside busy processes.

    python benchmarks/contention.py --prior sentence-transformers/all-MiniLM-L6-v2 [--busy 2] [--steps 12] [--json]

Each figure is the median of some steps in a process of its own; the busy ones only count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack

_STEP = """
import statistics, sys, time
import torch
from transformers import AutoModel
network = AutoModel.from_pretrained(sys.argv[1])
optimizer = torch.optim.Adam(network.parameters(), 1e-5)
tokens = torch.randint(1, 1000, (32, 24))
times = []
for _ in range(int(sys.argv[2]) + 2):
    started = time.perf_counter()
    optimizer.zero_grad()
    network(input_ids=tokens).last_hidden_state.mean().backward()
    optimizer.step()
    times.append(time.perf_counter() - started)
print(statistics.median(times[2:]))
"""
_WAITS = {"spinning (the default of the library)": {}, "sleeping (ours)": {"OMP_WAIT_POLICY": "passive"}}
_OWN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def measure(prior: str, steps: int, wait: dict[str, str]) -> float:
    """Seconds of a step."""
    environment = {name: value for name, value in os.environ.items() if name not in _OWN} | wait
    command = [sys.executable, "-c", _STEP, prior, str(steps)]
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(found.stdout.split()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--prior", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--busy", type=int, default=2, help="processes that only count")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for name, wait in _WAITS.items():
        quiet = measure(given.prior, given.steps, wait)
        with ExitStack() as stack:
            for _ in range(given.busy):
                counting = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                stack.callback(counting.wait)
                stack.callback(counting.kill)
            busy = measure(given.prior, given.steps, wait)
        rows.append({"threads": name, "quiet_ms": round(1e3 * quiet), "busy_ms": round(1e3 * busy)})
    if given.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            print(
                f"{row['threads']:40}{row['quiet_ms']:8} ms quiet{row['busy_ms']:8} ms beside {given.busy} busy"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

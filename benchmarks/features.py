"""Time of each epoch where only the head or the last blocks are trained: EfficientNet-Lite0 on MNIST images.

    python benchmarks/features.py [--trainable head,blocks] [--input-sizes 40,224] [--epochs 3] [--threads N]
        [--json FILE]

The first epoch includes the pass that computes the features; "found" is the first epoch of a second run, which
finds them in the cache (sha256 and the check on some rows included); "plain" is an epoch without features, from
--plain-steps steps of it. Weights and images come from the packages of the demo extra.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from transferbound import FinetuneSettings, LabelledData, Prior
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.demo import export_efficientnet_lite0, export_mnist5000
from transferbound.features import cached_features, features_key
from transferbound.finetune import Finetuner
from transferbound.message import Header
from transferbound.risks.zero_one import ZeroOne
from transferbound.subspace import SubspaceConfig, SubspaceModel
from transferbound.subspace.quantizer import Quantizer

LAST_BLOCKS = "*blocks.6*,*conv_head*,network.bn2*,*classifier*"
CONFIGS = {
    "head": SubspaceConfig("head", dim=500, head_scale=8),
    "blocks": SubspaceConfig("modules", dim=500, head_scale=8, modules=LAST_BLOCKS),
}


class Clock:
    """Wall and CPU seconds since the last look."""

    def __init__(self) -> None:
        self._last = (time.perf_counter(), time.process_time())

    def look(self) -> dict[str, float]:
        now = (time.perf_counter(), time.process_time())
        wall, cpu = (b - a for a, b in zip(self._last, now, strict=True))
        self._last = now
        return {"wall_s": wall, "cpu_s": cpu}


def make(
    prior: Prior, data: LabelledData, encoded: EncodedData, size: int, config: SubspaceConfig, **more: Any
) -> Finetuner:
    """A finetuner with the grid in the loop from the start: the dearest kind of step."""
    model = SubspaceModel(
        prior.build(data.num_classes, input_size=size),
        config,
        prior.head_parameters(data.num_classes),
        Quantizer(3),
    )
    accelerator = Accelerator()
    model.to(accelerator.device)
    features = None
    if more.pop("cached"):
        key = features_key(prior, data, size)
        features = cached_features(model, encoded, key, accelerator=accelerator)
        assert features is not None
    return Finetuner(
        model,
        encoded,
        Header(
            kind=config.kind,
            dim=config.dim,
            head_scale=config.head_scale,
            modules=config.modules,
            input_size=size,
        ),
        risk=ZeroOne.of(data),
        delta=0.05,
        settings=FinetuneSettings(quantize_from=0.0, **more),
        accelerator=accelerator,
        features=features,
        progress=False,
    )


def epochs_of(finetuner: Finetuner, clock: Clock, steps: int | None = None) -> list[dict[str, float]]:
    """Time of each epoch, or of the first ``steps`` steps."""
    finetuner.model.eval()
    found = []
    for indices in finetuner._batches():
        finetuner._advance(indices)
        if finetuner.step == steps or (steps is None and finetuner.step % finetuner.per_epoch == 0):
            found.append(clock.look())
        if finetuner.step == (steps or finetuner.total_steps):
            return found
    return found


def measure(
    prior: Prior, data: LabelledData, size: int, trainable: str, options: argparse.Namespace
) -> dict[str, Any]:
    config = CONFIGS[trainable]
    encoded = encode(prior.preprocessing(size), data, progress=False)
    data.row_hashes  # noqa: B018 - hashing the images is part of loading
    how = {"epochs": options.epochs, "batch_size": options.batch_size}
    clock = Clock()
    cold = epochs_of(make(prior, data, encoded, size, config, cached=True, **how), clock)
    clock.look()
    warm = epochs_of(make(prior, data, encoded, size, config, cached=True, **how), clock)
    plain = make(prior, data, encoded, size, config, cached=False, **how)
    epochs_of(plain, clock, steps=2)
    steps = options.plain_steps
    (some,) = epochs_of(plain, clock, steps=2 + steps)
    each = {key: value * plain.per_epoch / steps for key, value in some.items()}
    row: dict[str, Any] = {
        "trainable": trainable,
        "input_size": size,
        "cold": cold,
        "found": warm,
        "plain_epoch": each,
    }
    later = {key: min(epoch[key] for epoch in cold[1:]) for key in each}
    row["later_epoch"] = later
    for key in each:
        row[f"first_over_second_{key}"] = cold[0][key] / cold[1][key]
        row[f"plain_over_later_{key}"] = each[key] / later[key]
    return row


def show(row: dict[str, Any]) -> None:
    columns = (row["cold"][0], row["cold"][1], row["found"][0], row["plain_epoch"])
    for key in ("wall_s", "cpu_s"):
        times = " ".join(f"{column[key]:9.3f}" for column in columns)
        ratio = row[f"first_over_second_{key}"]
        more = f"{ratio:9.1f} {row[f'plain_over_later_{key}']:9.1f}"
        print(f"{row['trainable']:9} {row['input_size']:5d} {key[:-2]:5} {times} {more}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trainable", default="head,blocks", help="head, blocks or both")
    parser.add_argument("--input-sizes", default="40,224", help="image sides, separated by commas")
    parser.add_argument("--epochs", type=int, default=3, help="at least 2")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--plain-steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"{'trainable':9} {'size':>5} {'time':5} {'first s':>9} {'second s':>9} {'found s':>9} {'plain s':>9} "
        f"{'1st/2nd':>9} {'plain/lat':>9}"
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRANSFERBOUND_CACHE"] = str(Path(folder) / "cache")
        prior = Prior.from_pretrained(str(export_efficientnet_lite0(Path(folder) / "prior")))
        data = LabelledData.load(str(export_mnist5000(Path(folder) / "data")))
        for size in map(int, options.input_sizes.split(",")):
            for trainable in options.trainable.split(","):
                rows.append(measure(prior, data, size, trainable, options))
                show(rows[-1])
    if options.json:
        about = {"torch": torch.__version__, "machine": platform.machine(), "threads": options.threads}
        about |= {"batch_size": options.batch_size, "dim": CONFIGS["head"].dim, "images": data.n}
        partial = options.json.with_suffix(".partial")
        partial.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
        partial.replace(options.json)


if __name__ == "__main__":
    main()

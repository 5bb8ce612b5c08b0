"""A small world for the tests of the main job: tiny checkpoints, separable data, certificates that took a second."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import torch
from conftest import _HOME, save_rows, text_rows
from PIL import Image

from transferbound import CertifySettings, FinetuneSettings, LabelledData, Prior, SubspaceConfig, certify

QUICK = CertifySettings(
    subspace=SubspaceConfig("film", dim=12, seed=3),
    input_size=32,
    finetune=FinetuneSettings(epochs=10, batch_size=20, learning_rate=0.1),
)
"""A second of finetuning, enough to learn something."""


def bright_rows(n: int, seed: int = 0, classes: int = 2, side: int = 12) -> dict[str, list[Any]]:
    """Distinct grey images whose brightness tells the class, up to some overlap: a tiny network can learn it,
    and makes errors that any change of the network moves."""
    generator = np.random.default_rng(seed)
    labels = [i % classes for i in range(n)]
    light = 70 + 110 * np.array(labels) / max(1, classes - 1) + generator.normal(0, 35, n)
    pixels = (light[:, None, None] + generator.normal(0, 10, (n, side, side))).clip(0, 255).astype(np.uint8)
    return {"image": [Image.fromarray(item) for item in pixels], "label": labels}


def grouped(rows: dict[str, Any], size: int) -> dict[str, Any]:
    """The rows with a column ``patient`` that names runs of ``size`` rows."""
    return rows | {"patient": [f"p{i // size}" for i in range(len(rows["label"]))]}


def save_calibrated(folder: Path, seed: int = 1, classes: int = 10) -> Path:
    """timm's ``test_efficientnet``, random weights, with normalization statistics of noise images: unlike a
    bare random one it passes on what it sees."""
    import timm
    from timm.models import save_for_hf

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = timm.create_model("test_efficientnet", num_classes=classes).train()
        grey = torch.rand(64, 1, 1, 1) + 0.2 * torch.rand(64, 1, 32, 32)
        with torch.no_grad():
            for _ in range(40):
                model(2 * grey.expand(-1, 3, -1, -1) - 1)
    save_for_hf(model.eval(), str(folder), safe_serialization=True)
    return folder


@cache
def world() -> Path:
    """A folder with ``prior`` (tiny EfficientNet) and ``bright-squares`` (train and test splits of grey images)."""
    folder = Path(mkdtemp(dir=_HOME, prefix="world-"))
    save_calibrated(folder / "prior")
    save_rows(folder / "bright-squares", bright_rows(100))
    save_rows(folder / "bright-squares", bright_rows(12, seed=1), split="test")
    return folder


@cache
def image_certificate() -> Path:
    """A certificate of :func:`world`'s prior on its data, with a test split."""
    target = world() / "certificate"
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(world() / "bright-squares"))
    test = LabelledData.load(str(world() / "bright-squares"), split="test")
    certify(prior, data, target, QUICK, test=test, progress=False)
    return target


def text_data(folder: Path, n: int = 40, pairs: bool = False) -> Path:
    """Sentences, or sentence pairs, in two classes."""
    rows = text_rows(n)
    if pairs:
        rows = {"sentence1": rows["text"], "sentence2": rows["text"][::-1], "label": rows["label"]}
    return save_rows(folder, rows)


def run_cli(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """``transferbound`` in a fresh process, offline, on one thread."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "COLUMNS": "110",
    }
    return subprocess.run(
        [sys.executable, "-m", "transferbound.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
    )


def here_cli(*arguments: object) -> int:
    """``transferbound`` in this process, on one thread. Gives the exit code; what it prints is for capsys."""
    from transferbound import cli

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["transferbound", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                cli.main()
    finally:
        torch.set_num_threads(threads)
    return int(ended.value.code or 0)


def write_certificate(folder: Path, content: dict[str, Any], message: bytes) -> Path:
    """A certificate folder with this content, whatever it is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certificate.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "offset.bin").write_bytes(message)
    return folder


def dotted(path: tuple[str | int, ...]) -> str:
    """As a verdict names it: keys that are no plain names are quoted."""
    return "".join(
        f"[{key}]" if isinstance(key, int) else f".{key if key.isidentifier() else repr(key)}" for key in path
    ).lstrip(".")


def changed(
    content: dict[str, Any], path: tuple[str | int, ...], change: Callable[[Any, Any], None]
) -> dict[str, Any]:
    """A copy; ``change`` gets the container of the last key of ``path``, and that key."""
    made = copy.deepcopy(content)
    place: Any = made
    for key in path[:-1]:
        place = place[key]
    change(place, path[-1])
    return made


def assigned(content: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    return changed(content, path, lambda place, key: place.__setitem__(key, value))

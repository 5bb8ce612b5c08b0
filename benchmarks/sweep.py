"""Which architectures can be priors: each is built small with random weights, written as a checkpoint, and read again.

    python benchmarks/sweep.py --library timm            the least architecture of each of timm's modules
    python benchmarks/sweep.py --library transformers    every text architecture of transformers, shrunk

Of each, 8 rows are encoded at the size that ``bound`` would choose for 28 x 28 pictures, or as sentences, and the
network with a new head answers for them. A line a verdict: ``works``, ``refused`` (an error of ours, one line) or
``FAILS`` (any other). Each has a process of its own, forked, and a limit of time. ``--write FILE`` keeps the table.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from timm.models import save_for_hf

from transferbound.data.encode import encode_in_memory
from transferbound.data.inputs import Inputs
from transferbound.errors import TransferboundError
from transferbound.message import INPUT_SIZES
from transferbound.priors import Prior

_ROWS = 8
_MOST_PARAMETERS = 8_000_000
_SIDE = 28
_SMALL = (
    "test_",
    "atto",
    "femto",
    "pico",
    "nano",
    "xxs",
    "tiny",
    "_xs",
    "micro",
    "mini",
    "_s0",
    "_b0",
    "18",
    "_0",
)
_LOOKED_AT = 4
_TESTS = Path(__file__).resolve().parents[1] / "tests"


def timm_architectures() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Of each module the architecture of the fewest parameters, of some whose names promise few, if it is small."""
    for module in timm.list_modules():
        names = timm.list_models(module=module)
        promising = [name for mark in _SMALL for name in names if mark in name]
        sized = sorted((_size(name), name) for name in list(dict.fromkeys([*promising, *names]))[:_LOOKED_AT])
        if sized and sized[0][0] <= _MOST_PARAMETERS:
            yield sized[0][1], partial(_write_timm, sized[0][1])


def _size(name: str) -> int:
    try:
        with torch.device("meta"):
            return sum(value.numel() for value in timm.create_model(name, num_classes=5).parameters())
    except (NotImplementedError, RuntimeError):  # it computes while it is built
        return sum(value.numel() for value in timm.create_model(name, num_classes=5).parameters())


def _write_timm(name: str, folder: Path) -> None:
    torch.manual_seed(0)
    save_for_hf(timm.create_model(name, num_classes=5), str(folder), safe_serialization=True)


def text_architectures() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """All that the tests' builder knows."""
    sys.path.insert(0, str(_TESTS))
    from text_architectures import text_architectures as known
    from tiny_architectures import build

    for name in known():
        yield name, partial(build, name)


def verdict(folder: Path) -> str:
    """What came of the checkpoint in ``folder``."""
    try:
        prior = Prior.from_pretrained(str(folder))
        size = 0
        if prior.modality == "image":
            sizes = [side for side in INPUT_SIZES if 1.4 * _SIDE <= side < prior.input_size][:4]
            size = next((side for side in sizes if prior.reads_size(side)), 0)
            pixels = np.random.default_rng(0).integers(0, 256, (_ROWS, _SIDE, _SIDE), dtype=np.uint8)
            rows = Inputs("image", ("image",), [Image.fromarray(row) for row in pixels])
        else:
            rows = Inputs("text", ("text",), [f"w{row} w{row + 1} " * (1 + 8 * row) for row in range(_ROWS)])
        encoded = encode_in_memory(prior.preprocessing(size), rows)
        with torch.inference_mode():
            answers = prior.build(3, head_seed=1, input_size=size)(**encoded.batch(np.arange(_ROWS)))
    except TransferboundError as error:
        return "refused: " + str(error).replace(str(folder), "FOLDER")
    except Exception as error:
        return f"FAILS: {type(error).__name__}: {str(error)[:200]}"
    if tuple(answers.shape) != (_ROWS, 3) or not bool(torch.isfinite(answers).all()):
        return "FAILS: the answers are no numbers"
    return f"works, at {size or prior.input_size}" + (" pixels" if prior.modality == "image" else " tokens")


def in_a_fork(write: Callable[[Path], None], seconds: float) -> str:
    """The verdict of one architecture, in a process that may end in any way."""
    read, out = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "w") as nowhere:
            said = "FAILS: cannot be built small"
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                try:
                    write(Path(scratch) / "prior")
                    said = verdict(Path(scratch) / "prior")
                except BaseException as error:
                    said = f"not built: {type(error).__name__}: {str(error)[:120]}"
        os.write(out, " ".join(said.split()).encode()[:4000])
        os._exit(0)
    os.close(out)
    ends = time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > ends:
            os.kill(child, 9)
            os.waitpid(child, 0)
            break
        time.sleep(0.02)
    with os.fdopen(read, "rb") as pipe:
        return pipe.read().decode() or f"FAILS: no verdict in {seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=("timm", "transformers"), required=True)
    parser.add_argument("--seconds", type=float, default=120.0, help="for each architecture")
    parser.add_argument(
        "--minutes", type=float, default=600.0, help="for all; what is not begun by then is left out"
    )
    parser.add_argument("--only", nargs="+", help="architectures, by their names")
    parser.add_argument("--write", type=Path, help="a file for the table")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found, left, ends = [], 0, time.monotonic() + 60 * chosen.minutes
    for name, write in timm_architectures() if chosen.library == "timm" else text_architectures():
        if chosen.only and name not in chosen.only:
            continue
        if time.monotonic() > ends:
            left += 1
            continue
        found.append((name, in_a_fork(write, chosen.seconds)))
        print(f"{name:<32}{found[-1][1]}", flush=True)
    counts = Counter(said.split(",")[0].split(":")[0] for _, said in found)
    total = ", ".join(f"{count} {what}" for what, count in counts.most_common())
    total += f"; {left} not begun" if left else ""
    print(total)
    if chosen.write:
        lines = ["| architecture | verdict |", "|---|---|"]
        lines += [f"| `{name}` | {said.replace('|', '/')} |" for name, said in found]
        command = f"`python benchmarks/sweep.py --library {chosen.library}`"
        text = "\n".join([f"# Architectures of {chosen.library}", "", f"{command}: {total}.", "", *lines, ""])
        chosen.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

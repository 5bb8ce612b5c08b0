"""Feeds one of the fuzzers, in a process of its own: ``python tests/fuzzing.py NAME COUNT SEED [CERTIFICATE...]``.

Prints what came of the strings, the seconds, and the peak of the process's memory.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fuzz_generation import feed_generation
from fuzz_messages import feed_codes, feed_messages
from fuzz_texts import feed_card, feed_reader

from transferbound.certificate.certificate import Certificate

Folders = Sequence[Path]


def _reader(count: int, seed: int, folders: Folders) -> Counter[str]:
    texts = [json.loads((folder / "certificate.json").read_bytes()) for folder in folders]
    return feed_reader([json.dumps(text).encode() for text in texts], count, seed)


def _card(count: int, seed: int, folders: Folders) -> Counter[str]:
    """The strings are shared out among the certificates."""
    outcomes: Counter[str] = Counter()
    for place, folder in enumerate(folders):
        share = count // len(folders) + (place < count % len(folders))
        with tempfile.TemporaryDirectory() as scratch:
            outcomes += feed_card(Path(scratch), Certificate.from_pretrained(folder), share, seed + place)
    return outcomes


FUZZERS: dict[str, Callable[[int, int, Folders], Counter[str]]] = {
    "messages": lambda count, seed, folders: feed_messages(count, seed),
    "generation": lambda count, seed, folders: feed_generation(count, seed),
    "codes": lambda count, seed, folders: feed_codes(count, seed),
    "reader": _reader,
    "card": _card,
}


def fed(name: str, count: int, seed: int, folders: Folders = (), timeout: float = 4 * 3600) -> dict[str, Any]:
    """:func:`main` in a fresh process on one thread."""
    told = [name, str(count), str(seed), *map(str, folders)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, __file__, *told],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def peak_mb() -> int:
    """The most memory that this process held at once; getrusage would begin with its parent's."""
    (peak,) = re.findall(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(peak) // 1024


def main(name: str, count: str, seed: str, *folders: str) -> None:
    started = time.monotonic()
    outcomes = FUZZERS[name](int(count), int(seed), [Path(folder) for folder in folders])
    print(json.dumps({"outcomes": outcomes, "seconds": time.monotonic() - started, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What is wrong with the arguments alone is said at once: the libraries are not loaded for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_RUN = """
import sys
from transferbound.cli.entry import main
try:
    main()
except SystemExit as ended:
    print(ended.code, sorted({"torch", "datasets", "transformers", "timm"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("bound", "--prior", "timm/resnet18", "--dataset", "nowhere", "--out", "o"),
            "data set nowhere (--dataset)",
        ),
        (
            ("bound", "--prior", "./nowhere", "--dataset", "nowhere", "--out", "o"),
            "prior ./nowhere (--prior)",
        ),
        (("bound", "--prior", "a", "--dataset", "b", "--out", "o", "--max-rows", "1"), "--max-rows is 1"),
        (("bound", "--prior", "a", "--dataset", "b", "--out", "o", "--class-names", "a,a"), "'a' twice"),
        (("verify", "nowhere"), "nowhere is not a folder"),
        (("predict", "nowhere", "a text"), "nowhere is not a folder"),
    ],
)
def test_no_library_is_loaded_to_say_it(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert said in run.stderr
    assert run.stdout.split() == ["2", "[]"]
    assert not list(tmp_path.iterdir())

"""The rooms of docs/architecture.md: each imports only from rooms above it."""

import ast
from pathlib import Path

import pytest

import transferbound

ROOT = Path(transferbound.__file__).parent

# What each room may import of ours. A room that is not listed is a mistake.
ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "streams": {"errors"},
    "bounds": {"errors"},
    "plan": {"errors", "bounds"},
    "accounting": {"errors"},
    "codec": {"errors", "accounting"},
    "paper_code": {"errors", "accounting"},
    "priors": {"errors", "streams"},
    "data": {"errors", "priors"},
    "encode": {"errors", "priors", "data"},
    "independence": {"errors", "priors", "data"},
    "subspace": {"errors", "streams"},
    "quantize": {"errors"},
    "evaluate": {"errors", "encode"},
    "features": {"errors", "priors", "data", "encode", "subspace"},
    "finetune": {"errors", "files", "accounting", "bounds", "encode", "features", "quantize", "subspace"},
    "predictor": {"errors", "accounting", "codec", "priors", "quantize", "subspace"},
    "assumptions": set(),
    "schema": {"errors"},
    "statement": {
        *("errors", "accounting", "assumptions", "bounds", "data", "encode", "evaluate", "predictor"),
        *("paper_code", "priors", "quantize", "schema"),
    },
    # Its repr rounds as the report does, by an import at the time of use.
    "certificate": {"errors", "codec", "files", "schema", "report"},
    "report": {"errors", "bounds", "certificate", "files", "plan", "schema"},
    "search": {
        *("errors", "files", "accounting", "bounds", "certificate", "certification", "data", "encode"),
        *("finetune", "independence", "predictor", "priors"),
    },
}
# The rooms at the end put the others together.
ENDS = {"certification", "verification", "demo", "_bound_command", "cli", "__init__"}
# Private files of a room that is a single file.
PARTS = {
    "_dataset": "data",
    "_overlap": "data",
    "_near_duplicates": "independence",
    "_prior_split": "independence",
    "_bound_options": "cli",
    "_search": "search",
}


def room_of(path: Path) -> str:
    name = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for prefix, room in PARTS.items():
        if name.startswith(prefix):
            return "independence" if name == "_dataset_names" else room
    return name


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("transferbound."):
            found.add(room_of(ROOT / (node.module.split(".")[1] + ".py")))
    return found


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(path)
    if room in ENDS:
        return
    assert room in ALLOWED, f"{room} is no room of the architecture"
    assert imported_rooms(path) - {room} <= ALLOWED[room]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= 400


def test_the_bounds_import_without_torch() -> None:
    import subprocess
    import sys

    code = "import transferbound.bounds, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

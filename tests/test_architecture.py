"""The rooms of docs/architecture.md: each imports only from rooms above it, and files stay short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import transferbound

ROOT = Path(transferbound.__file__).parent

# From the ground up. What no room may import stands last; ``__init__`` opens the house and loads on first use.
ROOMS = (
    *("errors", "_lazy", "_threads", "_version", "wording", "streams", "tasks", "in_memory", "_numerics"),
    *("bounds", "storage", "distributed", "message"),
    *(
        "priors",
        "data",
        "independence",
        "subspace",
        "predictor",
        "language_predictor",
        "risks",
        "features",
        "finetune",
    ),
    *(
        "plan",
        "certificate",
        "report",
        "certification",
        "verification",
        "prediction",
        "export",
        "hub",
        "explanation",
        "demo",
        "cli",
        "__init__",
    ),
)
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a file imports, wherever in it; also by ``from transferbound import room``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "transferbound":
            found |= {alias.name if alias.name in ROOMS else "__init__" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("transferbound."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {
                (a.name + ".__init__").split(".")[1]
                for a in node.names
                if a.name.split(".")[0] == "transferbound"
            }
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"{room} is no room of the architecture"
    assert imported_rooms(path) <= set(ROOMS[: ROOMS.index(room) + 1])


DOORS = {
    "certificate/certificate.py": {"export.export", "hub.push"},
    "prediction/predictor.py": {"export.export"},
}
"""Methods that users look for on a class, and whose room comes later: each asks for it when it is called."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_later_rooms_are_asked_for_by_those_listed_alone(path: Path) -> None:
    asked = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "later":
            asked.add(ast.literal_eval(node.args[0]))
    assert asked == DOORS.get(path.relative_to(ROOT).as_posix(), set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= 400


def test_the_bounds_import_without_torch() -> None:
    code = "import transferbound.bounds, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_are_found_on_first_use() -> None:
    assert {"Predictor", "Prediction", "Prior", "Certificate", "certify", "verify"} <= set(
        transferbound.__all__
    )
    for name in transferbound.__all__:
        assert getattr(transferbound, name) is not None
        assert name in dir(transferbound)
    with pytest.raises(AttributeError, match="no attribute 'Predicter'"):
        transferbound.Predicter  # noqa: B018

"""Options are made from the settings' fields: names, defaults, groups, and what it takes to show them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import typer
from spine_fixtures import run_cli
from typer.testing import CliRunner

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig
from transferbound.cli.app import app
from transferbound.cli.help import GroupedCommand
from transferbound.cli.options import fill, options_of, with_options
from transferbound.cli.request import BOUND_OPTIONS
from transferbound.data.reading import DataReading

# Other people's scripts use these.
NAMES = """
    prior dataset out split confidence budget-minutes epochs kind dim seed levels rank modules head-scale head-seed
    input-size candidate batch-size learning-rate rate polish fix-until training-seed mixed-precision revision
    dataset-config dataset-revision image-column text-column label-column group-column num-classes test-split
    prior-split pretraining-data allow-dependence cache-features search search-share restart list-written
""".split()  # noqa: SIM905


def sections(text: str) -> dict[str, list[str]]:
    """The headings of a help text, each with the options that stand under it."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if re.fullmatch(r"\S.*:", line):
            found[line[:-1]] = []
        elif match := re.match(r"  (?:-\w, )?(--[\w-]+)", line):
            found[list(found)[-1]].append(match[1])
    return found


def test_no_name_goes() -> None:
    assert set(NAMES) <= {option.key for option in BOUND_OPTIONS}
    assert len({option.key for option in BOUND_OPTIONS}) == len(BOUND_OPTIONS)


def test_what_is_not_given_is_the_settings_own_default() -> None:
    defaults = {option.name: option.default for option in BOUND_OPTIONS}
    assert fill(FinetuneSettings, defaults) == FinetuneSettings()
    assert fill(CertifySettings, defaults) == CertifySettings()
    assert fill(DataReading, defaults) == DataReading()
    # A run's own: d follows n, and a new head has far to go.
    run = fill(SubspaceConfig, defaults, dim=1000, kind="film")
    assert (defaults["dim"], defaults["head_scale"], defaults["kind"]) == (None, 8, "auto")
    assert run == SubspaceConfig(head_scale=8)
    assert fill(FinetuneSettings, defaults | {"training_seed": 7}).seed == 7


def test_help_has_groups_and_what_everyone_needs_first() -> None:
    narrow = CliRunner().invoke(app, ["bound", "--help"], terminal_width=80).output
    assert max(map(len, narrow.splitlines())) <= 80
    found = sections(narrow)
    assert found["Start here"] == ["--prior", "--dataset", "--out", "--task", "--split", "--confidence"]
    assert list(found)[-1] == "Output"
    assert found["Output"][-4:] == ["--json", "--quiet", "--debug", "--help"]
    shown = [name for names in found.values() for name in names]
    assert sorted(shown) == sorted(
        [*(f"--{option.key}" for option in BOUND_OPTIONS if not option.hidden), *found["Output"][-4:]]
    )
    assert not {"--rate", "--initial-share"} & set(shown)
    piped = run_cli("bound", "--help")
    assert (piped.returncode, piped.stderr) == (0, "")
    assert sections(piped.stdout) == found
    assert all(c.isprintable() for line in piped.stdout.splitlines() for c in line)


def test_help_takes_no_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from transferbound.cli.app import app; "
        "told = CliRunner().invoke(app, ['bound', '--help']); assert told.exit_code == 0, told.output; "
        "sys.exit(bool({'torch', 'datasets', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_new_field_is_a_new_option() -> None:
    @dataclass(frozen=True)
    class Settings:
        colour: str = field(metadata={"help": "Which colour."})
        depth: int | None = field(default=None, metadata={"help": "How deep.", "option": "image_depth"})
        own: int = 3

    # A class of a function has no module of its own to resolve its annotations in.
    Settings.__annotations__ = {"colour": str, "depth": int | None, "own": int}
    made: list[Settings] = []
    app = typer.Typer(rich_markup_mode=None)

    @app.command(cls=GroupedCommand)
    @with_options(options_of(Settings, "Looks"))
    def paint(loud: bool = False, **given: Any) -> None:
        made.append(fill(Settings, given, own=4 if loud else 3))

    assert CliRunner().invoke(app, ["--colour", "red", "--image-depth", "8"]).exit_code == 0
    assert CliRunner().invoke(app, ["--colour", "blue", "--loud"]).exit_code == 0
    assert CliRunner().invoke(app, ["--image-depth", "8"]).exit_code == 2
    assert made == [Settings("red", 8), Settings("blue", None, 4)]
    assert sections(CliRunner().invoke(app, ["--help"]).output)["Looks"] == ["--colour", "--image-depth"]

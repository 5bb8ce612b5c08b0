"""The command line: bad input gets one clear message, exit code 2, and leaves nothing behind."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from conftest import save_rows
from safetensors.torch import load_file
from spine_fixtures import bright_rows, here_cli, image_certificate, run_cli, text_data, world
from typer.testing import CliRunner

from transferbound import Certificate, __version__
from transferbound.cli.app import app

Capture = pytest.CaptureFixture[str]


def bound(out: Path, **options: Any) -> int:
    """``transferbound bound`` with a second's work, if it comes to that. An option of None is left out."""
    values = {
        "prior": world() / "prior",
        "dataset": world() / "bright-squares",
        "epochs": 1,
        "dim": 12,
        "input_size": 32,
        "out": out,
    } | options
    arguments = [
        part
        for name, value in values.items()
        if value is not None
        for part in (f"--{name.replace('_', '-')}", value)
    ]
    return here_cli("bound", *arguments, "--quiet")


def assert_refused(code: int, capsys: Capture, message: str, folder: Path, *, exit_code: int = 2) -> None:
    """One line that holds ``message``, on standard error; nothing new in ``folder``."""
    told = capsys.readouterr()
    assert code == exit_code, told.err
    assert told.out == ""
    assert told.err.startswith("transferbound: ")
    assert len(told.err.strip().splitlines()) == 1, told.err
    assert re.search(message, told.err), told.err
    assert not list(folder.glob("out*")) + list(folder.glob(".out*"))


# Bad checkpoints -------------------------------------------------------------------------------------


class _Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("code-was-run"),))


def truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def with_code(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": _Payload()}))


def extra_tensor(folder: Path) -> None:
    from safetensors.torch import save_file

    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"surprise": torch.ones(2)}, folder / "model.safetensors", metadata={"format": "pt"})


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncated, "truncated or not a safetensors file"),
        (with_code, "could run code, so it is refused"),
        (extra_tensor, "surprise"),
        (no_weights, "has no weights"),
    ],
)
def test_spoilt_checkpoints(
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    prior = Path(shutil.copytree(world() / "prior", tmp_path / "prior"))
    spoil(prior)
    assert_refused(bound(tmp_path / "out", prior=prior), capsys, message, tmp_path)
    assert not (tmp_path / "code-was-run").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/no_such_network", "unknown prior timm/no_such_network"),
        ("nobody/no-such-model", "unknown prior nobody/no-such-model"),
        ("./no/such/folder/at/all", r"unknown prior \./no/such"),
        ("", "name is ''"),
    ],
)
def test_unknown_priors(tmp_path: Path, capsys: Capture, name: str, message: str) -> None:
    assert_refused(bound(tmp_path / "out", prior=name), capsys, message, tmp_path)


# Bad data --------------------------------------------------------------------------------------------


def unlabelled(folder: Path) -> None:
    save_rows(folder, {"image": bright_rows(20)["image"]})


def float_labels(folder: Path) -> None:
    rows = bright_rows(20)
    save_rows(folder, rows | {"label": [0.5 * x for x in rows["label"]]}, label=datasets.Value("float32"))


def outside(folder: Path) -> None:
    rows = bright_rows(20)
    save_rows(folder, rows | {"label": [*rows["label"][:-1], 7]}, label=datasets.Value("int64"))


def one_class(folder: Path) -> None:
    labels = datasets.ClassLabel(names=["cat", "dog"])
    save_rows(folder, bright_rows(20) | {"label": [1] * 20}, label=labels)


def empty(folder: Path) -> None:
    labels = datasets.ClassLabel(names=["cat", "dog"])
    save_rows(folder, {"image": [], "label": []}, label=labels)


@pytest.mark.parametrize(
    ("write", "message", "options"),
    [
        (unlabelled, "has no label column; its columns are image", {}),
        (float_labels, "holds float32, and a bound on the error needs classes", {}),
        (outside, "the label 7 in row 19, outside its 3 classes", {"num_classes": 3}),
        (outside, "declares no classes; say how many", {}),
        (one_class, "all 20 rows .* have the label 1", {}),
        (empty, "the split train .* is empty", {}),
    ],
)
def test_bad_data(
    tmp_path: Path, capsys: Capture, write: Callable[[Path], None], message: str, options: dict[str, Any]
) -> None:
    write(tmp_path / "rows")
    assert_refused(bound(tmp_path / "out", dataset=tmp_path / "rows", **options), capsys, message, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "nobody/no-such-data"}, "unknown data set nobody/no-such-data"),
        ({"split": "dev"}, "no split 'dev'; it has test, train"),
        ({"split": "train+train"}, "takes the rows .* twice"),
        ({"label_column": "class"}, "no column 'class'"),
        ({"group_column": "patient"}, "no column 'patient'"),
        ({"test_split": "dev"}, "no split 'dev'"),
        ({"num_classes": 5}, "declares 2 classes"),
    ],
)
def test_data_that_is_not_there(
    tmp_path: Path, capsys: Capture, options: dict[str, Any], message: str
) -> None:
    assert_refused(bound(tmp_path / "out", **options), capsys, message, tmp_path)


def test_models_on_the_other_kind_of_data(tiny_bert: Path, tmp_path: Path, capsys: Capture) -> None:
    code = bound(tmp_path / "out", prior=tiny_bert)
    assert_refused(code, capsys, "reads texts and the data set .* holds images", tmp_path)
    texts = text_data(tmp_path / "sentences")
    code = bound(tmp_path / "out", dataset=texts)
    assert_refused(code, capsys, "reads images and the data set .* holds texts", tmp_path)


# Bad options -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 1.5}, r"confidence is 1\.5"),
        ({"confidence": 0}, r"confidence is 0\.0"),
        ({"confidence": "nan"}, "confidence is nan"),
        ({"levels": 4}, "levels is 4; use an odd number"),
        ({"levels": 1}, "levels is 1"),
        ({"candidate": "3/2"}, "candidate is '3/2'; write I/N with 0 <= I < N"),
        ({"candidate": "1"}, "candidate is '1'"),
        ({"candidate": "-1/2"}, "candidate is '-1/2'"),
        ({"candidate": "2/closed"}, "candidate is '2/closed'; write .*, or I/open for a list that may grow"),
        ({"candidate": "1048576/open"}, "1048576"),
        ({"list_written": "later"}, "list_written is 'later'; it must be before or after"),
        ({"kind": "fourier"}, "fourier"),
        ({"kind": "film+film"}, "film"),
        ({"dim": -5}, "-5"),
        ({"dim": 10**9}, "1000000000"),
        ({"seed": -1}, "-1"),
        ({"epochs": 0}, r"epochs is 0\.0"),
        ({"epochs": None, "budget_minutes": -3}, r"budget_minutes is -3\.0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"input_size": 3}, "3"),
        ({"head_scale": 100}, "100"),
        ({"modules": "a.*"}, "modules"),
        ({"mixed_precision": "fp8"}, "fp8"),
        ({"revision": "main"}, "local path; leave it out"),
    ],
)
def test_bad_options(tmp_path: Path, capsys: Capture, options: dict[str, Any], message: str) -> None:
    assert_refused(bound(tmp_path / "out", **options), capsys, message, tmp_path)


def test_the_weight_of_the_bits_by_its_former_name(tmp_path: Path, capsys: Capture) -> None:
    assert bound(tmp_path / "out", rate=0.25) in (0, 3)
    note = "transferbound: --rate is now --bit-weight; the old name goes with the next release\n"
    assert capsys.readouterr() == ("", note)
    training = Certificate.from_pretrained(tmp_path / "out").content["unverified"]["training"]
    assert training["bit_weight"] == 0.25


def test_options_that_are_no_numbers_and_unknown_ones(tmp_path: Path, capsys: Capture) -> None:
    for arguments in (["--confidence", "high"], ["--no-such-option"]):
        code = here_cli("bound", "--prior", "a", "--dataset", "b", "--out", tmp_path / "out", *arguments)
        assert code == 2
        assert arguments[0] in capsys.readouterr().err
    assert here_cli("bound", "--prior", "a") == 2
    assert "Missing option" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_output_folders_that_exist_or_cannot_be(tmp_path: Path, capsys: Capture) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    code = bound(taken)
    assert_refused(code, capsys, "exists already; remove it or choose another --out", tmp_path)
    assert list(taken.iterdir()) == []
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    assert_refused(bound(file / "below"), capsys, "cannot be written: Not a directory", tmp_path)
    assert_refused(bound(tmp_path / "new" / "out", prior="nobody/none"), capsys, "unknown prior", tmp_path)
    assert not (tmp_path / "new").exists()


# verify and card -------------------------------------------------------------------------------------


def test_verify_exit_codes(tmp_path: Path, capsys: Capture) -> None:
    folder = Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))
    assert here_cli("verify", folder, "--quiet") == 0
    assert capsys.readouterr().out == ""
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    content["errors"] -= 1
    (folder / "certificate.json").write_text(json.dumps(content), encoding="utf-8")
    assert here_cli("verify", folder) == 1
    told = capsys.readouterr().out
    assert told.startswith("DOES NOT HOLD\n- errors is stated as")
    assert here_cli("verify", folder, "--json") == 1
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["holds"] is False
    assert verdict["problems"]
    code = here_cli("verify", tmp_path / "nothing")
    assert_refused(
        code, capsys, "is not a folder; give the folder that `transferbound bound` wrote", tmp_path
    )
    code = here_cli("verify", image_certificate(), "--prior", "nobody/none")
    assert_refused(code, capsys, "unknown prior nobody/none", tmp_path)
    code = here_cli("verify", image_certificate(), "--dataset", "nobody/none")
    assert_refused(code, capsys, "unknown data set nobody/none", tmp_path)


def test_a_certificate_with_former_names_of_settings_holds(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    training = content["unverified"]["training"]
    training["rate"], training["initial_share"] = training.pop("bit_weight"), training.pop("initial_density")
    (folder / "certificate.json").write_text(json.dumps(content), encoding="utf-8")
    assert here_cli("verify", folder, "--quiet") == 0


def test_names_in_a_foreign_certificate_do_not_steer_the_terminal(tmp_path: Path, capsys: Capture) -> None:
    folder = Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    content["prior"]["id"] = "nobody\x1b[2J\x1b[HHOLDS"
    (folder / "certificate.json").write_text(json.dumps(content), encoding="utf-8")
    assert here_cli("verify", folder) == 2
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err


def test_card_of_no_certificate(tmp_path: Path, capsys: Capture) -> None:
    assert_refused(here_cli("card", tmp_path), capsys, "certificate.json is missing", tmp_path)


# Output and help -------------------------------------------------------------------------------------


def test_json_and_the_summary(tmp_path: Path, capsys: Capture) -> None:
    arguments = ["--prior", world() / "prior", "--dataset", world() / "bright-squares"]
    arguments += ["--epochs", "1", "--dim", "12", "--input-size", "32"]
    assert here_cli("bound", *arguments, "--out", tmp_path / "one", "--json") in (0, 3)
    content = json.loads(capsys.readouterr().out)
    assert content == json.loads((tmp_path / "one" / "certificate.json").read_text(encoding="utf-8"))
    assert here_cli("bound", *arguments, "--out", tmp_path / "two") in (0, 3)
    printed = capsys.readouterr().out
    assert "error on new data   at most" in printed
    assert str(tmp_path / "two") in printed


def test_plan_json(capsys: Capture) -> None:
    arguments = ["--n", "5000", "--train-error", "0.1", "--bits", "600", "--json"]
    assert here_cli("plan", *arguments) == 0
    planned = json.loads(capsys.readouterr().out)
    assert 0.1 < planned["risk_bound"] < 0.5
    assert "sweep" not in planned
    assert here_cli("plan", *arguments, "--sweep", "bits", "--sweep", "n") == 0
    swept = json.loads(capsys.readouterr().out)["sweep"]
    assert (len(swept["n"]), len(swept["bits"])) == (7, 7)
    assert swept["bounds"][3][3] == planned["risk_bound"]
    assert here_cli("plan", *arguments[:-1], "--sweep", "bits") == 0
    assert "held out 10 %" in capsys.readouterr().out
    assert here_cli("plan", *arguments, "--sweep", "dim") == 2
    assert "n or bits, got 'dim'" in capsys.readouterr().err
    assert here_cli("plan", "--n", "0", "--train-error", "0.1", "--bits", "600") == 2
    assert here_cli("plan", "--n", "10", "--train-error", "1.1", "--bits", "600") == 2


def test_version_in_a_fresh_process() -> None:
    done = run_cli("--version")
    assert (done.returncode, done.stdout) == (0, f"transferbound {__version__}\n")


def test_help_names_every_command_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["--help"], terminal_width=80)
    assert result.exit_code == 0
    listed = result.output.split("Commands:\n")[1]
    names = re.findall(r"^  (\w+) ", listed, re.MULTILINE)
    assert {"bound", "verify", "predict", "card", "plan", "demo"} <= set(names)
    assert "..." not in listed
    for name in names:
        told = CliRunner().invoke(app, [name, "--help"])
        assert told.exit_code == 0
        assert "Usage:" in told.output
        for option in re.findall(r"^  (--[\w-]+)", told.output, re.MULTILINE):
            assert re.search(rf"{option}\b[^\n]*(\n {{10,}}\S|  \S)", told.output), option

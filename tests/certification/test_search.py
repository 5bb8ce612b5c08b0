"""The search before the full run: what it tries and picks, what its winner pays, and that it can be killed."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import save_rows
from spine_fixtures import QUICK, bright_rows, here_cli, run_cli, world

from transferbound import (
    Certificate,
    CertifySettings,
    FinetuneSettings,
    LabelledData,
    Prior,
    certify,
)
from transferbound.bounds import errors_at, occam_binomial
from transferbound.certification.search import SearchResult, search
from transferbound.cli.request import BOUND_OPTIONS
from transferbound.cli.search_grid import DECODER_KEYS, ENCODER_KEYS, parse_grid
from transferbound.data.examples import Examples
from transferbound.errors import ArgumentError, DataError, OutputError, SubspaceError
from transferbound.finetune import Finetuner
from transferbound.independence import check
from transferbound.message import Header, itemize
from transferbound.message.field_codes import choice_bits
from transferbound.message.header import field_codes
from transferbound.predictor import decode_predictor

Capture = pytest.CaptureFixture[str]


class InterruptedRunError(Exception):
    pass


def inputs() -> tuple[Prior, LabelledData]:
    return (
        Prior.from_pretrained(str(world() / "prior")),
        LabelledData.load(str(world() / "bright-squares")),
    )


def candidate(dim: int = 12, levels: int = 3, seed: int = 3, **finetune: Any) -> CertifySettings:
    assert QUICK.subspace is not None
    values = {"epochs": 8, "batch_size": 20, "learning_rate": 0.1, "save_seconds": 0.0} | finetune
    return replace(
        QUICK,
        subspace=replace(QUICK.subspace, dim=dim, seed=seed),
        levels=levels,
        finetune=FinetuneSettings(**values),
    )


GRID = [candidate(dim=10), candidate(dim=20, learning_rate=0.05), candidate(dim=20, levels=5)]


def searched(out: Path, grid: list[CertifySettings] = GRID, **how: Any) -> tuple[SearchResult, Certificate]:
    prior, data = inputs()
    found = search(prior, data, grid, out, share=0.5, progress=False, **how)
    return found, certify(prior, data, out, found.settings, progress=False)


def count_runs(patch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Notes d and learning rate of every finetuning run from now on."""
    runs: list[tuple[int, float]] = []
    original = Finetuner.run

    def run(self: Finetuner) -> Any:
        runs.append((self.header.dim, self.settings.learning_rate))
        return original(self)

    patch.setattr(Finetuner, "run", run)
    return runs


def interrupt(patch: pytest.MonkeyPatch, run: int, step: int) -> None:
    """Stops before step ``step`` of finetuning run number ``run``, counted from 0."""
    runs = count_runs(patch)
    original = Finetuner._advance

    def advance(self: Finetuner, indices: Any) -> None:
        if len(runs) == run + 1 and self.step == step:
            raise InterruptedRunError
        original(self, indices)

    patch.setattr(Finetuner, "_advance", advance)


# What is tried, and what it costs --------------------------------------------------------------------


def test_the_smallest_bound_of_the_pilots_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    prior, data = inputs()
    runs = count_runs(monkeypatch)
    # The second cannot learn, at a rate of next to nothing.
    grid = [candidate(dim=10, epochs=20), candidate(dim=10, epochs=20, learning_rate=1e-9)]
    grid.append(candidate(dim=500, levels=99, epochs=20))
    found = search(prior, data, grid, share=0.9, progress=False)
    assert runs == [(10, 0.1), (10, 1e-9), (500, 0.1)]
    assert [pilot.settings for pilot in found.pilots] == [
        {"dim": 10, "levels": 3, "learning_rate": 0.1},
        {"dim": 10, "levels": 3, "learning_rate": 1e-9},
        {"dim": 500, "levels": 99, "learning_rate": 0.1},
    ]
    bounds = [pilot.bound for pilot in found.pilots]
    assert found.chosen == 0 == bounds.index(min(bounds))
    assert bounds[0] < min(bounds[1:])
    for pilot in found.pilots:
        assert pilot.bound == occam_binomial(errors_at(pilot.train_error, data.n), data.n, pilot.bits, 0.05)
        assert pilot.steps == 30  # 20 epochs of 5 steps, nine tenths of them in three parts
    assert found.pilots[2].bits > found.pilots[0].bits + 100
    assert found.settings == replace(
        grid[0], finetune=replace(grid[0].finetune, epochs=(1 - 0.9) * 20), search=found.settings.search
    )


def test_a_pilots_bits_hold_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same integers under a dearer header make a dearer pilot: an undeclared seed of 40 bits is paid for."""
    prior, data = inputs()
    grid = [candidate(seed=s, epochs=4, learning_rate=1e-9, bit_weight=0.0) for s in (0, 2**40)]
    cheap, dear = search(prior, data, grid, share=0.5, progress=False).pilots
    costs = {cost.field: cost.bits for cost in itemize(Header("film", 12, seed=2**40), [0] * 12)}
    free = {cost.field: cost.bits for cost in itemize(Header("film", 12), [0] * 12)}
    assert costs["seed"] > free["seed"] + 40
    assert dear.bits - cheap.bits > 30  # the integers differ by a few bits


def test_whatever_the_decoder_needs_of_a_search_is_in_the_header() -> None:
    coded = [name for name, _ in field_codes()]
    assert {key.replace("-", "_") for key in DECODER_KEYS} <= set(coded)
    # What only the encoder uses is a field of its settings and of no message.
    own = {field.name for field in fields(FinetuneSettings)}
    assert {key.replace("-", "_") for key in ENCODER_KEYS} - {"training_seed"} <= own
    assert not {key.replace("-", "_") for key in ENCODER_KEYS} & set(coded)
    search = next(option for option in BOUND_OPTIONS if option.name == "search")
    assert search.help.endswith(
        f"Keys that the message pays for: {', '.join(DECODER_KEYS)}; free ones: {', '.join(ENCODER_KEYS)}."
    )


def test_a_searched_certificate_states_and_pays_for_the_winner(tmp_path: Path, capsys: Capture) -> None:
    command = ["bound", "--prior", world() / "prior", "--dataset", world() / "bright-squares"]
    command += ["--epochs", 4, "--batch-size", 20, "--out", tmp_path / "out", "--input-size", 32]
    grid = ["--search", "dim=13,20", "--search", "levels=5,7", "--search", "learning-rate=0.1"]
    grid += ["--search", "seed=9", "--search", "head-scale=4", "--search-share", 0.5]
    assert here_cli(*command, *grid) in (0, 3)
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if "pilot " in line]
    assert len(lines) == 4
    assert re.search(
        r"pilot 1/4: dim=13 levels=5: train error [\d.]+ %, \d+ bits, bound about [\d.]+ %",
        lines[0],
    )
    assert "search: going on with dim=" in told.err
    certificate = Certificate.from_pretrained(tmp_path / "out")
    content = certificate.content
    record = content["unverified"]["training"]["search"]
    assert len(record["pilots"]) == 4
    assert record["share"] == 0.5
    chosen = record["pilots"][record["chosen"]]
    assert chosen["bound"] == min(pilot["bound"] for pilot in record["pilots"])
    # The message itself says what won, and the account has a line for each of it.
    prior, data = inputs()
    predictor = decode_predictor(prior, data.num_classes, certificate.message)
    header, integers = predictor.header, predictor.integers
    assert (header.dim, header.levels) == (chosen["settings"]["dim"], chosen["settings"]["levels"])
    assert (header.seed, header.head_scale, header.input_size) == (9, 4, 32)
    assert content["unverified"]["training"]["learning_rate"] == 0.1
    costs = {cost["field"]: cost for cost in content["message"]["costs"]}
    codes = dict(field_codes())
    for name, value in asdict(header).items():
        if name in costs:
            paid = choice_bits(codes[name](asdict(header)).write(value))
            assert costs[name]["bits"] == pytest.approx(paid)
    assert costs["dim"]["bits"] >= 6  # 20 is one of 64 declared ones, 13 costs more
    assert sum(cost["bits"] for cost in costs.values()) == pytest.approx(content["message_bits"])
    assert len(integers) == header.dim
    checked = run_cli("verify", tmp_path / "out")
    assert (checked.returncode, checked.stdout[:5]) == (0, "HOLDS")


def test_prior_and_data_are_checked_once_for_pilots_and_full_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_rows(tmp_path / "corpus", bright_rows(30, seed=7))
    compared: list[str] = []
    original = check.find_duplicates

    def count(corpus: Examples, data: LabelledData) -> Any:
        compared.append(corpus.name)
        return original(corpus, data)

    monkeypatch.setattr(check, "find_duplicates", count)
    runs = count_runs(monkeypatch)
    command = ["bound", "--prior", world() / "prior", "--dataset", world() / "bright-squares", "--epochs", 2]
    command += ["--pretraining-data", tmp_path / "corpus", "--search", "dim=10,12", "--input-size", 32]
    assert here_cli(*command, "--out", tmp_path / "out", "--quiet") in (0, 3)
    assert len(runs) == 3
    assert compared == [str(tmp_path / "corpus")]
    found = Certificate.from_pretrained(tmp_path / "out").content["independence"]["checked"]
    assert found["pretraining_data"]["rows"] == 30


def test_the_search_changes_nothing_of_the_winners_run(tmp_path: Path) -> None:
    """The certificate is that of the winner's settings alone: nothing is charged or spared for the search."""
    found, certificate = searched(tmp_path / "out")
    prior, data = inputs()
    alone = certify(prior, data, None, replace(found.settings, search=None), progress=False)
    assert certificate.message == alone.message
    content = json.loads(json.dumps(certificate.content))
    assert content["unverified"]["training"].pop("search") == found.settings.search
    assert content == alone.content


# Killed and started again ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "unbroken"
    searched(folder)
    return folder


@pytest.mark.parametrize(("run", "step", "repeated"), [(0, 3, 4), (1, 0, 3), (2, 4, 2), (3, 11, 1)])
def test_an_interrupted_search_ends_with_the_same_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: Path, run: int, step: int, repeated: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, run, step)
        with pytest.raises(InterruptedRunError):
            searched(tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    runs = count_runs(monkeypatch)
    searched(tmp_path / "killed")
    assert len(runs) == repeated  # finished pilots are not among them
    for name in ("certificate.json", "offset.bin", "README.md"):
        assert (tmp_path / "killed" / name).read_bytes() == (unbroken / name).read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["killed"]


@pytest.mark.parametrize("run", [1, 3])
def test_state_of_another_search_is_refused(tmp_path: Path, run: int) -> None:
    """A search killed among its pilots, or in the full run; then other commands on the same folder."""
    prior, data = inputs()
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, run, 2)
        with pytest.raises(InterruptedRunError):
            searched(tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out.partial").iterdir()}
    with pytest.raises(OutputError, match=r"other settings \(search differ\).*--restart"):
        searched(tmp_path / "out", GRID[:2])
    with pytest.raises(OutputError, match=r"other settings \(search differ\)"):
        search(prior, data, GRID, tmp_path / "out", share=0.4, progress=False)
    with pytest.raises(OutputError, match=r"other settings \(.*search differ\).*--restart"):
        certify(prior, data, tmp_path / "out", GRID[0], progress=False)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out.partial").iterdir()} == before
    searched(tmp_path / "out", [replace(point, restart=True) for point in GRID[:2]])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out"]


def test_the_state_of_a_plain_run_is_refused(tmp_path: Path) -> None:
    prior, data = inputs()
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 0, 9)
        with pytest.raises(InterruptedRunError):
            certify(prior, data, tmp_path / "out", GRID[0], progress=False)
    with pytest.raises(OutputError, match=r"other settings \(search differ\)"):
        searched(tmp_path / "out")
    certify(prior, data, tmp_path / "out", GRID[0], progress=False)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"bits"', '"bit"'),
        lambda text: text.replace('"bound": ', '"bound": "x", "b": '),
    ],
)
def test_a_damaged_state_is_refused(tmp_path: Path, spoil: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 1, 0)
        with pytest.raises(InterruptedRunError):
            searched(tmp_path / "out")
    file = tmp_path / "out.partial" / "search.json"
    file.write_text(spoil(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(OutputError, match=r"cannot be read: .*; pass --restart"):
        searched(tmp_path / "out")


# The budget ------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only optimizer steps move, a second each."""
    now = [0.0]
    original = Finetuner._advance

    def one_second(self: Finetuner, indices: Any) -> None:
        now[0] += 1.0
        original(self, indices)

    monkeypatch.setattr(Finetuner, "_advance", one_second)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_minutes_are_divided_equally_and_the_rest_is_the_full_runs(clock: list[float]) -> None:
    prior, data = inputs()
    grid = [
        replace(point, finetune=replace(point.finetune, epochs=None, budget_minutes=10)) for point in GRID[:2]
    ]
    found = search(prior, data, grid, share=0.4, progress=False)  # 240 of 600 seconds: 120 for each
    assert found.untried == 0
    first, second = (pilot.steps for pilot in found.pilots)
    assert 60 < first == second <= 120
    assert clock[0] == first + second
    assert found.settings.finetune.budget_minutes == pytest.approx(10 - clock[0] / 60, abs=1e-3)
    assert found.settings.finetune.epochs is None


def test_minutes_that_run_out_leave_candidates_untried(clock: list[float], capsys: Capture) -> None:
    """No pilot can be shorter than what it takes to measure the speed, some 30 steps."""
    prior, data = inputs()
    grid = [replace(point, finetune=replace(point.finetune, epochs=None, budget_minutes=2)) for point in GRID]
    found = search(prior, data, grid, share=0.4)
    assert (len(found.pilots), found.untried) == (2, 1)
    assert "search: no time was left for 1 of 3 candidates" in capsys.readouterr().err
    assert clock[0] <= 48 + 31
    assert found.settings.search is not None
    assert found.settings.search["untried"] == 1
    tiny = [
        replace(point, finetune=replace(point.finetune, epochs=None, budget_minutes=0.1)) for point in GRID
    ]
    found = search(prior, data, tiny, share=0.5, progress=False)
    assert (len(found.pilots), found.untried) == (1, 2)
    assert found.settings.finetune.budget_minutes == pytest.approx(0.005)


# Refused before anything is loaded -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["dim"], "search is 'dim'; write KEY=V1,V2,..., for example dim=500,1000"),
        (["colour=red,blue"], "unknown key 'colour'; known are kind, dim, seed, .*learning-rate"),
        (["epochs=1,2"], "unknown key 'epochs'"),
        (["=1,2"], "unknown key ''"),
        (["dim="], "'dim=' names no values; write dim=V1,V2"),
        (["dim=500,,600"], "has the value ''; dim takes whole numbers"),
        (["dim=500,6e2"], "has the value '6e2'; dim takes whole numbers"),
        (["threshold=0.5,half"], "has the value 'half'; threshold takes numbers"),
        (["dim=500,500"], "names a value twice"),
        (["dim=500", "dim=600"], "search names dim twice; write all its values in one option"),
        (["dim=500"], "1 distinct candidates; name at least 2"),
        (["rank=4,8"], "1 distinct candidates"),  # the kind, film, has no rank
        (["dim=500,0"], "dim is 0; it must be an integer in"),
        (["dim=500,99999999"], "dim is 99999999; it must be an integer in"),
        (["levels=3,4"], "levels is 4; use an odd number"),
        (["kind=film,fourier"], "kind 'fourier' is none of"),
        (["head-scale=0,100"], "head_scale is 100; it must be"),
        (["input-size=32,99999"], "input_size is 99999; it must be an integer in"),
        (["seed=0,-1"], "seed is -1; it must be"),
        (["head-seed=0,-1"], "head_seed is -1"),
        (["kind=lora", "rank=4,0"], "rank=0 .* needs a rank in"),
        (["learning-rate=0.1,0"], r"learning_rate is 0\.0; it must be a positive number"),
        (["learning-rate=0.1,nan"], "learning_rate is nan"),
        (["batch-size=10,0"], "batch_size is 0"),
        (["threshold=0.5,1"], r"threshold is 1\.0; it must be between 0 and 1"),
        (["quantize-from=0.1,0.9"], r"quantize_from is 0\.9"),
        (["initial-density=0,1"], r"initial_density is 0\.0"),
        (["dim=10,20,30,40,50", "levels=3,5,7,9,11", "seed=0,1,2"], "5 x 5 x 3 = 75 points; .* at most 64"),
        ([f"seed={','.join(map(str, range(65)))}"], "65 = 65 points"),
    ],
)
def test_bad_grids(tmp_path: Path, capsys: Capture, options: list[str], message: str) -> None:
    command = ["bound", "--prior", "nobody/none", "--dataset", "nobody/none", "--out", tmp_path / "out"]
    assert here_cli(*command, *(part for option in options for part in ("--search", option))) == 2
    told = capsys.readouterr().err
    assert len(told.strip().splitlines()) == 1, told
    assert re.search(message, told), told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", ["0", "1", "-0.1", "nan"])
def test_bad_shares(tmp_path: Path, capsys: Capture, share: str) -> None:
    command = ["bound", "--prior", "nobody/none", "--dataset", "nobody/none", "--out", tmp_path / "out"]
    assert here_cli(*command, "--search", "dim=10,20", "--search-share", share) == 2
    assert "search_share is " in capsys.readouterr().err


def test_the_grid_is_the_product() -> None:
    points = parse_grid(["kind=film, film+kron", "learning-rate=0.1,1e-3"])
    assert points == [
        {"kind": "film", "learning_rate": 0.1},
        {"kind": "film", "learning_rate": 0.001},
        {"kind": "film+kron", "learning_rate": 0.1},
        {"kind": "film+kron", "learning_rate": 0.001},
    ]
    assert parse_grid([]) == [{}]


def test_keys_by_their_former_names(capsys: Capture) -> None:
    assert parse_grid(["rate=0,1", "initial-share=0.5"]) == [
        {"bit_weight": 0.0, "initial_density": 0.5},
        {"bit_weight": 1.0, "initial_density": 0.5},
    ]
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.partition(";")[0] for line in told.err.splitlines()] == [
        "transferbound: --search rate= is now --search bit-weight=",
        "transferbound: --search initial-share= is now --search initial-density=",
    ]
    with pytest.raises(ArgumentError, match="names bit-weight twice"):
        parse_grid(["rate=0,1", "bit-weight=2"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": 0.9}, r"differ in confidence \(0\.95, 0\.9\)"),
        ({"finetune": FinetuneSettings(epochs=3)}, r"differ in epochs \(8, 3\)"),
        ({"finetune": FinetuneSettings(epochs=8, budget_minutes=3)}, "differ in budget_minutes"),
        ({"finetune": FinetuneSettings(epochs=8, mixed_precision="bf16")}, "differ in mixed_precision"),
        ({"candidates": 2}, "differ in number of declared candidates"),
    ],
)
def test_candidates_that_cannot_be_compared(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        search("nobody/none", "nobody/none", [GRID[0], replace(GRID[1], **change)])


def test_what_certify_refuses_the_search_refuses_before_a_pilot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior, data = inputs()
    runs = count_runs(monkeypatch)
    with pytest.raises(DataError, match="name another, or none"):
        search(prior, data, GRID, tmp_path / "out", test=data, progress=False)
    with pytest.raises(SubspaceError):  # the last candidate does not fit the model
        search(prior, data, [*GRID, candidate(dim=2**22)], tmp_path / "out", progress=False)
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        search(prior, data, GRID, tmp_path / "out", progress=False)
    assert runs == []
    assert [file.name for file in tmp_path.iterdir()] == ["out"]

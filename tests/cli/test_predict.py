"""``transferbound predict``: a line for each row, whatever it comes from; bad input gets one clear message."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from spine_fixtures import assigned, here_cli, run_cli, save_calibrated
from stated import case

from transferbound import Predictor
from transferbound.cli import rows as reading
from transferbound.wording import printable

Capture = pytest.CaptureFixture[str]
Made = Callable[[str], Path]
TEXTS = ["good film", "bad plot and dull music", "", "the actor is not funny"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Made:
    known: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in known:
            known[name] = case(name, tmp_path_factory.mktemp("case"), tiny_bert)[0]
        return known[name]

    return get


def labels(folder: Path, inputs: Any) -> list[str | None]:
    return [one.label for one in Predictor.from_pretrained(folder).predict(inputs)]


def answered(capsys: Capture, *arguments: object) -> list[dict[str, Any]]:
    """What ``--json`` prints, a line each; nothing else is told."""
    assert here_cli("predict", "--json", "--quiet", *arguments) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return [json.loads(line) for line in told.out.splitlines()]


def given(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def assert_refused(capsys: Capture, message: str, *arguments: object) -> None:
    code = here_cli("predict", *arguments, "--quiet")
    told = capsys.readouterr()
    assert code == 2, told
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1, told.err
    assert re.search(message, told.err), told.err


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    names = ["a.png", "b.PNG", "more/c.jpg", "z.bmp"]
    for place, name in enumerate(names):
        pixels = (40 + 60 * place + random.normal(0, 9, (12, 12))).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return [folder / name for name in ("a.png", "b.PNG", "z.bmp", "more/c.jpg")]  # as they are walked


def test_texts_as_arguments(made: Made, capsys: Capture) -> None:
    folder = made("text sparse")
    wanted = Predictor.from_pretrained(folder).predict(TEXTS)
    found = answered(capsys, folder, "--", *TEXTS)
    assert [one["input"] for one in found] == TEXTS
    for one, other in zip(found, wanted, strict=True):
        assert (one["label"], one["label_id"]) == (other.label, other.label_id)
        assert one["scores"] == pytest.approx(other.scores)
        assert one["score"] == max(one["scores"].values())
    assert here_cli("predict", folder, "--quiet", *TEXTS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [one.label for one in wanted]
    assert lines[0] == f"{wanted[0].label}  {wanted[0].score:.4f}  good film"


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_lines_of_a_file_and_of_standard_input(
    ending: bytes, made: Made, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line is a row, an empty one as well, and one that begins as JSON does."""
    folder, texts = made("text sparse"), [*TEXTS, '{"other": 1}', '{"text": oh']
    wanted = labels(folder, texts)
    content = b"".join(text.encode() + ending for text in texts)
    (tmp_path / "texts.txt").write_bytes(b"\xef\xbb\xbf" + content)
    given(monkeypatch, content)
    for found in (answered(capsys, folder, "-"), answered(capsys, folder, "--file", tmp_path / "texts.txt")):
        assert [one["input"] for one in found] == texts
        assert [one["label"] for one in found] == wanted
    both = answered(capsys, folder, "first", "--file", tmp_path / "texts.txt")
    assert [one["input"] for one in both] == ["first", *texts]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.txt"])
def test_json_lines_have_the_column_names_of_the_certificate(
    name: str, made: Made, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"label": 1, "text": text} for text in TEXTS]
    lines = "\n\n".join(json.dumps(row) for row in rows)
    (tmp_path / name).write_text(lines)
    given(monkeypatch, lines.encode())
    folder = made("text sparse")
    for found in (answered(capsys, folder, "--file", tmp_path / name), answered(capsys, folder, "-")):
        assert [(one["input"], one["label"]) for one in found] == list(
            zip(TEXTS, labels(folder, TEXTS), strict=True)
        )


def test_pairs(made: Made, capsys: Capture, tmp_path: Path) -> None:
    folder = made("text pairs")
    pairs = [("good film", "bad plot"), ("", "music")]
    rows = [{"sentence1": a, "sentence2": b} for a, b in pairs]
    (tmp_path / "rows").write_text("\n".join(json.dumps(row) for row in rows))
    wanted = labels(folder, pairs)
    for found in (
        answered(capsys, folder, *pairs[0], *pairs[1]),
        answered(capsys, folder, "--file", tmp_path / "rows"),
    ):
        assert [tuple(one["input"]) for one in found] == pairs
        assert [one["label"] for one in found] == wanted
    assert_refused(capsys, "3 INPUTs are given and the certificate is of pairs", folder, "a", "b", "c")
    (tmp_path / "rows").write_text("good film\n")
    assert_refused(capsys, "line 1 is not valid JSON", folder, "--file", tmp_path / "rows")


def test_images_and_folders_of_them(
    made: Made, capsys: Capture, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = made("image film"), [str(path) for path in pictures]
    wanted = labels(folder, names)
    assert len(set(wanted)) == 2
    (tmp_path / "pictures" / ".hidden.png").write_text("no picture")
    given(monkeypatch, "\n".join(names).encode())
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"image": name}) for name in names))
    for found in (
        answered(capsys, folder, *names),
        answered(capsys, folder, tmp_path / "pictures"),
        answered(capsys, folder, "-"),
        answered(capsys, folder, "--file", tmp_path / "rows.jsonl"),
    ):
        assert [(one["input"], one["label"]) for one in found] == list(zip(names, wanted, strict=True))


def test_what_is_left_out_is_said(made: Made, capsys: Capture, pictures: list[Path]) -> None:
    (pictures[0].parent / "notes.txt").write_text("x")
    (pictures[0].parent / "figure.eps").write_text("x")
    assert here_cli("predict", made("image film"), pictures[0].parent) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 4
    assert "transferbound: 2 files in " in told.err


def test_a_text_that_is_a_file_is_said(made: Made, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "reviews.txt").write_text("good\n")
    assert here_cli("predict", made("text sparse"), tmp_path / "reviews.txt") == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1
    assert "is taken for a text, and is a file as well: --file reads its lines" in told.err


def test_no_answer_is_said(made: Made, capsys: Capture, pictures: list[Path]) -> None:
    folder = made("image ties")
    (one,) = answered(capsys, folder, pictures[0])
    assert (one["label"], one["label_id"], one["scores"]) == (None, None, {"class0": 0.5, "class1": 0.5})
    assert here_cli("predict", folder, pictures[0], "-q") == 0
    assert capsys.readouterr().out.startswith("(no answer)  0.5000  ")


def test_pieces_are_printed_in_order(
    made: Made, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transferbound.cli import predict

    monkeypatch.setattr(predict, "_PIECE", 3)
    texts = [f"good film {place}" for place in range(10)]
    (tmp_path / "texts").write_text("\n".join(texts))
    found = answered(capsys, made("text sparse"), "--file", tmp_path / "texts", "--batch-size", 2)
    assert [one["input"] for one in found] == texts


# What is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("text sparse", [], "no INPUT is given; give some, - for standard input, or --file"),
        ("text sparse", ["-", "a"], "INPUT - stands for standard input and 1 others"),
        ("text sparse", ["a", "--batch-size", "0"], "batch_size is 0"),
        ("text sparse", ["a", "--device", "toaster"], "device is 'toaster'"),
        ("text sparse", ["--file", "absent.txt"], "--file absent.txt does not exist"),
        ("text sparse", ["--file", "."], r"--file \. is a folder"),
        ("text sparse", ["a", "--prior", "nobody/none"], "unknown prior nobody/none"),
        ("text sparse", ["a", "--reference", "nobody/none"], "unknown data set nobody/none"),
        ("image film", ["I loved it"], "no such file or folder: I loved it; the certificate is of images"),
        ("image film", ["\ud800"], "no such file or folder"),
        ("image film", ["a" * 5000], "no such file or folder"),
    ],
)
def test_what_cannot_be_asked(
    name: str,
    arguments: list[str],
    message: str,
    made: Made,
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(capsys, message, made(name), *arguments)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("empty.txt", b"", "empty.txt is empty; give a row a line"),
        ("latin.txt", b"good\ncaf\xe9\n", "latin.txt, line 2 is not UTF-8"),
        ("binary.txt", b"a\0b\n", "line 1 holds a null"),
        ("long.txt", b"x" * 40, "line 1 is of more than 30 bytes"),
        ("rows.csv", b"text\ngood\n", "rows.csv is no file of lines; write JSON lines"),
        ("rows.parquet", b"PAR1", "is no file of lines"),
        ("rows.jsonl", b"good film\n", "rows.jsonl, line 1 is not valid JSON"),
        ("rows.jsonl", b'{"text": "a"}\n{"t": 1}\n', "line 2 is no JSON object with 'text', .*; it has t"),
        ("rows.jsonl", b'{"text": "a"}\n[1]\n', "line 2 is no JSON object with 'text'"),
        ("rows.jsonl", b'{"text": 3}\n', "line 1 has 3 as 'text'; give a string"),
    ],
)
def test_files_that_are_none(
    file: str,
    content: bytes,
    message: str,
    made: Made,
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "_MAX_LINE", 30)
    (tmp_path / file).write_bytes(content)
    assert_refused(capsys, message, made("text sparse"), "--file", tmp_path / file)


def test_nothing_on_standard_input(made: Made, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, b"")
    assert_refused(capsys, "standard input is empty", made("text sparse"), "-")


def test_a_folder_without_images(made: Made, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    assert_refused(capsys, "notes holds no image, of 1 files", made("image film"), tmp_path / "notes")


def test_a_damaged_image_is_named(made: Made, capsys: Capture, pictures: list[Path]) -> None:
    pictures[1].write_bytes(pictures[1].read_bytes()[:60])
    assert_refused(
        capsys, r"the file .*b\.PNG holds an image that cannot be decoded", made("image film"), *pictures
    )


def test_another_prior(made: Made, capsys: Capture, pictures: list[Path], tmp_path: Path) -> None:
    other = save_calibrated(tmp_path / "other", seed=2)
    assert_refused(
        capsys, "is not the certificate's checkpoint", made("image film"), pictures[0], "--prior", other
    )


def test_names_of_others_steer_no_terminal(
    made: Made, capsys: Capture, tmp_path: Path, pictures: list[Path]
) -> None:
    folder = Path(shutil.copytree(made("image film"), tmp_path / "out"))
    content = json.loads((folder / "certificate.json").read_text())
    names = ["\x1b[2Jcat\r", "dog\n\u202e"]
    content = assigned(content, ("dataset", "class_names"), names)
    (folder / "certificate.json").write_text(json.dumps(content))
    picture = shutil.copy(pictures[0], tmp_path / "a\x1b[1m\n.png")
    assert here_cli("predict", folder, picture) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1
    assert all(printable(line) == line for line in told.out.splitlines())
    assert any(repr(name)[1:4].encode() and printable(name) in told.out for name in names)
    (one,) = answered(capsys, folder, picture)
    assert one["label"] in names
    assert one["input"] == str(picture)


# In a process of its own ------------------------------------------------------------------------------


def test_a_real_process(made: Made, tmp_path: Path) -> None:
    folder = made("text sparse")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    done = run_cli("predict", folder, "--file", tmp_path / "texts.txt", "--json")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["label"] for one in found] == labels(folder, TEXTS)
    assert "predicting" in done.stderr


def test_a_reader_that_has_enough_is_no_error(made: Made, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("good film\n" * 20_000)
    command = [sys.executable, "-m", "transferbound.cli", "predict", str(made("text sparse"))]
    command += ["--file", str(tmp_path / "texts.txt"), "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith("good film\n")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=300) == 141

"""The worst of the tampered certificates at the command line: ``verify``, ``card`` and ``predict``."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked_cli import Ran, ran
from fuzz_messages import contexts_of
from safetensors.torch import load_file, save_file
from short_certificates import Case, of_pictures, of_texts
from tampering import Content, copied, rehashed, restated

from transferbound.data.reference import load_reference
from transferbound.message import Header
from transferbound.message.stream import decode, encode

MOST_MB = 1024
Made = tuple[str | bytes, bytes]  # certificate.json, offset.bin


def edited(change: Callable[[Content], object]) -> Callable[[Case], Made]:
    def made(case: Case) -> Made:
        content = json.loads((case.folder / "certificate.json").read_bytes())
        changed = change(content)
        return json.dumps(changed if isinstance(changed, dict) else content), case.certificate.message

    return made


def text(old: str, new: str) -> Callable[[Case], Made]:
    def made(case: Case) -> Made:
        honest = json.dumps(json.loads((case.folder / "certificate.json").read_bytes()))
        assert old in honest
        return honest.replace(old, new, 1), case.certificate.message

    return made


def said(change: Callable[[Header, np.ndarray], tuple[Header, np.ndarray]]) -> Callable[[Case], Made]:
    """Another message, its hash recomputed."""

    def made(case: Case) -> Made:
        content = json.loads((case.folder / "certificate.json").read_bytes())
        told = {"candidates": content["decoder"]["candidates"], "classes": case.data.num_classes}
        header, integers = change(*decode(case.certificate.message, contexts=contexts_of, **told))
        message = encode(header, integers, contexts_of(header))
        return json.dumps(rehashed(content, message)), message

    return made


def its_own_rows(content: Content) -> Content:
    """The training rows as reference inputs, under a record that says that they were searched."""
    made = copy.deepcopy(content)
    rows = load_reference(content["dataset"]["id"], modality="text")
    made["decoder"]["reference"] |= {"id": rows.name, "sha256": rows.fingerprint, "rows": rows.n}
    made["decoder"]["reference"]["overlap"]["rows"] |= {"id": rows.name, "rows": rows.n}
    return made


def set_at(*path: str, to: Any) -> Callable[[Case], Made]:
    def change(content: Content) -> None:
        place: Any = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return edited(change)


# (of texts or of pictures, what is made of the honest certificate, the exit code)
WORST: dict[str, tuple[str, Callable[[Case], Made], int]] = {
    "no errors, all agrees": ("texts", edited(lambda c: restated(c, 0, c["n"], c["message_bits"])), 1),
    "no bits, all agrees": ("texts", edited(lambda c: restated(c, c["errors"], c["n"], 0.0)), 1),
    "ten times the rows": (
        "texts",
        edited(lambda c: restated(c, c["errors"], 10 * c["n"], c["message_bits"])),
        1,
    ),
    "another confidence": ("texts", set_at("confidence", to=1 - 1e-12), 1),
    "a constant answer": ("texts", said(lambda h, q: (Header("constant", 1, classes=2), 0 * q[:1])), 1),
    "pictures of 4,096 pixels": ("pictures", said(lambda h, q: (replace(h, input_size=4096), q)), 1),
    "all components": (
        "texts",
        said(lambda h, q: (replace(h, components=512, dim=513), np.resize(q, 513))),
        1,
    ),
    "its own rows as reference inputs": ("texts", edited(its_own_rows), 1),
    "a device as reference inputs": ("texts", set_at("decoder", "reference", "id", to="/dev/zero"), 2),
    "a builder as data": ("texts", set_at("dataset", "id", to="pandas"), 2),
    "a key twice": ("texts", text('"errors": ', '"errors": 0, "errors": '), 2),
    "not a number": ("texts", text('"risk_bound": ', '"risk_bound": NaN, "x": '), 2),
    "beyond floats": ("texts", text('"risk_bound": ', '"risk_bound": 1e309, "x": '), 2),
    "a long integer": ("texts", text('"errors": ', '"errors": 1' + "0" * 10_000 + ', "x": '), 2),
    "minus zero": ("texts", set_at("errors", to=-0), 1),
    "a letter that looks the same": ("texts", text('"errors"', '"\u0435rrors"'), 2),
    "deep": ("texts", text('"training": {', '"training": {"x": ' + "[" * 50_000 + "]" * 50_000 + ","), 2),
    "commands to the terminal": ("texts", set_at("decoder", "head_start", to="\x1b[2J\nHOLDS"), 1),
}


def _other_prior(folder: Path, case: Case) -> None:
    """A checkpoint beside the certificate with one number changed."""
    shutil.copytree(case.prior.name, folder / "prior")
    tensors = load_file(folder / "prior" / "model.safetensors")
    next(iter(tensors.values())).view(-1)[0] += 1e-3
    save_file(tensors, folder / "prior" / "model.safetensors", metadata={"format": "pt"})


def _endless(folder: Path, case: Case) -> None:
    (folder / "offset.bin").unlink()
    (folder / "offset.bin").symlink_to("/dev/zero")


def _pipe(folder: Path, case: Case) -> None:
    (folder / "certificate.json").unlink()
    os.mkfifo(folder / "certificate.json")


# What stands on the disk, the exit code of verify
FILES: dict[str, tuple[Callable[[Path, Case], None], int]] = {
    "another checkpoint beside": (_other_prior, 1),
    "an endless message": (_endless, 2),
    "a pipe for a certificate": (_pipe, 2),
}


# Those that the quick tests run: what is refused before, within and after the reading of files and data.
QUICK = ("honest", "commands to the terminal", "a device as reference inputs", "deep", "an endless message")


def _folders(case: Case, pictures: Case, place: Path) -> dict[str, tuple[Path, int]]:
    """By what was done: the certificate's folder, and what ``verify`` is to end with."""
    made = {"honest": (copied(case, place / "honest"), 0)}
    for number, (name, (which, make, code)) in enumerate(WORST.items()):
        of = case if which == "texts" else pictures
        content, message = make(of)
        folder = copied(of, place / f"{number}")
        (folder / "certificate.json").write_bytes(content.encode() if isinstance(content, str) else content)
        (folder / "offset.bin").write_bytes(message)
        made[name] = (folder, code)
    for number, (name, (change, code)) in enumerate(FILES.items()):
        folder = copied(case, place / f"file-{number}")
        change(folder, case)
        made[name] = (folder, code)
    return made


def _assert_quiet(name: str, found: Ran) -> None:
    """No trace, no bug of ours, no control characters, one line of error at most, little memory."""
    errors = found.err.rpartition("\r")[2]  # before it: progress bars
    told = found.out + errors
    print(f"{name}: {found.code}, {found.seconds:.1f} s, {found.mb} MB, {told.splitlines()[:2]}")
    assert found.code in (0, 1, 2), (name, told)
    for word in ("traceback", "unexpected", "--debug"):
        assert word not in told.lower(), (name, told)
    assert all(line.isprintable() for line in told.split("\n")), (name, told)
    assert len(errors.splitlines()) == (found.code == 2), (name, told)
    assert found.mb < MOST_MB, name


def _judged(folders: dict[str, tuple[Path, int]], asked: Path) -> int:
    """``verify``: exit code 1 or 2. ``card`` and ``predict`` check nothing: a card or an answer, or exit code 2.

    Gives how many commands were judged.
    """
    commands = []
    for name, (folder, _) in folders.items():
        row = str(asked) if WORST.get(name, ("texts",))[0] == "pictures" else "a good film"
        commands += [["verify", str(folder)], ["predict", str(folder), row], ["card", str(folder)]]
    found = ran(commands)
    for place, (name, (folder, code)) in enumerate(folders.items()):
        verified, predicted, carded = found[3 * place : 3 * place + 3]
        for what, one in (("verify", verified), ("predict", predicted), ("card", carded)):
            _assert_quiet(f"{name}, {what}", one)
        assert verified.code == code, (name, verified)
        assert verified.out.startswith(("HOLDS", "DOES NOT HOLD", "")[code]), (name, verified)
        assert {predicted.code, carded.code} <= {0, 2}, name
        if carded.code == 0:
            card = (folder / "README.md").read_text(encoding="utf-8")
            assert all(line.isprintable() for line in card.split("\n")), name
    return len(found)


def _asked(case: Case, place: Path) -> Path:
    next(case.data.images(np.array([0]))).save(place / "asked.png")
    return place / "asked.png"


def test_the_worst_at_the_command_line(tiny_bert: Path, tmp_path: Path) -> None:
    folders = _folders(of_texts(tiny_bert), of_pictures(), tmp_path)
    chosen = {name: folders[name] for name in QUICK}
    assert _judged(chosen, _asked(of_pictures(), tmp_path)) == 3 * len(QUICK)


@pytest.mark.long
def test_all_of_them_at_the_command_line(tiny_bert: Path, tmp_path: Path) -> None:
    folders = _folders(of_texts(tiny_bert), of_pictures(), tmp_path)
    chosen = {name: told for name, told in folders.items() if name not in QUICK[1:]}
    assert _judged(chosen, _asked(of_pictures(), tmp_path)) == 3 * len(chosen)

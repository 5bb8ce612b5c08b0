"""The targets, and which of them is taken."""

from __future__ import annotations

from importlib.util import find_spec

from transferbound.errors import ArgumentError, ExportError
from transferbound.export.onnx_target import OnnxTarget
from transferbound.export.peft_target import PeftTarget
from transferbound.export.sentence_transformers_target import SentenceTransformersTarget
from transferbound.export.subject import Subject
from transferbound.export.target import Target
from transferbound.export.timm_target import TimmTarget
from transferbound.export.transformers_target import TransformersTarget

__all__ = ["TARGETS", "chosen", "named"]

_ANY = OnnxTarget()
_OWN: tuple[Target, ...] = (TimmTarget(), TransformersTarget(), SentenceTransformersTarget())
TARGETS: dict[str, Target] = {target.name: target for target in (*_OWN, PeftTarget(), _ANY)}


def named(to: str) -> Target:
    """The target of this name, whose packages are there.

    Raises:
        ArgumentError: there is none, or a package is missing.
    """
    if to not in TARGETS:
        raise ArgumentError(f"--to is {to[:60]!r}; choose one of {', '.join(TARGETS)}")
    return _installed(TARGETS[to])


def chosen(subject: Subject, to: str | None) -> Target:
    """The one that ``--to`` names; else the checkpoint's own library where it can carry the predictor, else onnx.

    Raises:
        ExportError: the one named cannot carry the predictor.
        ArgumentError: there is no such target, or a package is missing.
    """
    able = next((target for target in _OWN if not target.reason_against(subject)), _ANY)
    if to is None:
        return _installed(able)
    target = named(to)
    if reason := target.reason_against(subject):
        raise ExportError(f"--to {to} cannot carry this predictor: {reason}. --to {able.name} can")
    return target


def _installed(target: Target) -> Target:
    missing = [package for package in target.packages if find_spec(package) is None]
    if missing:
        raise ArgumentError(
            f"an export --to {target.name} needs {' and '.join(missing)}, not installed here: pip install "
            f"'transferbound[{target.extra}]'"
        )
    return target

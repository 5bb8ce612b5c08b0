"""The last step of a certification, of whatever is certified: the folder, and what a certificate says of versions."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import torch
from accelerate import Accelerator

from transferbound._version import __version__
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.schema import PRIOR_BESIDE
from transferbound.certification.settings import CertifySettings
from transferbound.report.card import write_card
from transferbound.storage.folders import check_out
from transferbound.storage.run_state import RunState

__all__ = ["checked_out", "versions", "write_certificate"]


def checked_out(out: str | os.PathLike[str] | None, settings: CertifySettings) -> Path | None:
    """The folder to write, which can be written; refuses a confidence that is none. Raises TransferboundError."""
    failure_probability(settings.confidence)
    target = None if out is None else Path(out)
    if target is not None:
        check_out(target)
    return target


def write_certificate(
    certificate: Certificate,
    target: Path | None,
    state: RunState | None,
    accelerator: Accelerator,
    saved: Path | None = None,
) -> None:
    """Writes certificate and card into ``target``, by the first process alone, and removes the run's state.

    Args:
        certificate, target, state, accelerator: what is written where, by whom, after which run.
        saved: the folder of a checkpoint to which no name leads; it is put beside the certificate.
    """

    def finish(folder: Path) -> None:
        write_card(folder, certificate)
        if saved is not None:
            shutil.copytree(saved, folder / PRIOR_BESIDE)

    if target is not None and accelerator.is_main_process:
        certificate.save_pretrained(target, finish=finish)
        if state is not None:
            state.remove()
    accelerator.wait_for_everyone()  # a launcher ends all processes when one has ended badly


def versions() -> dict[str, str]:
    """Of this package, and of the libraries that a message depends on."""
    names = ("torch", "timm", "transformers", "datasets", "accelerate", "constriction", "numpy", "scipy")
    return {
        "transferbound": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }

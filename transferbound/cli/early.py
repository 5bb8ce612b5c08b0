"""What can be said of a command's arguments before the libraries are loaded, which takes many seconds."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from transferbound.certification.candidates import check_candidates
from transferbound.certification.language_settings import PROMPT, LanguageSettings
from transferbound.cli.options import fill
from transferbound.cli.request import BoundRequest
from transferbound.cli.request_settings import check_settings, settings_of
from transferbound.cli.search_grid import parse_grid
from transferbound.data.reading import DataReading
from transferbound.errors import CertificateError, DataError, PriorError, TransferboundError
from transferbound.storage.files import read_json
from transferbound.storage.folders import check_out
from transferbound.tasks import TEXT_GENERATION

__all__ = ["check_bound", "check_certificate", "check_places"]

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_MADE = ("timm/", "timm:", "random/", "fixed/")  # names that stand for no folder


def check_bound(given: Mapping[str, Any]) -> None:
    """The options of ``transferbound bound`` as far as they tell by themselves.

    Raises:
        TransferboundError: an option is out of range, the output folder is there already, or a name leads nowhere.
    """
    request = fill(BoundRequest, given)
    fill(DataReading, given)
    fill(LanguageSettings, given)
    grid = parse_grid(request.search or ())
    if request.task != TEXT_GENERATION and given["kind"] != PROMPT:
        settings = [settings_of(request, {**given, **point}, unnamed_dim=1000) for point in grid]
        for one in settings:
            check_settings(one)
        if request.search:
            check_candidates(settings, request.search_share)
    check_out(request.out)
    check_places(prior=request.prior, dataset=request.dataset, reference=request.reference)


def check_certificate(folder: Path) -> None:
    """Whether there is a certificate to read.

    Raises:
        CertificateError: there is no such folder, or no plain data in its ``certificate.json``.
    """
    if not folder.is_dir():
        raise CertificateError(f"{folder} is not a folder; give the folder that `transferbound bound` wrote")
    read_json(folder / "certificate.json", CertificateError)


def check_places(**named: str | None) -> None:
    """Names that lead nowhere: no file or folder, and no name that the Hub could have, or none that is here offline.

    Args:
        named: names by option.

    Raises:
        PriorError, DataError: with the option.
    """
    for option, name in named.items():
        if name is None or not name.strip() or name.startswith(_MADE):
            continue
        kind, error = ("model", PriorError) if option == "prior" else ("dataset", DataError)
        what = "prior" if option == "prior" else "data set"
        _check_place(name, option, what, kind, error)


def _check_place(name: str, option: str, what: str, kind: str, error: type[TransferboundError]) -> None:
    try:
        if Path(name).expanduser().exists():
            return
    except (OSError, RuntimeError, ValueError):  # a name too long, a home of nobody
        return  # whoever opens it says so
    said = f"unknown {what} {name[:200]} (--{option.replace('_', '-')}): no such local folder"
    if _HUB_ID.fullmatch(name) is None:
        raise error(f"{said}, and not a Hub id (OWNER/NAME) either")
    if constants.HF_HUB_OFFLINE and not _is_here(name, kind):
        raise error(f"{said}, {name} is not in the local Hub cache, and HF_HUB_OFFLINE is set")


def _is_here(name: str, kind: str) -> bool:
    """Whether the Hub's cache, or that of ``datasets``, has something of that name."""
    flat = name.replace("/", "--")
    places = [Path(constants.HF_HUB_CACHE) / f"{kind}s--{flat}"]
    if kind == "dataset":
        prepared = os.environ.get("HF_DATASETS_CACHE") or os.path.join(constants.HF_HOME, "datasets")
        places.append(Path(prepared) / name.replace("/", "___"))
    return any(place.exists() for place in places)

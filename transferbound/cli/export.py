"""``transferbound export``: the certified model as an ordinary checkpoint, and a line of what came of checking it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transferbound.errors import OutputError
from transferbound.storage.files import read_json
from transferbound.wording import as_lines

__all__ = ["run_export"]


def run_export(
    folder: Path,
    out: Path,
    to: str | None,
    *,
    prior: str | None,
    reference: str | None,
    dataset: str | None,
    check: str,
    quiet: bool,
) -> None:
    """Writes it; see the command's help.

    Raises:
        TransferboundError: nothing was written, and why.
    """
    from transferbound.certificate.schema import EXPORT_FILE
    from transferbound.export.export import export

    export(folder, out, to, prior=prior, reference=reference, dataset=dataset, check=check)
    if not quiet:
        print(_told(out, read_json(out / EXPORT_FILE, OutputError)))


def _told(out: Path, said: dict[str, Any]) -> str:
    checked = said["checked"]
    lines = [f"{out}: a checkpoint for {said['target']}, with its certificate; the card says how to load it"]
    asked = f"asked {checked['rows']:,} {checked['of']}: "
    others = checked["other_answers"]
    asked += f"{others:,} close calls fall otherwise" if others else "every answer is the certified one"
    if checked["no_answer"]:
        asked += f"; {checked['no_answer']:,} ties, which the certificate counts as errors, are answered"
    lines.append(asked)
    if checked["errors"] is not None:
        lines.append(f"{checked['errors']:,} errors counted with {said['target']}")
    return as_lines(lines)

"""``Certificate``: the folder on disk. ``certificate.json``, ``offset.bin``, ``README.md``, ``figures/``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferbound._lazy import later
from transferbound.certificate.content import Content
from transferbound.certificate.language_content import is_language, language_content
from transferbound.certificate.schema import MESSAGE_FILE, check_content
from transferbound.errors import CertificateError
from transferbound.message.stream import MAX_BYTES
from transferbound.risks import risk_of
from transferbound.storage.files import read_json, read_limited, write_bytes, write_json
from transferbound.storage.folders import check_out, new_folder
from transferbound.wording import confidence_text, round_up

__all__ = ["CERTIFICATE_FILE", "Certificate"]

CERTIFICATE_FILE = "certificate.json"


@dataclass(frozen=True)
class Certificate:
    """A certificate: what it states, and the message that proves it.

    Attributes:
        content: plain data, the content of ``certificate.json`` (see docs/certificate.md). Of a language model it has
            other keys: :func:`transferbound.certificate.language_content.language_content`.
        message: the bytes of ``offset.bin``.

    Reading one checks its form only; whether it holds is for ``transferbound.verify`` to say.
    """

    content: Content
    message: bytes

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Certificate:
        """Reads the folder that ``save_pretrained`` wrote.

        Raises:
            CertificateError: a file is missing, malformed, too large or of an unknown schema.
        """
        path = Path(folder)
        if not path.is_dir():
            raise CertificateError(
                f"{path} is not a folder; give the folder that `transferbound bound` wrote"
            )
        content = read_json(path / CERTIFICATE_FILE, CertificateError)
        check_content(content)
        return cls(content, read_limited(path / MESSAGE_FILE, MAX_BYTES, CertificateError))

    def save_pretrained(
        self, folder: str | os.PathLike[str], finish: Callable[[Path], None] | None = None
    ) -> None:
        """Writes a new folder, which appears under its name only when it is complete.

        Args:
            folder: must not exist.
            finish: is called with the folder before it gets its name, to add files (the card).

        Raises:
            CertificateError: the content is not of this schema.
            OutputError: the folder exists, or cannot be written.
        """
        check_content(self.content)
        target = Path(folder)
        check_out(target)
        with new_folder(target) as partial:
            write_json(partial / CERTIFICATE_FILE, self.content)
            write_bytes(partial / MESSAGE_FILE, self.message)
            if finish is not None:
                finish(partial)

    def export(self, out: str | os.PathLike[str], to: str | None = None, **how: Any) -> Path:
        """Writes the certified predictor as an ordinary checkpoint, with certificate, message and card beside it.

        Args:
            out: the new folder; must not exist.
            to: ``timm``, ``transformers``, ``sentence-transformers``, ``peft`` or ``onnx``; None: the checkpoint's own
                library where its form can carry the predictor, else onnx.
            how: ``prior``, ``reference``, ``dataset`` and ``check`` of :func:`transferbound.export.export.export`.

        Returns:
            ``out``.

        Raises:
            ExportError: the form cannot carry the predictor, or what was written answers otherwise.
            PriorError, DataError, MessageError: checkpoint, inputs or message are not the certificate's.
        """
        made: Path = later("export.export").export(self, out, to, **how)
        return made

    def push_to_hub(self, repo_id: str, **how: Any) -> Any:
        """Publishes certificate, message and card, in one commit; see :func:`transferbound.hub.push.push`.

        Args:
            repo_id: ``OWNER/NAME``; the repository is made if there is none.
            how: ``exported``, ``private``, ``revision`` and ``dry_run`` of that function.

        Returns:
            :class:`transferbound.hub.push.Pushed`: the files, and the address of the commit.

        Raises:
            HubError: the Hub cannot be reached or refuses, or ``exported`` is of another certificate.
            ArgumentError: ``repo_id`` is none.
        """
        return later("hub.push").push_certificate(self, repo_id, **how)

    @property
    def risk_bound(self) -> float:
        """Bound on the mean loss on new data; for the error of a classifier, a fraction."""
        return float(self.content["risk_bound"])

    @property
    def confidence(self) -> float:
        return float(self.content["confidence"])

    @property
    def is_vacuous(self) -> bool:
        """Whether the bound is no better than answering without having learned anything (guessing a class, or keeping
        a language model as it was)."""
        if is_language(self.content):
            return language_content(self.content)["excess_bound"] >= 0.0
        return self.risk_bound >= risk_of(self.content).guess(self.content)

    def __repr__(self) -> str:
        c = self.content
        if is_language(c):
            return (
                f"Certificate(loss <= {round_up(self.risk_bound, 3):.3f} bits per token with "
                f"{confidence_text(self.confidence)} confidence, excess over the prior <= "
                f"{round_up(language_content(c)['excess_bound'], 3):.3f}, n={c['n']}, {c['message_bits']:.0f} bits)"
            )
        risk = risk_of(c)
        prior = ", data-dependent prior" if c["independence"]["data_dependent"] else ""
        return (
            f"Certificate({risk.words.quantity} <= {risk.value_up(self.risk_bound)} with "
            f"{confidence_text(self.confidence)} confidence, n={c['n']}, train {risk.words.quantity} "
            f"{risk.value(c['train_error'])}, {c['message_bits']:.0f} bits{prior})"
        )

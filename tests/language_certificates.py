"""Certificates on language models of messages that nobody trained, and a bench on which each is checked quickly."""

from __future__ import annotations

import copy
import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import _HOME
from language_fixtures import MAX_TOKENS, MIN_TOKENS, checkpoint, corpus

from transferbound import Certificate, Documents, Prior
from transferbound.certificate.language_statement import make_language_statement
from transferbound.certificate.schema import check_content
from transferbound.errors import TransferboundError
from transferbound.independence.check import check_independence
from transferbound.message import Header
from transferbound.message.generation import GenerationMessage, Stage, encode_generation
from transferbound.message.stream import encode
from transferbound.report.card import write_card
from transferbound.verification import independence_again
from transferbound.verification import language as verification
from transferbound.verification.language import check_language
from transferbound.verification.recorded import message_problems

__all__ = ["CASES", "LanguageBench", "LanguageCase", "language_case", "offset"]

Content = dict[str, Any]

CASES = ("chain", "prompt")
_WAYS_OF_COUNTING = ("progress", "seed", "batch_size")


@dataclass(frozen=True)
class LanguageCase:
    """A certificate's folder, and what it is about, loaded."""

    folder: Path
    prior: Prior
    data: Documents
    test: Documents | None


def offset(kind: str, dim: int, step: int = -8, seed: int = 0) -> bytes:
    """A message about a subspace, of integers that nobody chose."""
    header = Header(kind, dim, seed=seed, step=step, rank=2 if kind == "lora" else 0)
    return encode(header, np.random.default_rng(dim).integers(-1, 2, dim))


def _stages(name: str) -> tuple[Stage, ...]:
    if name == "chain":
        return Stage(5, offset=offset("hashed", 10)), Stage(7, offset=offset("film", 16))
    return Stage(4, prompt=(16, 53, 14)), Stage(9, offset=offset("lora", 12))


@cache
def language_case(name: str) -> LanguageCase:
    """One of :data:`CASES`: 24 documents; ``chain`` on documents in groups, with a test split."""
    groups = 8 if name == "chain" else 0
    prior = Prior.from_pretrained(str(checkpoint("llama")), task="text-generation")
    data = Documents.load(str(corpus(24, groups)), group_column="author" if groups else None)
    test = data.other_split("test") if groups else None
    message = encode_generation(GenerationMessage(_stages(name)))
    content: Any = make_language_statement(
        prior,
        data,
        message,
        confidence=0.95,
        max_tokens=MAX_TOKENS,
        min_tokens=MIN_TOKENS + 1,
        test=test,
        independence=check_independence(prior, data),
    )
    content["unverified"] = {"training": {}, "versions": {}}
    certificate = Certificate(content, message)
    folder = Path(tempfile.mkdtemp(dir=_HOME, prefix="language-case-")) / name
    certificate.save_pretrained(folder, finish=lambda place: write_card(place, certificate))
    return LanguageCase(folder, prior, data, test)


class LanguageBench:
    """One honest certificate with prior and data; what was computed once is remembered by what it was computed from."""

    def __init__(self, case: LanguageCase) -> None:
        self.case = case
        certificate = Certificate.from_pretrained(case.folder)
        self.content: Content = json.loads((case.folder / "certificate.json").read_bytes())
        self.message = certificate.message
        self._known: dict[Any, Any] = {}

    def statement(self, prior: Prior, data: Documents, message: bytes, **how: Any) -> Content:
        """``make_language_statement``: a function of its arguments, whatever the way of counting."""
        told = {key: value for key, value in how.items() if key not in _WAYS_OF_COUNTING}
        told["test"] = None if told.get("test") is None else told["test"].fingerprint
        where = (prior.name, prior.fingerprint, data.name, data.fingerprint, data.n)
        key = (message, where, json.dumps([prior.files, told], sort_keys=True))
        if key not in self._known:
            try:
                self._known[key] = make_language_statement(prior, data, message, **how)
            except TransferboundError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, TransferboundError):
            raise found
        return copy.deepcopy(found)

    def independence(self, prior: Prior, data: Documents, *told: Any, **how: Any) -> Any:
        """``check_independence``, likewise."""
        key = (prior.name, data.name, data.fingerprint, repr(told), repr(how))
        if key not in self._known:
            self._known[key] = check_independence(prior, data, *told, **how)
        return copy.deepcopy(self._known[key])

    def refusal(self, content: Content, message: bytes, **others: Any) -> str | None:
        """Why this certificate is refused; None where it is accepted. ``others``: another prior or data."""
        told: Any = {"prior": self.case.prior, "data": self.case.data, "test": self.case.test} | others
        try:
            check_content(content)
            certificate = Certificate(content, message)  # type: ignore[arg-type]
            if problems := message_problems(certificate):
                return problems[0]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(verification, "make_language_statement", self.statement)
                patch.setattr(independence_again, "check_independence", self.independence)
                verdict = check_language(certificate, **told)
        except TransferboundError as error:
            return str(error)
        return None if verdict.holds else "\n".join(verdict.problems)

    def computed(self, content: Content, message: bytes) -> Content:
        """What is true of a message on this prior and these documents."""
        return self.statement(
            self.case.prior,
            self.case.data,
            message,
            confidence=content["confidence"],
            max_tokens=content["decoder"]["max_tokens"],
            min_tokens=content["decoder"]["min_tokens"],
            candidates=content["decoder"]["candidates"],
            list_written=content["decoder"].get("list_written", "before"),
            test=self.case.test,
            independence=content["independence"],
        )

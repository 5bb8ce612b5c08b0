"""What came of checking a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.language_content import LanguageContent, is_language, language_content
from transferbound.errors import ArgumentError, MessageError, PriorIndependenceError, TransferboundError
from transferbound.report.language_summary import (
    excess_sentence,
    language_prior_label,
    language_warnings,
    per_token_up,
    whose,
)
from transferbound.report.summary import prior_label, warnings
from transferbound.risks import risk_of
from transferbound.wording import as_lines, confidence_text, shortened

__all__ = ["REFUSALS", "Verdict"]

REFUSALS = (PriorIndependenceError, MessageError, ArgumentError)
"""What computing a statement again ends with where the certificate does not hold."""

_MOST_SHOWN, _LONGEST = 50, 600
"""Problems that are shown, and characters of each: whoever made a certificate cannot scroll the verdict away."""


@dataclass(frozen=True)
class Verdict:
    """What came of checking a certificate.

    Attributes:
        holds: whether every statement was recomputed and agreed.
        problems: one line for each that did not, naming it.
        certificate: what was checked.
        errors: the errors counted anew, or None where it did not come to that.
        notes: what was taken on the certificate's word.
    """

    holds: bool
    problems: tuple[str, ...]
    certificate: Certificate
    errors: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def refused(cls, certificate: Certificate, error: TransferboundError) -> Verdict:
        """That of a certificate whose statement cannot be made again, because of one of ``REFUSALS``."""
        if isinstance(error, PriorIndependenceError):
            return cls(False, (f"independence: {error}",), certificate)
        if isinstance(error, MessageError):
            return cls(False, (f"offset.bin: {error}",), certificate)
        return cls(False, (f"a stated value is out of range: {error}",), certificate)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        content = self.certificate.content
        if is_language(content):
            return self._language_dict(language_content(content))
        return {
            "holds": self.holds,
            "problems": list(self.problems),
            "warnings": warnings(content),
            "notes": list(self.notes),
            "data_dependent_prior": content["independence"]["data_dependent"],
            "errors_counted": self.errors,
            "risk_bound": content["risk_bound"],
            "confidence": content["confidence"],
            "n": content["n"],
            "errors": content["errors"],
            "message_bits": content["message_bits"],
        }

    def text(self) -> str:
        """The verdict, for a terminal."""
        if not self.holds:
            shown = [f"- {shortened(line, _LONGEST)}" for line in self.problems[:_MOST_SHOWN]]
            if len(self.problems) > _MOST_SHOWN:
                shown.append(f"- and {len(self.problems) - _MOST_SHOWN:,} more; --json has them all")
            return as_lines(["DOES NOT HOLD", *shown])
        content = self.certificate.content
        if is_language(content):
            return self._language_text(language_content(content))
        risk = risk_of(content)
        lines = [
            f"HOLDS: {risk.words.quantity} on new data at most {risk.value_up(content['risk_bound'])} with "
            f"{confidence_text(content['confidence'])} confidence; {self.errors:,} errors counted anew, "
            f"{content['message_bits']:.1f} bits"
        ]
        lines.append(f"- {prior_label(content)}")
        lines += [f"- WARNING: {line}" for line in warnings(content)]
        if self.certificate.is_vacuous:
            lines.append("- the bound is vacuous: no better than guessing")
        return as_lines(lines + [f"- {line}" for line in self.notes])

    def _language_dict(self, content: LanguageContent) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "problems": list(self.problems),
            "warnings": language_warnings(content),
            "notes": list(self.notes),
            "task": content["task"],
            "risk_bound": content["risk_bound"],
            "excess_bound": content["excess_bound"],
            "prior_risk_bound": content["prior_risk_bound"],
            "confidence": content["confidence"],
            "n": content["n"],
            "message_bits": content["message_bits"],
        }

    def _language_text(self, content: LanguageContent) -> str:
        lines = [
            f"HOLDS: {excess_sentence(content)}, and the loss on {whose(content)} is at most "
            f"{per_token_up(content['risk_bound'])}, with {confidence_text(content['confidence'])} confidence; "
            f"{content['n']:,} units scored anew, {content['message_bits']:.1f} bits",
            f"- {language_prior_label(content)}",
        ]
        lines += [f"- WARNING: {line}" for line in language_warnings(content)]
        if self.certificate.is_vacuous:
            lines.append("- it is VACUOUS: no better than the checkpoint as it was")
        return as_lines([*lines, *(f"- note: {line}" for line in self.notes)])

"""What came of checking a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transferbound.certificate.certificate import Certificate
from transferbound.report.summary import prior_label, warnings
from transferbound.risks import risk_of
from transferbound.wording import as_lines, confidence_text, shortened

__all__ = ["Verdict"]

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

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        content = self.certificate.content
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

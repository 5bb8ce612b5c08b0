"""What the card of an export says below the certificate's text: how to load it, and what its answers were held to."""

from __future__ import annotations

from transferbound.export.check import Checked
from transferbound.export.subject import Subject
from transferbound.export.target import Target
from transferbound.report.markup import code

__all__ = ["usage_section"]


def usage_section(subject: Subject, target: Target, checked: Checked) -> str:
    """Markdown without figures that could be taken for the certificate's."""
    return (
        f"\n## How to load it with {target.name}\n\n"
        f"```python\n{target.usage(subject)}\n```\n\n"
        f"{_rows(subject)}{_held_to(subject, target, checked)}\n"
    )


def _rows(subject: Subject) -> str:
    """What a row must be made into that is neither one text, nor a pair, nor a picture of 8 bits."""
    if len(subject.columns) > 2:
        names = ", ".join(code(name) for name in subject.columns)
        return f"A row is one text: those of {names}, in this order, a line each.\n\n"
    if subject.image_bits > 8:
        more = subject.image_bits - 8
        return (
            f"Grey values have {subject.image_bits} bits: give pictures of 8 bits, each value shifted right by {more}."
            "\n\n"
        )
    return ""


def _held_to(subject: Subject, target: Target, checked: Checked) -> str:
    folded = subject.changed and target.name != "onnx"
    made = (
        "Components and head are one linear layer here, multiplied in double precision and rounded once, so "
        "logits differ from those of the message in their last bits."
        if folded
        else "The weights are those that the message decodes to."
    )
    compared = (
        f"After it was written, {target.name} loaded this folder and answered {checked.rows:,} rows "
        f"({checked.of}); the answers were those of the decoded message"
    )
    if checked.other_answers:
        compared += f", but for {checked.other_answers:,} close calls that the last bits decide"
    if checked.no_answer:
        compared += (
            f"; for {checked.no_answer:,} rows the two best logits tie, which the message counts as errors and "
            "a library answers all the same"
        )
    counted = (
        "" if checked.errors is None else f" Wrong answers, counted with {target.name}: {checked.errors:,}."
    )
    return f"{made} {compared}.{counted} `export.json` has the record."

"""What a checkpoint can be finetuned and bounded for."""

from __future__ import annotations

__all__ = ["CLASSIFICATION", "TASKS", "TEXT_GENERATION"]

CLASSIFICATION, TEXT_GENERATION = "classification", "text-generation"
TASKS = (CLASSIFICATION, TEXT_GENERATION)
"""The classes of a row, or the tokens of a document."""

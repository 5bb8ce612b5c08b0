"""What a certificate on a language model is asked for, beside the settings that all certificates share."""

from __future__ import annotations

from dataclasses import dataclass, field

from transferbound.errors import ArgumentError

__all__ = ["PROMPT", "LanguageSettings"]

PROMPT = "prompt"
"""The kind whose message is a prompt, coded under the prior itself."""


@dataclass(frozen=True)
class LanguageSettings:
    """What is bounded: documents of which population, and cut to how many tokens. Fixed before the data is seen.

    Raises:
        ArgumentError: a number is out of range.
    """

    max_tokens: int = field(
        default=0,
        metadata={
            "help": "Documents are cut to so many tokens, and the loss is of those. Default: 64, or as many as the "
            "checkpoint can read."
        },
    )
    min_tokens: int = field(
        default=8,
        metadata={
            "help": "Documents of fewer tokens are left out: the bound is about documents of at least so many, and is "
            "the tighter the more they are."
        },
    )

    pool: int | None = field(
        default=None,
        metadata={
            "help": "Draw so many documents at random from the split, and bound the mean loss over the split itself: a "
            "statement that needs no independent documents, and holds for a checkpoint that was trained on them.",
        },
    )
    pool_seed: int | None = field(
        default=None,
        metadata={"help": "Of the draw. Default: one that nobody can foresee; it stands in the certificate."},
    )
    stage: list[str] | None = field(
        default=None,
        metadata={
            "help": "A stage of a chain, KIND:DIM or prompt; give it up to four times (hashed:300, then "
            "hashed:3000). Each "
            "goes on from the one before, and a chain pays for its many coordinates where little is left to "
            "gain. Default: "
            "kind hashed in two or three stages.",
            "metavar": "KIND:DIM",
        },
    )

    def __post_init__(self) -> None:
        if self.max_tokens < 0:
            raise ArgumentError(
                f"max-tokens is {self.max_tokens}; it must be at least 1, or 0 for the default"
            )
        if self.min_tokens < 1:
            raise ArgumentError(f"min-tokens is {self.min_tokens}; it must be at least 1")
        if 0 < self.max_tokens < self.min_tokens:
            raise ArgumentError(
                f"min-tokens is {self.min_tokens} and max-tokens {self.max_tokens}: no document is left; lower the one "
                "or raise the other"
            )

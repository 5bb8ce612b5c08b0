"""Every error that a user can meet, each with the exit code that the command line gives it.

A message names the bad value and the remedy. Nothing here is raised for a bug of ours: those stay
ordinary Python exceptions.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "CertificateError",
    "DataError",
    "ExportError",
    "HubError",
    "MessageError",
    "OutputError",
    "PriorError",
    "PriorIndependenceError",
    "SubspaceError",
    "TransferboundError",
    "VerificationError",
]


class TransferboundError(Exception):
    """Base of all errors below. ``exit_code`` is what the command line returns for it."""

    exit_code = 2


class ArgumentError(TransferboundError, ValueError):
    """A number or an option is out of range (``--confidence 1.5``)."""


class PriorError(TransferboundError):
    """A checkpoint cannot be found, read or used as a prior."""


class PriorIndependenceError(PriorError):
    """The checkpoint has, or may have, seen the training data, so the bound would not hold."""


class DataError(TransferboundError):
    """A data set cannot be found or read, or lacks what a bound needs of it."""


class SubspaceError(TransferboundError):
    """A subspace does not exist, or does not fit the model."""


class MessageError(TransferboundError):
    """``offset.bin`` is malformed, truncated, oversized or not what the certificate names."""


class CertificateError(TransferboundError):
    """``certificate.json`` is malformed, of an unknown version, or contradicts itself."""


class OutputError(TransferboundError):
    """The output folder exists already or cannot be written."""


class VerificationError(TransferboundError):
    """The certificate was checked and does not hold."""

    exit_code = 1


class ExportError(TransferboundError):
    """A library's form cannot carry the certified predictor, or what was written answers otherwise."""


class HubError(TransferboundError):
    """A certificate cannot be published: its card does not agree with it, or the Hub refuses."""

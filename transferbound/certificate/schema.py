"""Has ``certificate.json`` the form that :mod:`transferbound.certificate.content` declares? No unknown key passes."""

from __future__ import annotations

from functools import cache
from types import NoneType
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from transferbound.certificate.content import Content
from transferbound.certificate.language_content import (
    LANGUAGE_LOSS,
    LANGUAGE_TASK,
    LanguageContent,
    is_language,
)
from transferbound.errors import CertificateError
from transferbound.risks import DEFAULT_RISK, RISKS

__all__ = [
    "EXPORT_FILE",
    "MESSAGE_FILE",
    "PRIOR_BESIDE",
    "SCHEMA",
    "SCHEMA_VERSION",
    "check_content",
    "input_columns",
]

MESSAGE_FILE = "offset.bin"

EXPORT_FILE = "export.json"
"""What an exported model beside a certificate was made with; nothing that it says is checked."""

PRIOR_BESIDE = "prior"
"""The folder beside a certificate in which its checkpoint may lie."""

SCHEMA = "transferbound-certificate"
SCHEMA_VERSION = 2

_MODALITIES = ("image", "text")
_MOST_TEXTS = 32  # columns


def check_content(content: Any) -> None:
    """Refuses whatever is not a certificate of this schema.

    Raises:
        CertificateError: names the key that is missing, unknown or of the wrong type.
    """
    if not isinstance(content, dict):
        raise CertificateError(f"certificate.json holds a {type(content).__name__}, not an object")
    if content.get("schema") != SCHEMA:
        raise CertificateError(f"certificate.json has schema {content.get('schema')!r}; {SCHEMA!r} is known")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise CertificateError(
            f"certificate.json has schema_version {content.get('schema_version')!r}; this release reads "
            f"{SCHEMA_VERSION}. One of another release has to be made anew, or checked with that release"
        )
    if "task" in content and content["task"] != LANGUAGE_TASK:
        raise CertificateError(
            f"task is {_short(content['task'])}; {LANGUAGE_TASK!r} is known, and a classifier names none"
        )
    if "task" in content:
        _check(content, LanguageContent, "")
    else:
        _check(content, Content, "")
    if not 0.0 < content["confidence"] < 1.0:
        raise CertificateError(f"confidence is {content['confidence']}; it must lie between 0 and 1")
    if content.get("task") == LANGUAGE_TASK:
        _check_language(content)
        return
    if content.get("loss", DEFAULT_RISK) not in RISKS:
        raise CertificateError(f"loss is {_short(content['loss'])}; known are {', '.join(RISKS)}")
    for part in ("prior", "dataset"):
        if content[part]["modality"] not in _MODALITIES:
            raise CertificateError(
                f"{part}.modality is {_short(content[part]['modality'])}; it must be {' or '.join(_MODALITIES)}"
            )


def _check_language(content: Any) -> None:
    if content["loss"] != LANGUAGE_LOSS:
        raise CertificateError(
            f"loss is {_short(content['loss'])}; of a language model it must be {LANGUAGE_LOSS}"
        )
    for part in ("prior", "dataset"):
        if content[part]["modality"] != "text":
            raise CertificateError(f"{part}.modality is {_short(content[part]['modality'])}; it must be text")
    if len(content["dataset"]["columns"]["text"]) != 1:
        raise CertificateError("dataset.columns.text must name one column")
    if not content["decoder"]["stages"]:
        raise CertificateError("decoder.stages is empty; it must name one stage or more")
    least, most = content["decoder"]["min_tokens"], content["decoder"]["max_tokens"]
    if not 1 <= least <= most:
        raise CertificateError(
            f"decoder.min_tokens is {least} and decoder.max_tokens {most}; that leaves no document"
        )


def input_columns(content: Content) -> tuple[str, ...]:
    """The columns that the certificate's inputs were read from: one, or several for rows of several texts.

    Raises:
        CertificateError: it names none, or too many, or it is of a language model, which labels no inputs.
    """
    if is_language(content):
        raise CertificateError(
            "the certificate is of a language model, which names no class: what is certified mixes, on whole "
            "documents, what several models say, which no ordinary checkpoint does; `transferbound verify` scores it"
        )
    modality = content["dataset"]["modality"]
    named = [str(name) for name in content["dataset"]["columns"].get(modality, [])]  # type: ignore[attr-defined]
    if not 1 <= len(named) <= (_MOST_TEXTS if modality == "text" else 1):
        raise CertificateError(
            f"dataset.columns names {len(named)} columns of {modality}s, which nothing reads"
        )
    return tuple(named)


def _check(value: Any, form: Any, path: str) -> None:
    """Compares a value with one of the types that certificate/content.py is made of."""
    if is_typeddict(form):
        _check_object(value, form, path)
    elif get_origin(form) is dict:
        _require_object(value, path)
        for key, item in value.items():
            _check(item, get_args(form)[1], _join(path, key))
    elif get_origin(form) is list:
        if not isinstance(value, list):
            raise CertificateError(f"{path} is {_short(value)}; it must be a list")
        for place, item in enumerate(value):
            _check(item, get_args(form)[0], f"{path}[{place}]")
    elif any(is_typeddict(part) for part in get_args(form)):
        _check(value, _alternative(value, form), path)
    elif form is not Any:
        _check_leaf(value, form, path)


def _check_object(value: Any, form: Any, path: str) -> None:
    _require_object(value, path)
    keys, optional = _keys(form)
    for key in sorted(keys.keys() - optional - value.keys()):
        raise CertificateError(f"the key {_join(path, key)} is missing")
    for key in sorted(value.keys() - keys.keys()):
        raise CertificateError(f"the key {_join(path, key)} is unknown")
    for key, wanted in keys.items():
        if key in value:
            _check(value[key], wanted, _join(path, key))


@cache
def _keys(form: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The keys of a ``TypedDict`` with the types of their values, and which of them may be missing."""
    hints = get_type_hints(form, include_extras=True)
    # Where annotations are strings, the class itself does not know what stands under NotRequired.
    maybe = {key for key, hint in hints.items() if get_origin(hint) is NotRequired}
    return get_type_hints(form), frozenset(maybe | form.__optional_keys__)


def _alternative(value: Any, union: Any) -> Any:
    """Null where it is null; else the object whose first key is there, or the last one."""
    if value is None and NoneType in get_args(union):
        return NoneType
    *others, last = (part for part in get_args(union) if part is not NoneType)
    for form in others:
        if isinstance(value, dict) and next(iter(_keys(form)[0])) in value:
            return form
    return last


def _check_leaf(value: Any, form: Any, path: str) -> None:
    """Types are compared exactly, so that true is no number; a float may be written as an integer."""
    kinds = [
        kind for part in get_args(form) or (form,) for kind in ((int, float) if part is float else (part,))
    ]
    if type(value) not in kinds:
        wanted = " or ".join(dict.fromkeys(kind.__name__ for kind in kinds))
        raise CertificateError(f"{path} is {_short(value)}; it must be of type {wanted}")


def _require_object(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise CertificateError(f"{path} is {_short(value)}; it must be an object")


def _join(path: str, key: str) -> str:
    key = key if len(key) <= 60 else key[:57] + "..."
    return f"{path}.{key}" if path else key


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

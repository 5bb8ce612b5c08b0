"""The form of ``certificate.json``: which keys there are and what type each holds. No unknown key passes."""

from __future__ import annotations

from typing import Any

from transferbound.errors import CertificateError

__all__ = ["MESSAGE_FILE", "SCHEMA", "SCHEMA_VERSION", "check_content"]

MESSAGE_FILE = "offset.bin"

SCHEMA = "transferbound-certificate"
SCHEMA_VERSION = 1

_NUMBER = (int, float)
_OPTIONAL_TEXT = (str, type(None))

# A dict is an object with exactly these keys; a list of one form holds items of it; a tuple of types is a
# leaf; ``object`` is free-form plain data, which verification recomputes or which is marked unverified.
_FORM: dict[str, Any] = {
    "schema": (str,),
    "schema_version": (int,),
    "risk_bound": _NUMBER,
    "confidence": _NUMBER,
    "n": (int,),
    "errors": (int,),
    "train_error": _NUMBER,
    "message_bits": _NUMBER,
    "file_bits": (int,),
    "bounds": object,
    "prior": {
        "id": (str,),
        "revision": _OPTIONAL_TEXT,
        "source": (str,),
        "modality": (str,),
        "architecture": (str,),
        "num_parameters": (int,),
        "sha256": (str,),
        "config_sha256": (str,),
        "licence": _OPTIONAL_TEXT,
        "input_size": (int,),
        "unused_tensors": [(str,)],
        "provenance": object,
    },
    "dataset": {
        "id": (str,),
        "config": _OPTIONAL_TEXT,
        "revision": _OPTIONAL_TEXT,
        "split": (str,),
        "sha256": (str,),
        "rows": (int,),
        "units": (int,),
        "modality": (str,),
        "columns": object,
        "class_names": [(str,)],
        "classes_from": (str,),
        "overlap": object,
    },
    "decoder": {
        "codec": (str,),
        "kind": (str,),
        "dim": (int,),
        "seed": (int,),
        "levels": (int,),
        "step": (int,),
        "input_size": (int,),
        "head_seed": (int,),
        "head_scale": (int,),
        "rank": (int,),
        "modules": (str,),
        "candidate": (int,),
        "contexts": (bool,),
        "adaptive_signs": (bool,),
        "candidates": (int,),
        "step_size": _NUMBER,
        "head_start": (str,),
        "subspace": object,
        "preprocessing": object,
    },
    "message": {
        "file": (str,),
        "sha256": (str,),
        "ideal_bits": _NUMBER,
        "file_bits": (int,),
        "empirical_entropy_bits": _NUMBER,
        "nonzero": (int,),
        "costs": [{"field": (str,), "value": (str, int, float, bool), "bits": _NUMBER, "code": (str,)}],
    },
    "comparison": {
        "uniform_guess_error": _NUMBER,
        "majority_class": (str,),
        "majority_class_error": _NUMBER,
        "holdout_tenth": {"n": (int,), "errors": (int,), "bound": _NUMBER},
    },
    "evaluation": object,
    "independence": object,
    "assumptions": [(str,)],
    "unverified": {"training": object, "versions": object},
}


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
            f"{SCHEMA_VERSION}"
        )
    _check(content, _FORM, "")
    if not 0.0 < content["confidence"] < 1.0:
        raise CertificateError(f"confidence is {content['confidence']}; it must lie between 0 and 1")


def _check(value: Any, form: Any, path: str) -> None:
    if form is object:
        return
    if isinstance(form, dict):
        if not isinstance(value, dict):
            raise CertificateError(f"{path} is {_short(value)}; it must be an object")
        for key in form.keys() - value.keys():
            raise CertificateError(f"the key {_join(path, key)} is missing")
        for key in value.keys() - form.keys():
            raise CertificateError(f"the key {_join(path, key)} is unknown")
        for key, inner in form.items():
            _check(value[key], inner, _join(path, key))
    elif isinstance(form, list):
        if not isinstance(value, list):
            raise CertificateError(f"{path} is {_short(value)}; it must be a list")
        for place, item in enumerate(value):
            _check(item, form[0], f"{path}[{place}]")
    elif type(value) not in form:
        wanted = " or ".join(kind.__name__ for kind in form)
        raise CertificateError(f"{path} is {_short(value)}; it must be of type {wanted}")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

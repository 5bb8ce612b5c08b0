"""The form of ``certificate.json``: which keys there are and what type each holds. No unknown key passes."""

from __future__ import annotations

from typing import Any

from transferbound.errors import CertificateError

__all__ = ["MESSAGE_FILE", "SCHEMA", "SCHEMA_VERSION", "check_content"]

MESSAGE_FILE = "offset.bin"

SCHEMA = "transferbound-certificate"
SCHEMA_VERSION = 1


class _Map:
    def __init__(self, values: Any) -> None:
        self.values = values


class _Either:
    """The first form where its first key is there, else the second."""

    def __init__(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        self.first, self.second = first, second


class _OrNull:
    def __init__(self, form: Any) -> None:
        self.form = form


_NUMBER = (int, float)
_OPTIONAL_TEXT = (str, type(None))
_MODALITIES = ("image", "text")
_COLUMNS = _Either(*({kind: [(str,)], "label": (str,), "group": _OPTIONAL_TEXT} for kind in _MODALITIES))

# A dict is an object with exactly these keys; a list of one form holds items of it; a tuple of types is a
# leaf; ``_Map`` is an object of any keys whose values have one form; ``_OrNull`` a form or null; ``_Either``
# one of two objects; ``dict`` an object of any content, which verification recomputes or which is unverified.
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
    "bounds": _Map(_NUMBER),
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
        "provenance": dict,
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
        "columns": _COLUMNS,
        "class_names": [(str,)],
        "classes_from": (str,),
        "overlap": _Map((int,)),
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
        "subspace": dict,
        "preprocessing": dict,
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
        "paper_code": {"bits": _NUMBER, "occam_kl": _NUMBER},
    },
    "evaluation": {
        "test": _OrNull({"split": (str,), "sha256": (str,), "n": (int,), "errors": (int,), "error": _NUMBER})
    },
    "independence": {
        "data_dependent": (bool,),
        "prior_split": _OrNull(
            {
                "split": (str,),
                "sha256": (str,),
                "rows": (int,),
                "units": (int,),
                "rows_compared": (int,),
                "exact_duplicates": (int,),
                "near_duplicates": (int,),
                "first_rows": [(int,)],
            }
        ),
        "checked": {"data_names": [(str,)], "prior_names": _Map([(str,)]), "pretraining_data": _OrNull(dict)},
        "findings": [{"kind": (str,), "severity": (str,), "message": (str,)}],
        "verdict": (str,),
        "override": (bool,),
        "assumption": (str,),
    },
    "assumptions": [(str,)],
    "unverified": {"training": dict, "versions": dict},
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
    for part in ("prior", "dataset"):
        if content[part]["modality"] not in _MODALITIES:
            raise CertificateError(
                f"{part}.modality is {_short(content[part]['modality'])}; it must be {' or '.join(_MODALITIES)}"
            )


def _check(value: Any, form: Any, path: str) -> None:
    if isinstance(form, _OrNull):
        if value is not None:
            _check(value, form.form, path)
    elif isinstance(form, _Either):
        has_first = isinstance(value, dict) and next(iter(form.first)) in value
        _check(value, form.first if has_first else form.second, path)
    elif form is dict:
        _require_object(value, path)
    elif isinstance(form, dict | _Map):
        _require_object(value, path)
        inner = dict.fromkeys(value, form.values) if isinstance(form, _Map) else form
        for key in sorted(inner.keys() - value.keys()):
            raise CertificateError(f"the key {_join(path, key)} is missing")
        for key in sorted(value.keys() - inner.keys()):
            raise CertificateError(f"the key {_join(path, key)} is unknown")
        for key, wanted in inner.items():
            _check(value[key], wanted, _join(path, key))
    elif isinstance(form, list):
        if not isinstance(value, list):
            raise CertificateError(f"{path} is {_short(value)}; it must be a list")
        for place, item in enumerate(value):
            _check(item, form[0], f"{path}[{place}]")
    elif type(value) not in form:
        wanted = " or ".join(kind.__name__ for kind in form)
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

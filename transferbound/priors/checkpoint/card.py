"""What a checkpoint says of itself: licence, training data, ancestors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypedDict, cast

from huggingface_hub import metadata_load

__all__ = ["Provenance", "licence", "provenance"]

_MAX_CHARACTERS = 2000


class Provenance(TypedDict, total=False):
    """Plain JSON: what card, config and folder say; a key is there where they say it."""

    name_or_path: str
    finetuning_task: str
    license: str
    tag: str
    origin_url: str
    title: str
    card_error: str
    datasets: list[str]
    base_model: list[str]
    tags: list[str]
    dataset_tags: list[str]
    model_index_datasets: list[str]
    source: str
    files: list[str]


def provenance(folder: Path, config: dict[str, Any]) -> Provenance:
    """The card's ``license``, ``datasets``, ``base_model`` and the data sets of its results; what config.json says.

    A card that cannot be parsed is reported as such and otherwise ignored: a card is a statement, not
    something that the bound rests on.
    """
    found: dict[str, Any] = {}
    for key in ("_name_or_path", "finetuning_task", "license"):
        if isinstance(config.get(key), str) and config[key]:
            found[key.lstrip("_")] = config[key]
    inner = config.get("pretrained_cfg")
    if isinstance(inner, dict):
        for key in ("tag", "license", "origin_url"):
            if isinstance(inner.get(key), str) and inner[key]:
                found[key] = inner[key]
    found.update(_read_card(folder / "README.md"))
    source = folder / "SOURCE.txt"
    if source.is_file():
        found["source"] = source.read_text(encoding="utf-8", errors="replace").strip()[:_MAX_CHARACTERS]
    return cast(Provenance, found)


def licence(found: Provenance) -> str | None:
    """The licence that the card or the config declares, or None."""
    return found.get("license") or None


def _read_card(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    found: dict[str, Any] = {}
    title = re.search(r"^#\s+(.+)$", text, re.MULTILINE)
    if title:
        found["title"] = title.group(1).strip()[:200]
    try:
        data = metadata_load(path) or {}
    except Exception as error:  # whatever a hand-written card makes the YAML reader raise
        return {**found, "card_error": f"the card's metadata cannot be read: {str(error)[:200]}"}
    if isinstance(data.get("license"), str):
        found["license"] = data["license"]
    for key in ("datasets", "base_model", "tags", "dataset_tags"):
        values = _strings(data.get(key))
        if values:
            found[key] = values
    results = _result_datasets(data.get("model-index"))
    if results:
        found["model_index_datasets"] = results
    return found


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [str(item) for item in value if isinstance(item, str | int | float)]
    return []


def _result_datasets(index: object) -> list[str]:
    names: list[str] = []
    for model in index if isinstance(index, list) else []:
        for result in (model.get("results") or []) if isinstance(model, dict) else []:
            dataset = result.get("dataset") if isinstance(result, dict) else None
            if isinstance(dataset, dict):
                parts = [dataset.get(key) for key in ("type", "config", "name", "args")]
                names += [str(part) for part in parts if isinstance(part, str)]
    return sorted(set(names))

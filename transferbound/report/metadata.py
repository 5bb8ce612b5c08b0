"""The metadata at the head of a card: YAML that means one thing to every reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["AUTHORS_KEYS", "metadata_texts", "parse_metadata"]

_MAX_CHARACTERS = 2**16
_MAX_DEPTH = 32

AUTHORS_KEYS = frozenset(
    {
        *("base_model", "base_model_relation", "co2_eq_emissions", "datasets", "extra_gated_button_content"),
        *("extra_gated_description", "extra_gated_fields", "extra_gated_heading", "extra_gated_prompt"),
        *(
            "inference",
            "language",
            "license",
            "license_link",
            "license_name",
            "new_version",
            "tags",
            "thumbnail",
        ),
        *("widget",),
    }
)
"""What an author may say of the model beside ours. None of it is a result."""


class _OneMeaning(yaml.SafeLoader):  # type: ignore[misc]
    """Plain data, without what readers take differently or what grows when it is read: keys given twice, aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses aliases."""
        if self.check_event(yaml.events.AliasEvent):
            raise ValueError("the metadata holds an alias")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Refuses merged keys and keys given twice."""
        keys = [key.value for key, _ in node.value]
        if len(set(map(str, keys))) < len(keys) or "<<" in keys:
            raise ValueError("the metadata has a key twice")
        return super().construct_mapping(node, deep=deep)


def parse_metadata(text: str) -> dict[str, Any]:
    """The metadata as plain data.

    Raises:
        ValueError: it is no YAML of one meaning, no mapping, or too large or too deep to be metadata.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"the metadata has more than {_MAX_CHARACTERS} characters")
    try:
        value = yaml.load(text, Loader=_OneMeaning)
        deep = _depth(value) > _MAX_DEPTH
    except RecursionError as error:
        raise ValueError("the metadata is nested too deeply") from error
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError("the metadata is no mapping of names")
    if deep:
        raise ValueError("the metadata is nested too deeply")
    return value


def metadata_texts(value: object) -> Iterator[str]:
    """All texts in a piece of metadata, keys included."""
    if isinstance(value, str):
        yield value
    for item in _items(value):
        yield from metadata_texts(item)


def _depth(value: object) -> int:
    return 1 + max(map(_depth, _items(value)), default=0)


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple | set) else []

"""``transferbound push``: what was published, or what would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transferbound.wording import as_lines

if TYPE_CHECKING:
    from transferbound.hub.push import Pushed

__all__ = ["pushed_text"]


def pushed_text(pushed: Pushed) -> str:
    """A line a file, and where they are."""
    wide = max(len(name) for name in pushed.files)
    lines = [f"  {name:<{wide}}  {size:>13,} bytes" for name, size in pushed.files.items()]
    head = f"{pushed.repo_id}: would be published" if pushed.url is None else pushed.url
    return as_lines([head, *lines, f"check it anywhere: transferbound verify hf://{pushed.repo_id}"])

"""Priors that no data made: a fixed map of features, written as a checkpoint in Hub layout.

Its weights are functions of constants in the code: no seed, no training, no data. A name, ``fixed/ARCHITECTURE``, is
all that a reader needs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm

from transferbound.errors import PriorError
from transferbound.priors.architectures import filters  # noqa: F401  (registers the maps with timm)
from transferbound.priors.backends.quiet import quiet_construction
from transferbound.priors.checkpoint.made import made_anew
from transferbound.priors.checkpoint.resolve import Checkpoint
from transferbound.priors.checkpoint.write import timm_config, write_checkpoint

__all__ = ["FIXED_MAPS", "export_fixed", "open_fixed"]

#: Architectures whose weights are no parameters to be learned.
FIXED_MAPS = ("transferbound_filters", "transferbound_filters_aligned")
_NAME = re.compile(r"fixed/([A-Za-z0-9_.-]+)")

_CARD = """---
library_name: timm
pipeline_tag: image-classification
license: cc0-1.0
tags:
- timm
---
# {architecture}

A fixed map of features{aligned}: Gabor energies in two banks, of eight
directions each, and the picture at a coarse scale, {features} numbers for a grey picture. No other data: no weight was
trained or drawn at random, each is a function of constants in the code. The head starts from zero.
"""


def export_fixed(architecture: str, folder: str | os.PathLike[str]) -> Path:
    """Write a fixed map of features as a local prior; return its folder.

    Args:
        architecture: one of :data:`FIXED_MAPS`.
        folder: where to; it must not hold anything.

    Raises:
        PriorError: there is no such map.
        OutputError: ``folder`` holds something, or cannot be written.
    """
    if architecture not in FIXED_MAPS:
        raise PriorError(
            f"there is no fixed map of features {architecture[:80]!r}; fixed/{FIXED_MAPS[0]} is one"
        )
    with quiet_construction():
        network: Any = timm.create_model(architecture, num_classes=0)
    config = timm_config(architecture, network, num_classes=0, tag="fixed")
    aligned = " of a picture that is first centred and deskewed by its moments" if network.align else ""
    card = _CARD.format(architecture=architecture, features=network.num_features, aligned=aligned)
    return write_checkpoint(Path(folder), network.state_dict(), config, card)


@contextmanager
def open_fixed(name: str) -> Iterator[Checkpoint]:
    """The checkpoint that ``fixed/ARCHITECTURE`` names, made anew as :func:`export_fixed` makes it.

    Its files are there while the context lasts: whoever has the name has the prior.

    Raises:
        PriorError: the name is not of this form, or there is no such map.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise PriorError(f"the prior is {name[:80]!r}; a fixed map is fixed/{FIXED_MAPS[0]}")
    with made_anew(name, lambda folder: export_fixed(match.group(1), folder)) as checkpoint:
        yield checkpoint

"""What a certificate is asked for: the settings of ``certify``, their defaults, and the header they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transferbound.data.set_aside import customary_units
from transferbound.errors import ArgumentError
from transferbound.finetune.settings import FinetuneSettings
from transferbound.message import DIMS, INPUT_SIZES, OPEN_LIST, Header
from transferbound.message.variants import check_list_written
from transferbound.risks import DEFAULT_RISK
from transferbound.subspace.config import SubspaceConfig, header_for

if TYPE_CHECKING:
    from transferbound.data.labelled import LabelledData
    from transferbound.priors import Prior

__all__ = [
    "AUTOMATIC",
    "DEFAULT_HEAD_SCALE",
    "MAX_POINTS",
    "TRIED_ON",
    "CertifySettings",
    "default_dim",
    "default_input_size",
    "default_set_aside",
    "header_of",
]

AUTOMATIC = "auto"
"""The kind where none is named."""

TRIED_ON: dict[str, Any] = {"candidate": 149, "candidates": OPEN_LIST, "list_written": "after"}
"""What a certificate on MNIST, FashionMNIST, CIFAR-10, SUBJ or SST-2 has to say where the kind is found by trying.

What comes with the package for components (sentences, generated pictures, fixed filters, lists of features, how many
rows are set aside, how a head starts from names) was chosen with rows of these in view: about 20 sets of pictures, 20
of texts, some lists of features, and some 80 ways to start from names. So it counts as variant 149 of a list that may
grow, pays for the place, and the list was written after results were seen.
"""

DEFAULT_HEAD_SCALE = 8
"""A new head starts from zero and has the longest way to go: its part of the offset counts 16-fold."""

_SIZES_TRIED = 4  # some networks are built for a single one

MAX_POINTS = 64
"""Settings that a search tries at most."""


@dataclass(frozen=True)
class CertifySettings:
    """What ``certify`` does beside finetuning. All that the decoder needs of it is paid for in the message.

    What the plain settings are stands beside their defaults, and in ``transferbound bound --help``.

    Attributes:
        subspace: kind, d and seed of P; None: found by trying, see :attr:`is_automatic`.
        input_size: None: the checkpoint's own for text, :func:`default_input_size` for images.
        candidate, candidates: this run is variant ``candidate``, from 0, of ``candidates`` on a list; ``OPEN_LIST`` (0)
            where the list may grow (:func:`transferbound.message.variants.place`).
        set_aside: None: :func:`default_set_aside`.
        risk: what is bounded, by its name in :data:`transferbound.risks.RISKS`.
        finetune: how to train.
        search: what :mod:`transferbound.certification.search` tried before it chose these settings; recorded
            under ``unverified.training``.
    """

    subspace: SubspaceConfig | None = None
    levels: int = field(default=3, metadata={"help": "Grid levels, an odd number.", "search": True})
    input_size: int | None = field(
        default=None,
        metadata={
            "help": "Image side in pixels or most tokens; 0: the checkpoint's own. Default: the checkpoint's own, "
            "but small images are not enlarged more than needed.",
            "search": True,
        },
    )
    head_seed: int = field(
        default=0,
        metadata={
            "help": "0: a new head starts from zero; else the seed of its random start.",
            "search": True,
        },
    )
    candidate: int = 0
    candidates: int = 1
    list_written: str = field(
        default="before",
        metadata={
            "help": "Your word for it. before: the list of variants, or the one checkpoint, was chosen before any "
            "result on this data was seen; after: in the light of some, of which the certificate warns.",
            "metavar": "before|after",
        },
    )
    set_aside: int | None = field(
        default=None,
        metadata={
            "help": "Units (rows, or groups) whose inputs, without labels, serve as reference inputs; the bound does "
            "not count them. Default: where the kind is found by trying and no reference is named, a tenth of 500 "
            "or more, 1,500 at most."
        },
    )
    confidence: float = field(default=0.95, metadata={"help": "1 - delta, fixed before training."})
    risk: str = DEFAULT_RISK
    restart: bool = field(
        default=False, metadata={"help": "Throw an unfinished run of this output folder away."}
    )
    cache_features: bool = field(
        default=True,
        metadata={
            "help": "Where the subspace trains the head or the last blocks alone, compute what enters them once, and "
            "keep it on disk (in $TRANSFERBOUND_CACHE)."
        },
    )
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    search: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def is_automatic(self) -> bool:
        """Whether subspace and training are left to :mod:`transferbound.certification.automatic`.

        That is so where no subspace is named, nothing of the message but the input size, and nothing of the training
        but its time. Otherwise a missing subspace is kind "film" with :func:`default_dim` coordinates and
        ``DEFAULT_HEAD_SCALE``.
        """
        plain = FinetuneSettings(
            budget_minutes=self.finetune.budget_minutes,
            mixed_precision=self.finetune.mixed_precision,
            save_seconds=self.finetune.save_seconds,
        )
        return (
            self.subspace is None
            and self.search is None
            and (self.levels, self.head_seed, self.risk) == (3, 0, DEFAULT_RISK)
            and self.finetune == plain
        )

    def __post_init__(self) -> None:
        check_list_written(self.list_written)


def default_dim(n: int) -> int:
    """The number of coordinates where the user names none: a declared one, a tenth of n, from 100 to 2000."""
    return min(DIMS, key=lambda dim: abs(dim - min(max(n / 10, 100), 2000)))


def default_input_size(prior: Prior, data: LabelledData) -> int:
    """Small images are not blown up to the checkpoint's full size, which would cost time and tell nothing.

    The first declared size that is at least 1.4 times the side of the first image and that the network reads, of a
    few; 0, the checkpoint's own, if that is not smaller, and for text. The message pays for the choice like for any
    other.
    """
    if data.modality != "image":
        return 0
    side = 1.4 * max(next(data.images()).size)
    sizes = [size for size in INPUT_SIZES if side <= size < prior.input_size]
    return next((size for size in sizes[:_SIZES_TRIED] if prior.reads_size(size)), 0)


def default_set_aside(settings: CertifySettings, data: LabelledData, reference: object | None) -> int:
    """How many units of ``data`` are set aside: what ``settings`` say, or else a function of n.

    Raises:
        ArgumentError: some are to be set aside, and nothing makes use of them.
    """
    if settings.set_aside and not settings.is_automatic:
        raise ArgumentError(
            f"set-aside is {settings.set_aside}, and only kind {AUTOMATIC} takes components of reference inputs; "
            "leave the kind and the training to be found, or set 0 aside"
        )
    if settings.set_aside is not None:
        return settings.set_aside
    if not settings.is_automatic or reference is not None or data.aside is not None:
        return 0
    return customary_units(data.n_units)


def header_of(settings: CertifySettings, prior: Prior, data: LabelledData) -> Header:
    """What a message of these settings says beside its integers; the lattice step is known after training."""
    config = settings.subspace or SubspaceConfig(
        kind="film", dim=default_dim(data.n_units), head_scale=DEFAULT_HEAD_SCALE
    )
    return header_for(
        config,
        levels=settings.levels,
        input_size=default_input_size(prior, data) if settings.input_size is None else settings.input_size,
        head_seed=settings.head_seed,
        candidate=settings.candidate,
        candidates=settings.candidates,
    )

"""What ``transferbound bound`` is asked for: the options that are no settings, and the list of all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from transferbound.certification.language_settings import LanguageSettings
from transferbound.certification.settings import AUTOMATIC, DEFAULT_HEAD_SCALE, MAX_POINTS, CertifySettings
from transferbound.cli.options import Option, options_of
from transferbound.cli.search_grid import DECODER_KEYS, ENCODER_KEYS
from transferbound.data.reading import DataReading
from transferbound.finetune.settings import FORMER_NAMES, FinetuneSettings
from transferbound.subspace.config import SubspaceConfig

__all__ = ["BOUND_OPTIONS", "BoundRequest"]

_FIRST, _DATA, _MESSAGE, _FINETUNING = "Start here", "Data", "Subspace and message", "Finetuning"
_SEARCH, _PRIOR, _OUTPUT = "Search", "The checkpoint and its independence", "Output"
_LANGUAGE = "Language models (--task text-generation)"
_GROUPS = (_FIRST, _DATA, _MESSAGE, _FINETUNING, _LANGUAGE, _SEARCH, _PRIOR, _OUTPUT)

# Where a field stands apart from the others of its settings.
_ELSEWHERE = {
    "split": _FIRST,
    "confidence": _FIRST,
    "cache_features": _FINETUNING,
    "save_seconds": _OUTPUT,
    "restart": _OUTPUT,
}


@dataclass(frozen=True)
class BoundRequest:
    """The options that fill no settings."""

    prior: str = field(
        metadata={
            "help": "Checkpoint: timm/NAME, a Hub id, or a local folder in Hub layout.",
            "group": _FIRST,
        }
    )
    dataset: str = field(
        metadata={
            "help": "Data set: a Hub id, a folder that datasets.load_dataset reads, or a file of rows (csv, tsv, json, "
            "jsonl, parquet, arrow).",
            "group": _FIRST,
        }
    )
    out: Path = field(
        metadata={
            "help": "Folder for the certificate; must not exist. An unfinished run of the same command is kept in "
            "OUT.partial and goes on from there.",
            "group": _FIRST,
        }
    )
    task: str | None = field(
        default=None,
        metadata={
            "help": "classification or text-generation. Default: text-generation where the checkpoint is a causal "
            "language model and the data has text and no label; else classification.",
            "metavar": "TASK",
            "group": _FIRST,
        },
    )
    test_split: str | None = field(
        default=None,
        metadata={
            "help": "Split for reporting only. Default: test, then validation, where there is one; 'none' for none.",
            "group": _DATA,
        },
    )
    candidate: str = field(
        default="0/1",
        metadata={
            "help": "I/N: this run is variant I (from 0) of a list of N, and pays log2 N bits; I/open: of a list that "
            "may grow at its end, and pays for the length of I.",
            "metavar": "I/N|I/open",
            "group": _MESSAGE,
        },
    )
    search: list[str] | None = field(
        default=None,
        metadata={
            "help": "Try these values in short pilot runs and train the best in full; give it several "
            f"times for a grid of at most {MAX_POINTS} points. It overrides the plain option of that name. Keys that "
            f"the message pays for: {', '.join(DECODER_KEYS)}; free ones: {', '.join(ENCODER_KEYS)}.",
            "metavar": "KEY=V1,V2,...",
            "group": _SEARCH,
        },
    )
    search_share: float = field(
        default=0.3,
        metadata={
            "help": "Part of the epochs, or of the minutes, that goes to the pilots, in equal parts.",
            "group": _SEARCH,
        },
    )
    reference: str | None = field(
        default=None,
        metadata={
            "help": "Inputs that are not the training data, without labels: a Hub id or folder. Where the kind is "
            "found by trying, components are taken of its first 4,000 rows. Default: sentences or pictures of "
            "the package.",
            "group": _MESSAGE,
        },
    )
    reference_split: str = field(
        default="train", metadata={"help": "Split of the reference inputs.", "group": _MESSAGE}
    )
    revision: str | None = field(
        default=None, metadata={"help": "Commit, tag or branch of the checkpoint.", "group": _PRIOR}
    )
    prior_split: str | None = field(
        default=None,
        metadata={
            "help": "Split or slices of the same data set that the checkpoint was trained on (a data-dependent "
            "prior, and labelled so): train[:50%] where --split is train[50%:].",
            "group": _PRIOR,
        },
    )
    pretraining_data: str | None = field(
        default=None,
        metadata={
            "help": "Data that the checkpoint was trained on: training rows are searched for in it.",
            "group": _PRIOR,
        },
    )
    allow_dependence: bool = field(
        default=False,
        metadata={
            "help": "Go on, and record it, where the checkpoint may have seen the training data.",
            "group": _PRIOR,
        },
    )


def _bound_options() -> list[Option]:
    own = options_of(BoundRequest, _OUTPUT)
    options = [
        *(option for option in own if option.group == _FIRST),
        *options_of(DataReading, _DATA),
        *(_of_a_run(option) for option in options_of(SubspaceConfig, _MESSAGE)),
        *options_of(FinetuneSettings, _FINETUNING),
        *options_of(CertifySettings, _MESSAGE),
        *options_of(LanguageSettings, _LANGUAGE),
        *(option for option in own if option.group != _FIRST),
    ]
    options = [replace(option, group=_ELSEWHERE.get(option.name, option.group)) for option in options]
    named = {option.name: option for option in options}
    former = [
        replace(named[new], name=old, default=None, annotation=named[new].annotation | None, hidden=True)
        for old, new in FORMER_NAMES.items()
    ]
    return sorted([*options, *former], key=lambda option: _GROUPS.index(option.group))


def _of_a_run(option: Option) -> Option:
    """Where a run has another default than a subspace that stands alone: d follows n, a new head has far to go."""
    if option.name == "dim":
        help = f"{option.help} Default: a tenth of n, from 100 to 2000."
        return replace(option, default=None, annotation=int | None, help=help)
    if option.name == "kind":
        help = (
            f"{option.help} Default: auto, a small head on components of the checkpoint's features, found by trying; "
            "film where another option of the message or of the training is given. Of language models: hashed; prompt "
            "is a prompt, found by search."
        )
        return replace(option, default=AUTOMATIC, help=help)
    return replace(option, default=DEFAULT_HEAD_SCALE) if option.name == "head_scale" else option


BOUND_OPTIONS = _bound_options()
"""The options of ``transferbound bound`` in the order of its help."""

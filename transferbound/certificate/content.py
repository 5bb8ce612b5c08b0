"""What stands in ``certificate.json``, as types: the check of its form is made from them.

Errors and bounds are fractions, lengths are bits. docs/certificate.md says what each key means.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict, final

from transferbound.independence.record import IndependenceRecord, ReferenceOverlap
from transferbound.priors.checkpoint.card import Provenance

__all__ = [
    "BaselineContent",
    "ComparisonContent",
    "Content",
    "CostContent",
    "CutContent",
    "DatasetContent",
    "DecoderContent",
    "DrawContent",
    "EvaluatedSplitContent",
    "EvaluationContent",
    "FilesLeftOutContent",
    "HoldoutContent",
    "ImageColumns",
    "MessageContent",
    "PaperCodeContent",
    "PriorContent",
    "ReferenceContent",
    "RiskContent",
    "Statement",
    "TextColumns",
    "UnverifiedContent",
]


class RiskContent(TypedDict):
    """Bounds and errors as fractions, the message in bits, ``n`` in units, ``errors`` in rows.

    ``loss`` names what is bounded; zero_one where it is missing.
    """

    loss: NotRequired[str]
    risk_bound: float
    confidence: float
    n: int
    errors: int
    train_error: float
    message_bits: float
    bounds: dict[str, float]


class PriorContent(TypedDict):
    """The checkpoint. ``input_size``: image side in pixels, or most tokens of a row."""

    id: str
    revision: str | None
    source: str
    modality: str
    architecture: str
    num_parameters: int
    sha256: str
    files: dict[str, str]
    licence: str | None
    input_size: int
    unused_tensors: list[str]
    provenance: Provenance


@final
class ImageColumns(TypedDict):
    """The columns that were read of a data set of images."""

    image: list[str]
    label: str
    group: str | None


@final
class TextColumns(TypedDict):
    """The columns that were read of a data set of texts, two for pairs."""

    text: list[str]
    label: str
    group: str | None


class CutContent(TypedDict):
    """How the rows were cut out of their splits; ``kind``: ``plain`` or ``free``."""

    kind: str
    pieces: int
    rows_left_out: int


class FilesLeftOutContent(TypedDict):
    """Files of data in a local folder, and how many of them are in no split."""

    files: int
    left_out: int


class DrawContent(TypedDict):
    """Units that were drawn by ``seed`` of all ``of``; ``units`` were asked for."""

    seed: int
    units: int
    of: int


class SetAsideContent(TypedDict):
    """Rows of the split that are no training rows: their inputs, without labels, are the reference inputs."""

    units: int
    rows: int


class DatasetContent(TypedDict):
    """The training examples. ``units``: groups where a group column is named, else rows; ``overlap`` in rows.

    ``cut`` is missing where splits were taken whole, ``set_aside`` where all of their rows are counted.
    ``files_left_out`` is missing where every file of the folder is in a split, and for data that lies in no folder.
    ``label_map``, ``data_files``, ``shuffle_seed``, ``draw`` and ``image_bits`` say how the rows were read where the
    user asked for something else than the data set as it stands, and are missing otherwise.
    """

    id: str
    config: str | None
    revision: str | None
    split: str
    sha256: str
    rows: int
    units: int
    modality: str
    columns: ImageColumns | TextColumns
    class_names: list[str]
    classes_from: str
    overlap: dict[str, int]
    cut: NotRequired[CutContent]
    set_aside: NotRequired[SetAsideContent]
    files_left_out: NotRequired[FilesLeftOutContent]
    label_map: NotRequired[dict[str, str]]
    data_files: NotRequired[list[str]]
    shuffle_seed: NotRequired[int]
    draw: NotRequired[DrawContent]
    image_bits: NotRequired[int]


class ReferenceContent(TypedDict):
    """Inputs that are not the training data, of which the components are taken; ``rows`` of them were used.

    ``split`` and ``overlap``, the search for training rows among them, where they are the user's own. Where
    ``dataset.set_aside`` stands they are those rows.
    """

    id: str
    sha256: str
    rows: int
    split: NotRequired[str]
    overlap: NotRequired[ReferenceOverlap]


class DecoderContent(TypedDict):
    """The fields of the message's header, and what follows from them and the checkpoint.

    ``step_size`` = 2^(``step``/4) is in units of a coordinate; the head's part of the offset is scaled by
    2^(``head_scale``/2). ``candidates`` is 0 for a list that may grow. ``list_written`` is ``after`` where variants
    were chosen after results on the data were seen, and is missing otherwise.
    Kind ``sparse`` has ``features``, a place on the list of features, ``features_of``, what stands there in words,
    ``components`` and, where that is not 0, ``reference``; kind ``constant`` has ``answer``, the name of a class.
    """

    codec: str
    kind: str
    dim: int
    seed: int
    levels: int
    step: int
    input_size: int
    head_seed: int
    head_scale: int
    rank: int
    modules: str
    candidate: int
    contexts: bool
    adaptive_signs: bool
    candidates: int
    list_written: NotRequired[str]
    step_size: float
    head_start: str
    features: NotRequired[int]
    features_of: NotRequired[str]
    components: NotRequired[int]
    reference: NotRequired[ReferenceContent]
    answer: NotRequired[str]
    subspace: dict[str, Any]
    preprocessing: dict[str, Any]


class CostContent(TypedDict):
    """What one choice took, and the bits that it paid."""

    field: str
    value: str | int | float | bool
    bits: float
    code: str


class MessageContent(TypedDict):
    """``offset.bin``. Lengths in bits; ``nonzero`` counts integers."""

    file: str
    sha256: str
    ideal_bits: float
    file_bits: int
    empirical_entropy_bits: float
    nonzero: int
    costs: list[CostContent]


class HoldoutContent(TypedDict):
    """What units kept out of training would have certified. ``bound``: a fraction; ``n``, ``errors`` in units.

    ``errors`` is null for groups, whose losses are means.
    """

    n: int
    errors: int | None
    bound: float


class PaperCodeContent(TypedDict):
    """The same integers under the 2022 paper's code: bits, and the kl form as a fraction."""

    bits: float
    occam_kl: float


class BaselineContent(TypedDict):
    """Guessing, the most common class, and holding data out; errors as fractions."""

    uniform_guess_error: float
    majority_class: str
    majority_class_error: float
    holdout_tenth: HoldoutContent


class ComparisonContent(BaselineContent):
    """What the bound is to be compared with."""

    paper_code: PaperCodeContent


class EvaluatedSplitContent(TypedDict):
    """Errors on a labelled test split, of ``n`` rows; ``error`` is a fraction."""

    split: str
    sha256: str
    n: int
    errors: int
    error: float


class EvaluationContent(TypedDict):
    """What was counted for reporting only."""

    test: EvaluatedSplitContent | None


class Statement(RiskContent):
    """All that a certificate states and that can be computed again."""

    schema: str
    schema_version: int
    file_bits: int
    prior: PriorContent
    dataset: DatasetContent
    decoder: DecoderContent
    message: MessageContent
    comparison: ComparisonContent
    evaluation: EvaluationContent
    independence: IndependenceRecord
    assumptions: list[str]


class UnverifiedContent(TypedDict):
    """The writer's word: training settings, and the versions of libraries."""

    training: dict[str, Any]
    versions: dict[str, Any]


class Content(Statement):
    """The whole of ``certificate.json``."""

    unverified: UnverifiedContent

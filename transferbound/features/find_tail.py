"""Where a model can be cut before the blocks that a subspace trains, so that the rest runs by itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from transferbound.data.encoded import EncodedData
from transferbound.features.file_layout import Layout
from transferbound.features.part import Part
from transferbound.features.record import Form, Record, UnlikeError, form_of, recorded
from transferbound.features.tail import Tail
from transferbound.features.trial import Trial
from transferbound.subspace import SubspaceModel

__all__ = ["find_tail"]

_LARGEST_BYTES = 16 * 10**9  # of a file of features
_SMALLEST_SHARE = 1 / 3  # of the forward pass, before the cut: a step then takes at most 6/7 of the time

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Cut:
    """A place before which the model may be cut: its module, the calls around it, itself the last."""

    module: nn.Module
    path: tuple[int, ...]
    lengths: npt.NDArray[np.int64] | None  # of the examples, where each token is kept


def find_tail(
    model: SubspaceModel, data: EncodedData, few: npt.NDArray[np.int64], device: torch.device
) -> Part | None:
    """The end of the model from the deepest module before which it can be cut; None if there is none.

    Candidates are the modules around the first one, in the order of a recorded forward pass, that owns a
    trainable parameter. Logits and gradient are compared with the whole model's on the rows ``few``, with
    other values in all that is trainable.
    """
    # Whatever a foreign model raises here, it can still be trained as a whole.
    try:
        cuts = _Cuts(model.model, data, _owners(model), device)
        candidates = cuts.candidates()
        if not candidates:
            return None
        trial = Trial(model, data, few, device, [cut.module for cut in candidates])
    except Exception:
        _log.debug("the model cannot be cut", exc_info=True)
        return None
    names = {module: name for name, module in model.model.named_modules()}
    for cut in candidates:
        for bare in (True, False):
            try:
                tail = Tail(model.model, cut.module, cuts.skipped(cut, bare), data)
                found = trial.tried(tail, cut.lengths)
            except Exception:
                _log.debug("the model cannot be cut before %s", names[cut.module], exc_info=True)
                continue
            if found is not None:
                layout, fresh = found
                name = f"{names[cut.module]}\0{layout.name}"
                return Part(name, cut.module, layout, fresh, tail, trial.seconds)
    return None


def _owners(model: SubspaceModel) -> set[nn.Module]:
    """The modules that hold a trainable parameter themselves."""
    specs = model.projection.layout.specs
    parameters = dict(model.model.named_parameters())
    trainable = {id(parameters[specs[i].name]) for i in model.projection.trainable}
    return {m for m in model.model.modules() if any(id(p) in trainable for p in m.parameters(recurse=False))}


class _Cuts:
    """What two forward passes, unlike in their numbers of examples and tokens, tell of places to cut.

    Raises:
        UnlikeError: the passes call other modules, or none of ``owners``.
    """

    def __init__(
        self, network: nn.Module, data: EncodedData, owners: set[nn.Module], device: torch.device
    ) -> None:
        self._data = data
        order = np.arange(data.n) if data.lengths is None else np.argsort(data.lengths, kind="stable")
        batches = np.resize(order[::-1], 3), np.resize(order[:1], 2)
        self._sizes = [
            (len(rows), 0 if data.lengths is None else int(data.lengths[rows].max(initial=1)))
            for rows in batches
        ]
        self._one, self._other = (_record(network, owners, data.batch(rows, device)) for rows in batches)
        modules, others = ([call.module for call in record.calls] for record in (self._one, self._other))
        if modules != others or not self._one.path or self._one.path != self._other.path:
            raise UnlikeError("the calls depend on the batch")

    def candidates(self) -> list[_Cut]:
        """The deepest first, as far as enough work lies before them and what enters them can be kept."""
        found, record = [], self._one
        for depth in reversed(range(1, len(record.path))):
            call = record.calls[record.path[depth]]
            if call.work_before < max(_SMALLEST_SHARE * record.work, 1):
                break
            try:
                form = self._form(call.first, self._other.calls[record.path[depth]].first)
                cut = _Cut(call.module, record.path[: depth + 1], self._kept_lengths(form))
            except UnlikeError:
                continue
            found.append(cut)
        return found

    def skipped(self, cut: _Cut, bare: bool) -> list[tuple[nn.Module, Any]]:
        """Module and form of output of each call before the cut, beside the calls around it.

        Args:
            bare: also of modules without parameters. They may be some whose output does not depend on the
                data and that later blocks need (rotary embeddings).
        """
        around = set(cut.path[:-1])
        before = zip(self._one.calls[: cut.path[-1]], self._other.calls, strict=False)
        found = [
            (call.module, self._form(call.output, twin.output))
            for place, (call, twin) in enumerate(before)
            if place not in around
            and call.parent in around
            and (bare or next(call.module.parameters(), None) is not None)
        ]
        if {module for module, _ in found} & {self._one.calls[place].module for place in cut.path}:
            raise UnlikeError("a module around the cut is also called before it")
        return found

    def _form(self, one: Any, other: Any) -> Any:
        return form_of(one, other, self._sizes)

    def _kept_lengths(self, form: Any) -> npt.NDArray[np.int64] | None:
        """The examples' lengths if their tokens are kept one by one, None if an example is kept whole.

        Raises:
            UnlikeError: neither is possible, or the file would be too large.
        """
        if not isinstance(form, Form) or form.dtype != torch.float32 or form.shape[:1] != (-1,):
            raise UnlikeError(form)
        tokens = self._data.lengths is not None and form.shape[1:2] == (-2,)
        kept, lengths = form.shape[1 + tokens :], self._data.lengths if tokens else None
        if not kept or -2 in kept or Layout(kept, self._data.n, lengths=lengths).size > _LARGEST_BYTES:
            raise UnlikeError(form)
        return lengths


@torch.no_grad()
def _record(network: nn.Module, owners: set[nn.Module], batch: dict[str, torch.Tensor]) -> Record:
    with recorded(network, owners) as record:
        network(**batch)
    return record

"""The calls of a forward pass: what is called inside what, in which order, and the shapes that come out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Call", "Form", "Record", "UnlikeError", "form_of", "recorded"]


class UnlikeError(Exception):
    """Shapes that are no function of the numbers of examples and tokens in the batch."""


class Form(NamedTuple):
    """Shape and type of a tensor. A dimension is a number, or -1 for the batch's examples, -2 for its tokens."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    def unknown(self, examples: int, tokens: int, device: torch.device) -> Tensor:
        """A tensor of this form that holds nan and takes no memory: what is computed from it is nan too."""
        shape = [{-1: examples, -2: tokens}.get(size, size) for size in self.shape]
        return torch.full((), torch.nan, dtype=self.dtype, device=device).expand(shape)


@dataclass
class Call:
    """One call of a module. ``parent`` and the numbers in a path are places in the record's ``calls``."""

    module: nn.Module
    parent: int | None
    first: Any  # form of its first positional argument
    work_before: int
    output: Any = None


@dataclass
class Record:
    """A forward pass.

    Attributes:
        calls: in order.
        path: the calls around the first one of a watched module, from the network's own to that one.
        work: multiply-adds in the layers that have a weight matrix, about.
    """

    calls: list[Call] = field(default_factory=list)
    path: tuple[int, ...] = ()
    work: int = 0


@contextmanager
def recorded(network: nn.Module, watched: Collection[nn.Module]) -> Iterator[Record]:
    """Records the forward pass that is made in the block."""
    record, stack = Record(), []

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        first = _form(args[0]) if args else None
        stack.append(len(record.calls))
        record.calls.append(Call(module, stack[-2] if len(stack) > 1 else None, first, record.work))
        if not record.path and module in watched:
            record.path = tuple(stack)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        record.calls[stack.pop()].output = _form(output)
        weight = module._parameters.get("weight")
        if weight is None or weight.dim() < 2 or isinstance(module, nn.Embedding):
            return
        if isinstance(output, Tensor):
            record.work += output.numel() * weight[0].numel()

    handles: list[Any] = []
    try:
        for module in network.modules():
            handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(module.register_forward_hook(after))
        yield record
    finally:
        for handle in handles:
            handle.remove()


def _form(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Form(tuple(value.shape), value.dtype)
    if type(value) is tuple:
        return tuple(_form(item) for item in value)
    return value if value is None or type(value) in (bool, int, float) else UnlikeError


def form_of(one: Any, other: Any, sizes: Sequence[tuple[int, int]]) -> Any:
    """The common form of two outputs, given (examples, tokens) of either batch.

    Raises:
        UnlikeError: there is none, or a tensor holds integers, for which no value means "unknown".
    """
    if isinstance(one, Form) and isinstance(other, Form) and len(one.shape) == len(other.shape):
        if one.dtype != other.dtype or not one.dtype.is_floating_point:
            raise UnlikeError(one)
        pairs = zip(one.shape, other.shape, strict=True)
        return Form(tuple(_dimension(i, pair, sizes) for i, pair in enumerate(pairs)), one.dtype)
    if type(one) is tuple and type(other) is tuple and len(one) == len(other):
        return tuple(form_of(a, b, sizes) for a, b in zip(one, other, strict=True))
    if isinstance(one, Form | tuple) or one is UnlikeError or one != other:
        raise UnlikeError(one)
    return one


def _dimension(place: int, pair: tuple[int, int], sizes: Sequence[tuple[int, int]]) -> int:
    (examples, tokens), (other_examples, other_tokens) = sizes
    if place == 0 and pair == (examples, other_examples):
        return -1
    if pair[0] == pair[1]:
        return pair[0]
    if pair == (tokens, other_tokens):
        return -2
    raise UnlikeError(pair)

"""A second decoder, written from docs/message-format.md alone in plain Python, reads the same messages.

It shares no code with the package but the declared lists; constriction's coder is written out too.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from transferbound.message import DIMS, INPUT_SIZES, KINDS, Header
from transferbound.message.short_codes import COMPONENTS
from transferbound.message.stream import encode


class Stream:
    def __init__(self, data: bytes) -> None:
        assert data[:2] == b"TB"
        self.version = data[2]
        self.data = data[3:]
        self.next = 8
        self.lower, self.width = 0, 2**64 - 1
        self.point = int.from_bytes(self.word(0) + self.word(4))

    def word(self, at: int) -> bytes:
        return self.data[at : at + 4].ljust(4, b"\0")

    def symbol(self, edges: list[int]) -> int:
        """The outcome whose share [edges[i], edges[i + 1]) of 2^24 holds the point."""
        scale = self.width >> 24
        quantile = (self.point - self.lower) % 2**64 // scale
        outcome = next(i for i in range(len(edges) - 1) if quantile < edges[i + 1])
        self.lower = (self.lower + scale * edges[outcome]) % 2**64
        self.width = scale * (edges[outcome + 1] - edges[outcome])
        if self.width < 2**32:
            self.lower, self.width = self.lower << 32 & (2**64 - 1), self.width << 32
            self.point = (self.point << 32 | int.from_bytes(self.word(self.next))) & (2**64 - 1)
            self.next += 4
        return outcome

    def choice(self, size: int) -> int:
        return self.symbol([i * (2**24 // size) for i in range(size)] + [2**24])

    def decision(self, chance: float) -> int:
        return self.symbol([0, int((1 - chance) * (2**24 - 2)) + 1, 2**24])


def gamma(stream: Stream) -> int:
    length = 0
    while not stream.choice(2):
        length += 1
    value = 1
    for _ in range(length):
        value = 2 * value + stream.choice(2)
    return value


def delta(stream: Stream) -> int:
    value = 1
    for _ in range(gamma(stream) - 1):
        value = 2 * value + stream.choice(2)
    return value


def unzig(code: int) -> int:
    return code // 2 if code % 2 else -(code // 2)


def read_kind(stream: Stream) -> str:
    left, parts = list(KINDS), []
    while left and (not parts or stream.choice(2)):
        parts.append(left.pop(stream.choice(len(left)) if len(left) > 1 else 0))
    return "+".join(parts)


def read_header(stream: Stream, candidates: int) -> dict[str, object]:
    kind = read_kind(stream)
    index = stream.choice(65)
    dim = DIMS[index] if index < 64 else delta(stream)
    seed = delta(stream) - 1
    levels = 2 * gamma(stream) + 1
    index = stream.choice(65)
    step = index - 48 if index < 64 else unzig(delta(stream))
    input_size = 0
    if stream.choice(2):
        index = stream.choice(20)
        input_size = INPUT_SIZES[index] if index < 19 else delta(stream)
    head_seed = delta(stream) - 1
    head_scale = unzig(gamma(stream))
    rank = gamma(stream) if "lora" in kind.split("+") else 0
    modules = b""
    if "modules" in kind.split("+"):
        modules = bytes(stream.choice(256) for _ in range(gamma(stream) - 1))
    if candidates == 0:
        candidate = delta(stream) - 1
    else:
        candidate = stream.choice(candidates) if candidates > 1 else 0
    return {
        "kind": kind,
        "dim": dim,
        "seed": seed,
        "levels": levels,
        "step": step,
        "input_size": input_size,
        "head_seed": head_seed,
        "head_scale": head_scale,
        "rank": rank,
        "modules": modules.decode(),
        "candidate": candidate,
        "contexts": bool(stream.choice(2)),
        "adaptive_signs": bool(stream.choice(2)),
        "candidates": candidates,
    }


def read_short_header(stream: Stream, candidates: int, classes: int) -> dict[str, object]:
    if stream.choice(2):
        header: dict[str, object] = {"kind": "constant", "answer": stream.choice(classes), "dim": 1}
    else:
        features, k = stream.choice(16), COMPONENTS[stream.choice(16)]
        header = {"kind": "sparse", "features": features, "components": k, "dim": (classes - 1) * (k + 1)}
        header |= {"levels": (7, 15, 31, 63)[stream.choice(4)], "step": stream.choice(32) - 18}
        if stream.choice(2):
            index = stream.choice(20)
            header["input_size"] = INPUT_SIZES[index] if index < 19 else delta(stream)
    header["candidate"] = delta(stream) - 1 if candidates == 0 else 0
    if candidates > 1:
        header["candidate"] = stream.choice(candidates)
    if header["kind"] == "sparse":
        header |= {"contexts": bool(stream.choice(2)), "adaptive_signs": bool(stream.choice(2))}
    return header | {"candidates": candidates, "classes": classes}


def short_contexts(components: int, classes: int) -> list[int]:
    ranks = [min(max(rank.bit_length() - 3, 0), 6) for rank in range(1, components + 1)]
    return [*ranks, 7] * (classes - 1)


Model = tuple[int, ...]


def read_plane(stream: Stream, positions: Iterable[int], model_of: Callable[[int], Model]) -> dict[int, int]:
    decisions, made = [], {}
    for position in positions:
        model = model_of(position)
        rank = made.get(model, 0)
        made[model] = rank + 1
        block, start = 0, 0
        while start + max(1, start // 32) <= rank:
            start += max(1, start // 32)
            block += 1
        decisions.append((block, model, position))
    counts: dict[Model, tuple[int, int]] = {}
    frozen: dict[Model, tuple[int, tuple[int, int]]] = {}
    bits = {}
    for block, model, position in sorted(decisions):
        zeros, ones = counts.get(model, (0, 0))
        if frozen.get(model, (-1,))[0] != block:
            frozen[model] = (block, (zeros, ones))
        z, o = frozen[model][1]
        bit = bits[position] = stream.decision((2 * o + 1) / (2 * (z + o) + 2))
        counts[model] = (zeros + 1 - bit, ones + bit)
    return bits


def read_symbols(stream: Stream, header: dict[str, object], contexts: list[int]) -> list[int]:
    dim, maximum = int(str(header["dim"])), (int(str(header["levels"])) - 1) // 2
    context = contexts if header["contexts"] else [0] * dim
    nonzero = read_plane(stream, range(dim), lambda i: (context[i],))
    where = [i for i in range(dim) if nonzero[i]]
    if header["adaptive_signs"]:
        negative = read_plane(stream, where, lambda i: (context[i],))
    else:
        negative = {i: stream.decision(0.5) for i in where}
    length = dict.fromkeys(where, 1)
    for short in range(1, maximum.bit_length()):
        longer = read_plane(stream, [i for i in where if length[i] == short], lambda i: (context[i],))
        for i, bit in longer.items():
            length[i] += bit
    value = dict.fromkeys(where, 1)
    for depth in range(1, maximum.bit_length()):
        here = [i for i in where if length[i] > depth]
        free = [i for i in here if (2 * value[i] + 1) << (length[i] - 1 - depth) <= maximum]
        bits = read_plane(stream, free, lambda i: (context[i], length[i], value[i]))
        for i in here:
            value[i] = 2 * value[i] + bits.get(i, 0)
    return [(-value[i] if negative[i] else value[i]) if nonzero[i] else 0 for i in range(dim)]


@pytest.mark.parametrize(
    "header",
    [
        Header("hashed", 8),
        Header("film+kron", 500, seed=7, levels=7, step=-12),
        Header(
            "lora+modules", 600, rank=4, modules="attn.*é", input_size=96, contexts=True, adaptive_signs=True
        ),
        Header("head", 333, head_seed=2**63 - 1, head_scale=-3, candidate=4, candidates=9),
        Header("dense+lora+film", 777, rank=1024, step=-200, input_size=300, levels=41, contexts=True),
        Header("+".join(KINDS), 1000, rank=1, modules="*", levels=4095, head_scale=64, step=256),
        Header("kron-sum", 3000, adaptive_signs=True, seed=1),
        Header("film", 40, candidate=2**20 - 1, candidates=0),
    ],
    ids=lambda header: header.kind,
)
@pytest.mark.parametrize("density", [0.03, 0.4, 1.0])
def test_second_decoder_agrees(header: Header, density: float) -> None:
    stream = np.random.default_rng(header.dim)
    sizes = np.minimum(stream.geometric(0.2, header.dim), (header.levels - 1) // 2)
    symbols = np.where(stream.random(header.dim) < density, sizes * stream.choice([-1, 1], header.dim), 0)
    contexts = stream.integers(0, 5, header.dim)
    source = Stream(encode(header, symbols, contexts))
    read = read_header(source, header.candidates)
    assert Header(**read) == header  # type: ignore[arg-type]
    assert read_symbols(source, read, contexts.tolist()) == symbols.tolist()


@pytest.mark.parametrize(
    "header",
    [
        Header("sparse", 1, levels=7, classes=2),
        Header("sparse", 33 * 9, levels=15, features=5, components=32, classes=10, step=-18, contexts=True),
        Header("sparse", 513, levels=63, features=15, components=512, classes=2, input_size=300, step=13),
        Header(
            *("sparse", 2 * 101),
            levels=31,
            components=100,
            classes=3,
            input_size=224,
            contexts=True,
            adaptive_signs=True,
            candidates=0,
            candidate=70,
        ),
        Header("constant", 1, classes=2, answer=1),
        Header("constant", 1, classes=1000, answer=17, candidates=6, candidate=3),
    ],
    ids=lambda header: f"{header.kind}-{header.dim}",
)
@pytest.mark.parametrize("density", [0.03, 0.4, 1.0])
def test_second_decoder_agrees_on_version_3(header: Header, density: float) -> None:
    stream = np.random.default_rng(header.dim)
    sizes = np.minimum(stream.geometric(0.2, header.dim), (header.levels - 1) // 2)
    symbols = np.where(stream.random(header.dim) < density, sizes * stream.choice([-1, 1], header.dim), 0)
    if header.kind == "constant":
        symbols = np.zeros(1, dtype=np.int64)
    contexts = short_contexts(header.components, header.classes)
    source = Stream(encode(header, symbols, np.array(contexts) if header.kind == "sparse" else None))
    assert source.version == 3
    read = read_short_header(source, header.candidates, header.classes)
    assert Header(**read) == header  # type: ignore[arg-type]
    if header.kind == "sparse":
        assert read_symbols(source, read, contexts) == symbols.tolist()

"""Messages as bytes: they round-trip, are canonical, and are about as long as their ideal cost."""

import hashlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transferbound.errors import ArgumentError, MessageError
from transferbound.message import KINDS, OPEN_LIST, Header, message_bits
from transferbound.message.stream import MAGIC, MAX_BYTES, decode, decode_header, encode


def draw(seed: int, dim: int, levels: int, density: float) -> np.ndarray:
    stream = np.random.default_rng(seed)
    sizes = stream.integers(1, (levels - 1) // 2 + 1, dim)
    return np.where(stream.random(dim) < density, sizes * stream.choice([-1, 1], dim), 0)


@st.composite
def headers(draw_from: st.DrawFn) -> Header:
    kinds = draw_from(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True))
    candidates = draw_from(st.integers(0, 50))
    seeds = st.one_of(st.integers(0, 5), st.integers(0, 2**63 - 1))
    return Header(
        kind="+".join(kinds),
        dim=draw_from(st.integers(1, 300)),
        seed=draw_from(seeds),
        levels=2 * draw_from(st.one_of(st.integers(1, 8), st.integers(1, 2047))) + 1,
        step=draw_from(st.integers(-256, 256)),
        input_size=draw_from(st.sampled_from([0, 1, 28, 224, 300, 2**16])),
        head_seed=draw_from(seeds),
        head_scale=draw_from(st.integers(-64, 64)),
        rank=draw_from(st.integers(1, 1024)) if "lora" in kinds else 0,
        modules=draw_from(st.text(min_size=1, max_size=40)) if "modules" in kinds else "",
        candidate=draw_from(st.integers(0, (candidates or 2**20) - 1)),
        contexts=draw_from(st.booleans()),
        adaptive_signs=draw_from(st.booleans()),
        candidates=candidates,
    )


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(headers(), st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.5, 1.0]), st.integers(1, 400))
def test_round_trip(header: Header, seed: int, density: float, spread: int) -> None:
    symbols = draw(seed, header.dim, header.levels, density)
    contexts = np.random.default_rng(seed).integers(0, spread, header.dim)
    data = encode(header, symbols, contexts)
    decoded, read = decode(data, candidates=header.candidates, contexts=lambda h: contexts)
    assert decoded == header
    assert read.dtype == np.int64
    assert (read == symbols).all()
    assert decode_header(data, header.candidates) == header
    ideal = message_bits(header, symbols, contexts)
    assert ideal - 0.05 <= 8 * (len(data) - len(MAGIC)) <= 1.01 * ideal + 16


@pytest.mark.parametrize("dim", [1, 7, 500, 5000, 2**18])
@pytest.mark.parametrize(("levels", "density"), [(3, 0.0), (3, 0.01), (3, 0.67), (7, 0.5), (255, 1.0)])
def test_file_is_about_as_long_as_its_ideal_cost(dim: int, levels: int, density: float) -> None:
    header = Header("hashed", dim, levels=levels)
    symbols = draw(dim, dim, levels, density)
    file_bits, ideal = 8 * len(encode(header, symbols)), message_bits(header, symbols)
    # Probabilities of 24 bits on a range of at least 32: runs of near-certain decisions waste some bits.
    assert ideal - 0.05 <= file_bits - 8 * len(MAGIC) <= ideal * 1.002 + 24


def test_thousands_of_streams_end_where_they_should() -> None:
    """The tail is trimmed by arithmetic on the coder's state; carries across words are rare and must work."""
    for seed in range(1500):
        dim = seed % 60 + 1
        symbols = draw(seed, dim, 3, 0.5)
        header = Header("film", dim, seed=seed)
        decoded, read = decode(encode(header, symbols))
        assert decoded == header
        assert (read == symbols).all()


def golden_messages() -> list[tuple[Header, np.ndarray, np.ndarray | None]]:
    pattern = np.arange(600) * np.arange(600) % 37
    ternary = np.where(pattern < 5, 1, np.where(pattern > 30, -1, 0))
    return [
        (Header("hashed", 8), np.array([0, 0, 1, 0, -1, 0, 0, 0]), None),
        (Header("film+kron", 500, seed=7, levels=7, step=-12), pattern[:500] % 7 - 3, None),
        (
            Header(
                "lora+modules",
                600,
                rank=4,
                modules="attn.*",
                input_size=96,
                contexts=True,
                adaptive_signs=True,
            ),
            ternary,
            np.arange(600) // 200,
        ),
        (
            Header("head", 333, head_seed=2**63 - 1, head_scale=-3, candidate=4, candidates=9),
            ternary[:333],
            None,
        ),
    ]


def test_bytes_never_change() -> None:
    """The format is frozen: new bytes for an old message make old certificates unreadable."""
    found = [
        (encode(header, symbols, contexts), message_bits(header, symbols, contexts))
        for header, symbols, contexts in golden_messages()
    ]
    assert found[0][0].hex() == "5442016fc9177d1fef"
    assert [(len(data), hashlib.sha256(data).hexdigest()[:16], bits) for data, bits in found] == [
        (9, "62b8576106f0034f", 41.415388),
        (185, "96c8173479c64df3", 1447.75918),
        (114, "7fa2e982ce21b2e4", 885.10449),
        (73, "546eb42a0e7827b7", 553.119325),
    ]


def example() -> tuple[Header, np.ndarray, bytes]:
    header = Header("film+kron", 500, seed=3)
    symbols = draw(0, 500, 3, 0.2)
    return header, symbols, encode(header, symbols)


def test_every_truncation_is_refused() -> None:
    _, _, data = example()
    for size in range(len(data)):
        with pytest.raises(MessageError):
            decode(data[:size])


@pytest.mark.parametrize("tail", [b"\0", b"\xff", b"\0" * 100, b"TB\x01", b"\x80" * 5000])
def test_growth_is_refused(tail: bytes) -> None:
    _, _, data = example()
    with pytest.raises(MessageError, match=f"{len(tail)} bytes after its end"):
        decode(data + tail)


def test_every_bit_flip_changes_the_message_or_is_refused() -> None:
    header, symbols, data = example()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            other, read = decode(bytes(flipped))
        except MessageError:
            continue
        assert other != header or not np.array_equal(read, symbols)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "begins with b''"),
        (b"PK\x03\x04", "not a transferbound message"),
        (b"TB\x02abc", "not with"),
        (MAGIC + bytes(MAX_BYTES), "at most"),
        (MAGIC, "exceeds its limit"),
    ],
)
def test_what_is_not_a_message_is_named(data: bytes, named: str) -> None:
    with pytest.raises(MessageError, match=named):
        decode(data)


def test_dim_is_checked_before_symbols_are_read() -> None:
    data = encode(Header("hashed", 5000), np.zeros(5000, int))
    with pytest.raises(MessageError, match="5000 coordinates; at most 4999"):
        decode(data, max_dim=4999)
    assert decode_header(data).dim == 5000


def test_candidates_are_a_constant_of_the_decoder() -> None:
    header = Header("head", 40, candidate=2, candidates=5)
    symbols = draw(1, 40, 3, 0.5)
    data = encode(header, symbols)
    assert decode(data, candidates=5)[0] == header
    for constant in (7, OPEN_LIST):
        try:  # read under another constant it is another message or none, never the same
            other = decode(data, candidates=constant)
        except MessageError:
            pass
        else:
            assert other[0] != header
    for wrong in (-1, 2**20 + 1, 1.0, True):
        with pytest.raises(ArgumentError, match="candidates"):
            decode(data, candidates=wrong)  # type: ignore[arg-type]


def test_contexts_come_from_the_header() -> None:
    header = Header("film", 100, contexts=True)
    symbols = draw(1, 100, 3, 0.5)
    contexts = np.arange(100) // 30
    data = encode(header, symbols, contexts)
    seen = []
    decoded = decode(data, contexts=lambda h: seen.append(h) or contexts)
    assert seen == [header]
    assert (decoded[1] == symbols).all()
    for absent in (None, lambda h: None):
        with pytest.raises(MessageError, match="uses contexts"):
            decode(data, contexts=absent)
    with pytest.raises(ArgumentError, match="no contexts are given"):
        encode(header, symbols)
    with pytest.raises(ArgumentError, match="give 100 integers"):
        encode(header, symbols, contexts[:-1])


def test_what_cannot_be_encoded_is_named() -> None:
    with pytest.raises(ArgumentError, match="3 symbols for a header of dim 4"):
        encode(Header("hashed", 4), [0, 1, 0])
    with pytest.raises(ArgumentError, match="3 levels"):
        encode(Header("hashed", 2), [0, 2])
    with pytest.raises(ArgumentError, match="float64"):
        encode(Header("hashed", 2), [0.0, 1.0])
    with pytest.raises(ArgumentError, match="bytes"):
        encode(Header("hashed", 2**20, levels=4095), draw(0, 2**20, 4095, 1.0))


def test_a_second_spelling_of_a_message_is_refused() -> None:
    """d = 500 has an index in the declared list; the escape's spelling of 500 must not decode."""
    from transferbound.message import header as header_module
    from transferbound.message.field_codes import Listed

    class Escaped(Listed):
        def write(self, value: int) -> list[tuple[int, int]]:
            return [(len(self.values), len(self.values) + 1), *self.other.write(value)]

    honest = header_module._DIM_CODE
    symbols = draw(2, 500, 3, 0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(header_module, "_DIM_CODE", Escaped(honest.values, honest.other, honest.noun))
        spelled = encode(Header("hashed", 500), symbols)
    assert decode_header(spelled) == Header("hashed", 500)
    with pytest.raises(MessageError, match="canonical"):
        decode(spelled)

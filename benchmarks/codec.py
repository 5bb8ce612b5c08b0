"""Bits and seconds of the codec, against the symbols' entropy and the 2022 paper's own code.

Run: python benchmarks/codec.py
"""

from __future__ import annotations

import time

import numpy as np

from transferbound.message import Header, empirical_entropy_bits, message_bits
from transferbound.message.paper_code import paper_bits
from transferbound.message.stream import MAGIC, decode, encode

CASES = [(500, 3, 0.2), (500, 3, 0.5), (3000, 7, 0.6), (5000, 3, 0.05), (20_000, 3, 0.02), (2**20, 3, 0.02)]


def draw(dim: int, levels: int, density: float) -> np.ndarray:
    """(dim,) symmetric integers, a share ``density`` of them not zero, larger ones rarer."""
    stream = np.random.default_rng(dim)
    sizes = np.minimum(stream.geometric(0.6, dim), (levels - 1) // 2)
    return np.where(stream.random(dim) < density, sizes * stream.choice([-1, 1], dim), 0)


def main() -> None:
    print("       d   L  density   entropy     ideal      file     paper  encode s  decode s")
    for dim, levels, density in CASES:
        symbols = draw(dim, levels, density)
        header = Header("hashed", dim, levels=levels)
        start = time.perf_counter()
        data = encode(header, symbols)
        middle = time.perf_counter()
        decode(data)
        end = time.perf_counter()
        file_bits = 8 * len(data)
        print(
            f"{dim:8d} {levels:3d} {density:8.2f} {empirical_entropy_bits(symbols):9.1f}"
            f" {message_bits(header, symbols):9.1f} {file_bits:9d} {paper_bits(symbols, levels):9.1f}"
            f" {middle - start:9.4f} {end - middle:9.4f}"
        )
    print(f"file bits include the {8 * len(MAGIC)} of the format's prefix; ideal bits include the header")


if __name__ == "__main__":
    main()

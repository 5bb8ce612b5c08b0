"""The one place that defines the prior over messages: what a header holds and what each choice costs."""

from transferbound.message.costs import (
    Cost,
    cheapest,
    empirical_entropy_bits,
    format_costs,
    header_bits,
    header_costs,
    itemize,
    message_bits,
    symbol_bits,
)
from transferbound.message.header import (
    DIMS,
    INPUT_SIZES,
    KINDS,
    MAX_DIM,
    MAX_LEVELS,
    MAX_SEED,
    OPEN_LIST,
    Header,
    step_size,
)

__all__ = [
    "DIMS",
    "INPUT_SIZES",
    "KINDS",
    "MAX_DIM",
    "MAX_LEVELS",
    "MAX_SEED",
    "OPEN_LIST",
    "Cost",
    "Header",
    "cheapest",
    "empirical_entropy_bits",
    "format_costs",
    "header_bits",
    "header_costs",
    "itemize",
    "message_bits",
    "step_size",
    "symbol_bits",
]

"""Every bound of one certificate at once."""

from __future__ import annotations

from transferbound.bounds._checks import check_count, check_n
from transferbound.bounds.binomial import occam_binomial
from transferbound.bounds.occam import hoeffding, occam_kl
from transferbound.bounds.pac_bayes import catoni, mcallester, pac_bayes_kl


def all_bounds(errors: int, n: int, bits: float, delta: float) -> dict[str, float]:
    """Every bound on the error for one count, by name; arguments as :func:`occam_binomial`, scalars only.

    Each holds with probability at least 1 - delta on its own; ``occam_binomial`` is the headline. It is the
    smallest by construction, so nothing is chosen after the fact.
    """
    n = check_n(n)
    errors = check_count("errors", errors, 0, n)
    risk = errors / n
    return {
        "occam_binomial": occam_binomial(errors, n, bits, delta),
        "occam_kl": occam_kl(risk, n, bits, delta),
        "catoni": catoni(risk, n, bits, delta),
        "pac_bayes_kl": pac_bayes_kl(risk, n, bits, delta),
        "mcallester": mcallester(risk, n, bits, delta),
        "hoeffding": hoeffding(risk, n, bits, delta),
    }

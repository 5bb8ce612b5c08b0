"""A plan in a few lines of text."""

from __future__ import annotations

from transferbound.plan import Plan, Sweep
from transferbound.wording import confidence_text, percent, percent_up

__all__ = ["plan_text", "sweep_text"]


def plan_text(plan: Plan) -> str:
    """What a plan says, for a terminal."""
    lines = [
        f"bound               {percent_up(plan.risk_bound)} with {confidence_text(plan.confidence)} confidence",
        f"from                n = {plan.n:,}, train error {percent(plan.train_error)}, {plan.bits:,.0f} bits",
    ]
    lines += [
        f"  {name:<18}{percent_up(value)}" for name, value in plan.bounds.items() if name != "occam_binomial"
    ]
    for held in plan.holdouts:
        even = "never" if held.break_even_bits is None else f"below {held.break_even_bits:.0f} bits"
        lines.append(
            f"held out {100 * held.share:>3.0f} %        {percent_up(held.bound)} from {held.m:,} examples; "
            f"the compression bound is smaller {even}"
        )
    if plan.target is not None:
        bits = (
            "no message, however short"
            if plan.bits_allowed is None
            else f"at most {plan.bits_allowed:,.0f} bits"
        )
        n = "no n" if plan.n_needed is None else f"n of at least {plan.n_needed:,}"
        lines.append(f"for {percent(plan.target):<16}{bits} at this n, or {n} with these bits")
    return "\n".join(lines)


def sweep_text(sweep: Sweep) -> str:
    """A table of bounds: a row for each n, a column for each message size."""
    head = ["n \\ bits", *(f"{bits:,.0f}" for bits in sweep.bits), "held out 10 %"]
    rows = [
        [f"{n:,}", *(percent_up(float(bound)) for bound in bounds), percent_up(float(held))]
        for n, bounds, held in zip(sweep.n, sweep.bounds, sweep.holdout_tenth, strict=True)
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]
    )

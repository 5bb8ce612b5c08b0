"""Leaks in the bounds: something that they do not pay, a tail that underflows, numbers rounded the wrong way."""

from product_leaks.control import Control, tests_in

__all__ = ["BOUNDS"]

_CHECKS = "transferbound/bounds/_checks.py"
_BINOMIAL = "transferbound/bounds/binomial.py"
_NATS = "return bits * math.log(2.0) - math.log(delta)"

BOUNDS = (
    Control(
        name="bits-cost-nothing",
        trap="4: every bound is as if one message alone had been tried",
        file=_CHECKS,
        old=_NATS,
        new="return -math.log(delta)",
        tests=(
            *tests_in("test_guarantee.py", "test_bound_holds_when_the_rule_is_kept"),
            *tests_in("test_language_guarantee.py", "test_a_statement_holds_when_the_rule_is_kept[honest]"),
            *tests_in("bounds/test_bounds.py", "test_published_row_of_cifar10_from_imagenet"),
            *tests_in("bounds/test_bounds_precision.py", "test_published_row_in_arbitrary_precision"),
        ),
    ),
    Control(
        name="bounds-say-nothing",
        trap="the simulation: with a bound of one, no broken rule would ever show",
        file=_CHECKS,
        old=_NATS,
        new="return 1e9",
        tests=(
            *tests_in("test_guarantee.py", "test_bound_fails_when_the_rule_is_broken"),
            *tests_in(
                "test_language_guarantee.py", "test_a_statement_fails_when_the_rule_is_broken[bits_unpaid]"
            ),
        ),
    ),
    Control(
        name="the-tail-underflows",
        trap="10: a tail inverted where its logarithm has become -inf",
        file=_BINOMIAL,
        old="    if k >= n:\n        return 1.0\n    relaxed",
        new=(
            "    if k >= n:\n        return 1.0\n"
            "    if 745.0 < budget < 1e5 and k:\n        return k / n + 0.5 * (1 - k / n) / 10\n    relaxed"
        ),
        tests=(
            *tests_in(
                "bounds/test_bounds.py",
                "test_published_row_of_cifar10_from_imagenet",
                "test_no_underflow_where_scipy_has_none_left",
            ),
            *tests_in("bounds/test_bounds_precision.py", "test_inverse_on_a_grid"),
            *tests_in("test_guarantee.py", "test_bound_holds_when_the_rule_is_kept[memorizer]"),
        ),
    ),
    Control(
        name="bounds-are-rounded-down",
        trap="10: numbers rounded to the nearest, or inward",
        file="transferbound/bounds/_kl.py",
        old="        p = math.nextafter(p, 1.0)\n",
        new="        p = math.nextafter(p * (1.0 - 1e-12), 0.0)\n",
        tests=tests_in(
            "bounds/test_bounds_precision.py", "test_inverse_on_a_grid", "test_kl_inverse_on_a_grid"
        ),
    ),
    Control(
        name="lambda-is-tuned-for-nothing",
        trap="12: Catoni's form with its lambda chosen on the data and no union over it",
        file="transferbound/bounds/pac_bayes.py",
        old="(budget + 2.0 * math.log(2.0 + log_lambda / log_alpha))",
        new="budget",
        tests=tests_in(
            "bounds/test_bounds.py",
            "test_catoni_pays_for_its_lambda",
            "test_published_row_of_cifar10_from_imagenet",
        ),
    ),
    Control(
        name="the-bet-is-chosen-for-nothing",
        trap="12: the best of many bets, picked after the fact",
        file="transferbound/bounds/betting.py",
        old="log_prior = -math.log(len(bets))",
        new="log_prior = 0.0",
        tests=(
            *tests_in(
                "bounds/test_bounds_real.py", "test_betting_pays_for_choosing_the_bet", "test_betting_edges"
            ),
        ),
    ),
    Control(
        name="the-form-is-chosen-for-nothing",
        trap="12: the smaller of two bounds, each at the whole of delta",
        file="transferbound/bounds/betting.py",
        old="bits = check_bits(bits) + 1.0",
        new="bits = check_bits(bits)",
        tests=tests_in("bounds/test_bounds_real.py", "test_choice_between_the_two_forms_costs_a_bit"),
    ),
    Control(
        name="alpha-is-chosen-for-nothing",
        trap="12: the best smoothing of a list that is not paid",
        file="transferbound/bounds/smoothing.py",
        old="choice_bits = math.log2(len(alphas))",
        new="choice_bits = 0.0",
        tests=tests_in("bounds/test_bounds_real.py", "test_choice_of_alpha_is_paid"),
    ),
    Control(
        name="delta-is-spent-twice",
        trap="12: two steps, each of which may fail with the whole of delta",
        file="transferbound/bounds/subsample.py",
        old="total = population_errors(errors, m, n, share * delta)",
        new="total = population_errors(errors, m, n, delta)",
        tests=tests_in("bounds/test_bounds_real.py", "test_subsample_spends_delta_once"),
    ),
)

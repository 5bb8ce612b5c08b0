"""Leaks in the bounds for language models: what a mixture, a chain, padding or a pool does not pay."""

from product_leaks.control import Control, tests_in

__all__ = ["LANGUAGE"]

_EXCESS = "transferbound/bounds/excess.py"
_MIXTURE = "transferbound/bounds/mixture.py"
_ONE_SIDED = "transferbound/bounds/one_sided.py"
_POOL = "transferbound/bounds/pool.py"
_TOKENS = "transferbound/bounds/_tokens.py"
_SMOOTHED = "transferbound/bounds/token_smoothing.py"
_ROOT = "test_it_is_the_root_in_arbitrary_precision"

LANGUAGE = (
    Control(
        name="the-one-sided-bet-is-chosen-for-nothing",
        trap="12: the best of many bets on a mean with one limit, picked after the fact",
        file=_ONE_SIDED,
        old=" + math.log(len(self.bets)) + 1e-12",
        new=" + 1e-12",
        tests=tests_in("bounds/test_one_sided.py", _ROOT, "test_it_is_the_root_anywhere"),
    ),
    Control(
        name="a-lower-bound-is-rounded-up",
        trap="10: numbers rounded to the nearest, or inward",
        file=_ONE_SIDED,
        old="return max(0.0, math.nextafter(math.ldexp(g, exponent), -math.inf))",
        new="return math.ldexp(g, exponent) * (1.0 + 1e-9)",
        tests=tests_in("bounds/test_one_sided.py", _ROOT),
    ),
    Control(
        name="many-values-are-rounded-up",
        trap="10: the quick search over rounded values gives more than the values themselves do",
        file=_ONE_SIDED,
        old="np.floor(parts * 1024.0)",
        new="np.ceil(parts * 1024.0)",
        tests=tests_in(
            "bounds/test_one_sided.py", "test_it_is_the_root_where_the_search_is_done_on_fewer_values"
        ),
    ),
    Control(
        name="bets-are-taken-from-the-data",
        trap="12: bets that are taken from the data, not fixed before it",
        file=_ONE_SIDED,
        old="        self.bets = _bets(len(values), budget)\n",
        new=(
            "        shortfall = 1.0 - values.mean() / (values.mean() + values.std() + 1e-300)\n"
            "        self.bets = np.array([min(0.999, math.sqrt(2 * budget / len(values)) / (shortfall + 1e-9))])\n"
        ),
        tests=tests_in("bounds/test_one_sided.py", _ROOT),
    ),
    Control(
        name="each-level-spends-all-of-delta",
        trap="12: prior, excess and levels, each of which may fail with the whole of delta",
        file=_EXCESS,
        old="(1.0 - share) * delta / count",
        new="delta",
        tests=tests_in(
            "bounds/test_excess.py",
            "test_delta_is_split_and_the_bits_are_paid_once",
            "test_a_chain_of_one_is_the_excess_and_levels_share_delta",
        ),
    ),
    Control(
        name="a-level-pays-its-own-bits-alone",
        trap="4: what the last level needs of the levels before is in no price",
        file=_EXCESS,
        old="if any(later < earlier for",
        new="if all(later < 0.0 * earlier for",
        tests=tests_in("bounds/test_excess.py", "test_fewer_bits_are_not_those_of_all_messages_so_far"),
    ),
    Control(
        name="the-better-of-two-predictions-is-free",
        trap="1: each token by whichever of model and prior did better on it: no distribution",
        file=_MIXTURE,
        old="here = np.logaddexp2(model_share + model[:, t], prior_share + prior[:, t])",
        new="here = np.maximum(model[:, t], prior[:, t])",
        tests=tests_in(
            "bounds/test_mixture.py",
            "test_it_is_a_distribution_at_every_token",
            "test_it_is_the_sum_over_paths_in_arbitrary_precision",
            "test_tokens_multiply_to_the_sequence",
        ),
    ),
    Control(
        name="weights-know-the-token-they-weigh",
        trap="1: the running odds include the token that is to be predicted",
        file=_MIXTURE,
        old="            yield t, model_share, prior_share\n",
        new=(
            "            seen = np.logaddexp2(model_share + model[:, t], prior_share + prior[:, t])\n"
            "            yield t, model_share + model[:, t] - seen, prior_share + prior[:, t] - seen\n"
        ),
        tests=tests_in(
            "bounds/test_mixture.py",
            "test_weights_know_the_past_alone",
            "test_it_is_a_distribution_at_every_token",
        ),
    ),
    Control(
        name="the-top-is-that-of-the-longest-document",
        trap="8: documents of unlike length, and a limit that short ones exceed",
        file=_MIXTURE,
        old="return max(ends) * _UP",
        new="return min(ends) * _UP",
        tests=tests_in(
            "bounds/test_mixture.py", "test_tops", "test_the_excess_stays_under_the_top_however_bad_the_model"
        ),
    ),
    Control(
        name="the-floor-of-the-prior-costs-nothing",
        trap="a limit of the prior's loss that the loss can exceed",
        file=_MIXTURE,
        old="(math.log2(vocabulary) + Mixture(weight).top(shortest)) * _UP",
        new="math.log2(vocabulary) * _UP",
        tests=tests_in("bounds/test_mixture.py", "test_a_floored_prior_has_a_largest_loss_and_costs_little"),
    ),
    Control(
        name="padding-counts-as-tokens",
        trap="8: documents divided by the length that they were padded to",
        file=_TOKENS,
        old="return np.asarray(-array.sum(axis=1) / ends)",
        new="return np.asarray(-array.sum(axis=1) / array.shape[1])",
        tests=tests_in("bounds/test_mixture.py", "test_padding_counts_nowhere"),
    ),
    Control(
        name="padding-is-part-of-a-document",
        trap="8: what stands behind a document's end is scored",
        file=_TOKENS,
        old="    array[np.arange(array.shape[1]) >= ends[:, None]] = 0.0\n",
        new="    array = np.nan_to_num(array, nan=-1.0)\n",
        tests=tests_in("bounds/test_mixture.py", "test_padding_counts_nowhere"),
    ),
    Control(
        name="smoothing-of-tokens-is-chosen-for-nothing",
        trap="12: the best smoothing of a list that is not paid",
        file=_SMOOTHED,
        old="choice_bits = math.log2(len(alphas))",
        new="choice_bits = 0.0",
        tests=tests_in("bounds/test_excess.py", "test_the_literatures_forms_are_their_formulas"),
    ),
    Control(
        name="what-was-not-drawn-is-like-what-was",
        trap="the mean of the drawn units taken for a limit of the pool's",
        file=_POOL,
        old="math.fsum(array) / size * (1.0 - _SLACK)",
        new="math.fsum(array) / len(array)",
        tests=tests_in(
            "bounds/test_pool.py",
            "test_failures_over_all_subsets",
            "test_the_bound_is_that_of_independent_units_or_what_is_certain",
        ),
    ),
    Control(
        name="the-rest-of-a-pool-is-like-the-pool",
        trap="a bound on the pool stated of what was not drawn from it",
        file=_POOL,
        old="return math.nextafter((math.fsum([size * bound, *(-array)]) + spread) / left, math.inf)",
        new="return bound + 0.0 * (spread + left)",
        tests=tests_in("bounds/test_pool.py", "test_the_rest_is_what_the_pool_leaves"),
    ),
)

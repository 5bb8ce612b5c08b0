"""Leaks in the account and the format of messages: choices that are not paid, bytes that say a thing twice."""

from product_leaks.control import Control, tests_in

__all__ = ["MESSAGE"]

_COSTS = "transferbound/message/costs.py"
_SYMBOLS = "transferbound/message/symbols.py"
_STREAM = "transferbound/message/stream.py"
_PAID = "bits = _round_up(choice_bits(code.write(known[name])))"
_VERSION_PAID = "bits = _round_up(VERSION_BITS[header.version])"

MESSAGE = (
    Control(
        name="seeds-are-not-charged",
        trap="4: the best of many seeds, of P or of the head, for nothing",
        file=_COSTS,
        old=_PAID,
        new=f'{_PAID} if "seed" not in name else 0.0',
        tests=(
            *tests_in(
                "leaks/test_leaks.py",
                "test_a_seeded_head_is_charged",
                "test_each_choice_of_the_decoder_costs_bits",
            ),
            *tests_in(
                "message/test_accounting.py",
                "test_default_header_is_cheap_and_every_choice_costs_more",
                "test_declared_costs",
            ),
            *tests_in(
                "message/test_kraft.py",
                "test_all_messages_of_a_small_format",
                "test_all_messages_of_a_corner_of_the_real_format",
                "test_header_masses_of_the_real_format",
            ),
        ),
    ),
    Control(
        name="variants-are-not-charged",
        trap="4: one of several checkpoints or settings of the decoder, for nothing",
        file=_COSTS,
        old=_PAID,
        new=f'{_PAID} if name != "candidate" else 0.0',
        tests=(
            *tests_in("leaks/test_leaks.py", "test_declared_variants_are_charged"),
            *tests_in("message/test_variants.py", "test_the_header_pays_for_the_grid"),
            *tests_in("message/test_kraft.py", "test_all_messages_of_a_small_format"),
        ),
    ),
    Control(
        name="a-growing-list-pays-its-present-length",
        trap="16: a list made longer after results were seen, at the price of the entries that it had",
        file="transferbound/message/field_codes.py",
        old="return EliasDelta(self.maximum).write(value + 1)",
        new="return Uniform(value + 1).write(value)",
        tests=(
            *tests_in(
                "message/test_kraft.py",
                "test_places_of_a_list_that_may_grow_are_a_prior_however_long_it_gets",
            ),
            *tests_in("message/test_variants.py", "test_a_list_that_grows_changes_no_earlier_message"),
        ),
    ),
    Control(
        name="a-list-widened-after-results-is-not-said",
        trap="16: variants that were chosen after results were seen, on a certificate that is silent about it",
        file="transferbound/certificate/assumptions.py",
        old='    if list_written == "after":\n',
        new="    if False:\n",
        tests=tests_in(
            "certificate/test_assumptions.py",
            "test_who_chose_what_and_when[1-after-was chosen after results of others on this data were seen]",
            "test_a_list_widened_after_results_is_a_warning_that_cannot_be_taken_away",
        ),
    ),
    Control(
        name="version-2-is-not-charged",
        trap="4: kinds of subspace that came later take mass that the first ones hold",
        file=_COSTS,
        old=_VERSION_PAID,
        new=f"{_VERSION_PAID} if header.version != 2 else 0.0",
        tests=tests_in(
            "message/test_kinds.py",
            "test_messages_of_version_2",
            "test_a_version_left_unpaid_breaks_the_prior",
        ),
    ),
    Control(
        name="version-3-is-not-charged",
        trap="4: kinds with short headers take mass that the others hold",
        file=_COSTS,
        old=_VERSION_PAID,
        new=f"{_VERSION_PAID} if header.version != 3 else 0.0",
        tests=tests_in(
            "message/test_short_codes.py",
            "test_masses_by_the_account",
            "test_all_messages_of_a_corner_of_the_format",
            "test_a_constant_costs_little",
        ),
    ),
    Control(
        name="later-versions-have-all-the-mass-each",
        trap="bogus mass of versions: what version 1 leaves is given away twice",
        file="transferbound/message/kinds.py",
        old="2: -math.log2(_FREE / 16), 3: -math.log2(_FREE * 15 / 16)",
        new="2: -math.log2(_FREE), 3: -math.log2(_FREE)",
        tests=(
            *tests_in(
                "message/test_kinds.py",
                "test_later_versions_share_the_mass_that_version_1_leaves",
                "test_a_version_left_unpaid_breaks_the_prior",
            ),
            *tests_in("message/test_short_codes.py", "test_masses_by_the_account"),
        ),
    ),
    Control(
        name="features-are-not-charged",
        trap="4: the best of many depths to look at, for nothing",
        file=_COSTS,
        old=_PAID,
        new=f'{_PAID} if name != "features" else 0.0',
        tests=tests_in(
            "message/test_short_codes.py",
            "test_masses_by_the_account",
            "test_declared_costs[features-0-4]",
        ),
    ),
    Control(
        name="components-are-not-charged",
        trap="4: the best of many numbers of components, for nothing",
        file=_COSTS,
        old=_PAID,
        new=f'{_PAID} if name != "components" else 0.0',
        tests=tests_in(
            "message/test_short_codes.py",
            "test_masses_by_the_account",
            "test_declared_costs[components-512-4]",
        ),
    ),
    Control(
        name="answers-are-not-charged",
        trap="4: the best of all constant answers, for nothing",
        file=_COSTS,
        old=_PAID,
        new=f'{_PAID} if name != "answer" else 0.0',
        tests=tests_in(
            "message/test_short_codes.py",
            "test_masses_by_the_account",
            "test_a_constant_costs_little",
        ),
    ),
    Control(
        name="pilots-pay-no-header",
        trap="4: a search that tells the candidates apart as if their headers cost nothing",
        file="transferbound/certification/pilots.py",
        old="bits = message_bits(coded, integers, contexts)",
        new="bits = message_bits(replace(coded, seed=0), integers, contexts)",
        tests=tests_in("certification/test_search.py", "test_a_pilots_bits_hold_the_header"),
    ),
    Control(
        name="slack-hides-an-uncharged-field",
        trap="4: an account so loose that leaving a field out does not show",
        file=_COSTS,
        old="    bits = symbol_bits(array, header.levels, used, adaptive_signs=header.adaptive_signs)\n",
        new="    bits = 8.0 + symbol_bits(array, header.levels, used, adaptive_signs=header.adaptive_signs)\n",
        tests=tests_in(
            "message/test_kraft.py",
            "test_a_field_left_uncharged_breaks_the_prior",
            "test_the_account_itself_with_a_leak",
            "test_all_messages_of_a_small_format",
        ),
    ),
    Control(
        name="bits-are-subtracted",
        trap="4: a few bits are taken off for a symmetry that the code never paid for",
        file=_COSTS,
        old="    return _total(itemize(header, symbols, contexts))",
        new="    return _total(itemize(header, symbols, contexts)) - 2.0",
        tests=(
            *tests_in("message/test_kraft.py", "test_all_messages_of_a_small_format"),
            *tests_in("message/test_accounting.py", "test_items_sum_to_message_bits"),
            *tests_in("message/test_codec.py", "test_bytes_never_change"),
        ),
    ),
    Control(
        name="signs-are-free",
        trap="bogus mass of symbols: their masses sum to more than one",
        file=_SYMBOLS,
        old="coder.cost(float(len(where)))",
        new="coder.cost(0.0)",
        tests=(
            *tests_in(
                "message/test_kraft.py",
                "test_symbol_masses_sum_to_one",
                "test_symbol_masses_sum_to_one_with_long_blocks",
                "test_all_messages_of_a_small_format",
            ),
            *tests_in("message/test_accounting.py", "test_symbol_bits_agree_with_exact_reference"),
            *tests_in("message/test_codec.py", "test_file_is_about_as_long_as_its_ideal_cost"),
        ),
    ),
    Control(
        name="symbols-are-priced-in-hindsight",
        trap="bogus mass of symbols: a probability that has seen what it predicts (an entropy, not a code)",
        file=_SYMBOLS,
        old="        one, denominator = 2 * ones + 1, 2 * start + 2\n",
        new="        one, denominator = 2 * int(given.sum()) + 1, 2 * count + 2\n",
        tests=(
            *tests_in("message/test_kraft.py", "test_symbol_masses_sum_to_one"),
            *tests_in("message/test_accounting.py", "test_short_strings_have_exact_krichevsky_trofimov_mass"),
        ),
    ),
    Control(
        name="an-escape-is-free",
        trap="bogus mass of a field: values off the list cost what they would without one",
        file="transferbound/message/field_codes.py",
        old="return [(size - 1, size), *self.other.write(value)]",
        new="return self.other.write(value)",
        tests=tests_in(
            "message/test_kraft.py",
            "test_field_codes_are_prefix_codes",
            "test_field_codes_over_their_whole_range",
        ),
    ),
    Control(
        name="a-length-is-free",
        trap="bogus mass of integers: an integer's bits without its length",
        file="transferbound/message/field_codes.py",
        old="return EliasGamma(self.maximum.bit_length()).write(length) + _binary(value, length - 1)",
        new="return _binary(value, length - 1)",
        tests=tests_in("message/test_kraft.py", "test_integer_codes_over_their_whole_range"),
    ),
    Control(
        name="probabilities-have-changed",
        trap="a frozen format: old messages decode to something else",
        file=_SYMBOLS,
        old="        one, denominator = 2 * ones + 1, 2 * start + 2\n",
        new="        one, denominator = ones + 1, start + 2\n",
        tests=(
            *tests_in("message/test_codec.py", "test_bytes_never_change"),
            *tests_in("message/test_message_format.py", "test_second_decoder_agrees"),
        ),
    ),
    Control(
        name="other-spellings-are-read",
        trap="side information: many byte strings for one message",
        file=_STREAM,
        old="    if again != data:",
        new="    if False:",
        tests=(
            *tests_in(
                "message/test_codec.py",
                "test_growth_is_refused",
                "test_every_bit_flip_changes_the_message_or_is_refused",
                "test_a_second_spelling_of_a_message_is_refused",
            ),
            *tests_in("attacks/test_decoder_fuzz.py", "test_a_few_thousand_strings"),
        ),
    ),
    Control(
        name="large-messages-are-decoded",
        trap="hostile messages: more coordinates than any prior at hand has parameters",
        file=_STREAM,
        old="    if header.dim > max_dim:",
        new="    if False:",
        tests=(
            *tests_in("message/test_codec.py", "test_dim_is_checked_before_symbols_are_read"),
            *tests_in("attacks/test_decoder_fuzz.py", "test_a_large_dim_is_refused_before_allocation"),
        ),
    ),
)

"""Leaks in what is counted: of which predictor, in which batches, over which units."""

from product_leaks.control import Control, tests_in

__all__ = ["COUNTING"]

_COUNTING = "transferbound/risks/counting.py"
_PASSES = "transferbound/risks/passes.py"
_TRIAL = "transferbound/risks/trial.py"

COUNTING = (
    Control(
        name="nothing-is-wrong",
        trap="the count itself: all answers are right",
        file="transferbound/risks/zero_one.py",
        old="wrong: Floats = count.wrong.astype(np.float64)",
        new="wrong: Floats = np.zeros(count.n)",
        tests=(
            *tests_in("leaks/test_leaks.py", "test_without_a_leak_it_holds"),
            *tests_in("finetune/test_polish.py", "test_a_polished_certificate_verifies"),
        ),
    ),
    Control(
        name="statistics-are-set-to-the-data",
        trap="1: the counter sets the statistics of batch normalization to those of the rows that it counts",
        file=_PASSES,
        old="    module.eval()\n",
        new=(
            "    for part in module.modules():\n"
            "        if isinstance(part, nn.modules.batchnorm._BatchNorm):\n"
            "            part.reset_running_stats()\n"
            "            part.momentum = None\n"
            "    module.train()\n"
            "    for _, some, _ in data.batches(20):\n"
            "        module(**some)\n"
            "    module.eval()\n"
        ),
        tests=tests_in("leaks/test_leaks.py", "test_statistics_of_the_training_data_in_the_certified_module"),
    ),
    Control(
        name="no-row-is-tried-alone",
        trap="1, 13: batch normalization in train mode, and whatever else lets an answer depend on its batch",
        file=_TRIAL,
        old="    batches = list(evaluation_batches(data, evaluation_order(data), batch_size, device))\n",
        new="    return Precision()\n",
        tests=(
            *tests_in("leaks/test_leaks.py", "test_evaluation_that_stays_in_train_mode"),
            *tests_in(
                "risks/test_alone.py",
                "test_a_model_that_looks_at_the_rows_beside_a_row_is_refused",
                "test_it_is_refused_before_any_time_is_spent",
                "test_logits_that_float64_does_not_determine_are_refused",
            ),
        ),
    ),
    Control(
        name="zero-logits-are-not-compared",
        trap="13: logits that are all zero for a row that comes alone, and others beside other rows",
        file=_TRIAL,
        old="finite.all(1) & torch.isfinite(size)",
        new="finite.all(1) & (size > 0)",
        tests=tests_in("risks/test_alone.py", "test_a_model_that_looks_at_the_rows_beside_a_row_is_refused"),
    ),
    Control(
        name="texts-are-padded",
        trap="13: texts of several lengths in one batch, padded to the longest",
        file="transferbound/data/batches.py",
        old="np.flatnonzero(np.diff(lengths[together])) + 1)",
        new="[])",
        tests=tests_in("risks/test_alone.py", "test_a_pass_never_pads", "test_padding_moves_no_count"),
    ),
    Control(
        name="one-precision-for-all",
        trap="11: float32 logits of an ill-conditioned checkpoint are trusted",
        file=_TRIAL,
        old="return Precision(max(CLOSE_CALL, _SAFETY * close), max(TIE, _SAFETY * tie))",
        new="return Precision()",
        tests=tests_in("risks/test_alone.py", "test_ill_conditioned_logits_are_settled_in_float64"),
    ),
    Control(
        name="close-calls-are-not-settled",
        trap="11: a near tie falls as the sums of one machine happen to be grouped",
        file=_PASSES,
        old="    if len(close):",
        new="    if False:",
        tests=tests_in("risks/test_evaluate.py", "test_close_calls_are_settled_in_float64"),
    ),
    Control(
        name="ties-are-right",
        trap="the count itself: a predictor without an answer is given the right one",
        file=_COUNTING,
        old="~(margin > part * size)",
        new="~(margin >= -part * size)",
        tests=tests_in(
            "risks/test_evaluate.py",
            "test_ties_are_errors",
            "test_near_ties_in_float64_are_errors_whatever_their_sign",
            "test_a_network_of_equal_logits_is_all_wrong",
        ),
    ),
    Control(
        name="what-becomes-no-number-is-right",
        trap="the count itself: logits that are not numbers, in float64 or before, are neither smaller nor larger",
        file=_COUNTING,
        old="~(margin > part * size)",
        new="(margin <= part * size)",
        tests=tests_in(
            "risks/test_evaluate.py",
            "test_logits_that_are_not_numbers_are_errors",
            "test_a_close_call_that_turns_into_no_number_is_an_error",
        ),
    ),
    Control(
        name="rows-are-the-units-of-groups",
        trap="8: n counts rows where groups of them were drawn",
        file="transferbound/risks/units.py",
        old="self.n = len(self.sizes)",
        new="self.n = len(groups)",
        tests=tests_in(
            "risks/test_risk.py",
            "test_weights_make_the_mean_over_rows_the_mean_over_groups",
            "test_rows_have_the_binomial_form_and_groups_the_bounded_one",
            "test_the_certificate_of_groups_states_that_tenth",
        ),
    ),
    Control(
        name="groups-have-the-binomial-form",
        trap="8: the binomial tail for losses that are fractions",
        file="transferbound/risks/zero_one.py",
        old="return MEANS if grouped else COUNTS",
        new="return COUNTS",
        tests=(
            *tests_in(
                "risks/test_risk.py",
                "test_rows_have_the_binomial_form_and_groups_the_bounded_one",
                "test_the_certificate_of_groups_states_that_tenth",
            ),
            *tests_in("finetune/test_polish.py", "test_with_groups_it_lowers_the_bound_that_is_certified"),
        ),
    ),
    Control(
        name="polish-lowers-the-bound-of-rows",
        trap="8: the polish judges by the losses of rows, and the certificate by those of groups",
        file="transferbound/finetune/polish.py",
        old="self.risk.bound(rows, bits, self.delta)",
        new="self.risk.form.bound(rows, bits, self.delta)",
        tests=tests_in("finetune/test_polish.py", "test_with_groups_it_lowers_the_bound_that_is_certified"),
    ),
    Control(
        name="polish-pays-no-bits",
        trap="4: the polish calls a bound lower that the message has not paid for",
        file="transferbound/finetune/polish.py",
        old="bits = message_bits(cheapest(self.header, integers, self.contexts), integers, self.contexts)",
        new="bits = 0.0",
        tests=tests_in(
            "finetune/test_polish.py",
            "test_a_spoiled_offset_gets_better",
            "test_it_never_gets_worse_and_leaves_the_model_at_the_result",
        ),
    ),
    Control(
        name="a-held-out-tenth-is-rounded-up",
        trap="what holding out would certify is flattered, or differs from place to place",
        file="transferbound/bounds/forms.py",
        old="return max(1, math.floor(share * n * (1.0 + 1e-12)))",
        new="return max(1, math.ceil(share * n * (1.0 + 1e-12)))",
        tests=tests_in("risks/test_risk.py", "test_one_held_out_tenth"),
    ),
    Control(
        name="held-out-groups-have-the-binomial-form",
        trap="8: what holding out would certify, by a form that does not hold for fractions",
        file="transferbound/bounds/forms.py",
        old="bound = occam_kl(mean, size, 0.0, delta) if errors is None else",
        new="errors = errors_at(mean, size)\n    bound = 1.0 if errors is None else",
        tests=tests_in(
            "risks/test_risk.py",
            "test_a_held_out_tenth_of_groups_is_of_the_form_that_holds_for_means",
            "test_the_certificate_of_groups_states_that_tenth",
        ),
    ),
)

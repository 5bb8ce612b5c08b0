"""Leaks in use: what answers is not the predictor that the certificate is about."""

from product_leaks.control import Control, tests_in

__all__ = ["PREDICTION"]

_CERTIFIED = "transferbound/prediction/certified.py"
_ANSWERS = "transferbound/risks/answers.py"
_USE = "prediction/test_predictor_use.py"

PREDICTION = (
    Control(
        name="another-checkpoint-answers",
        trap="15: the message is decoded against a checkpoint of other tensors",
        file=_CERTIFIED,
        old='    if checkpoint.fingerprint != stated["sha256"]:',
        new="    if False:",
        tests=tests_in(_USE, "test_another_prior_is_refused"),
    ),
    Control(
        name="another-tokenizer-answers",
        trap="15: the tensors are the certificate's, and texts are read otherwise",
        file=_CERTIFIED,
        old="    if others:",
        new="    if False:",
        tests=tests_in(_USE, "test_another_tokenizer_is_refused"),
    ),
    Control(
        name="other-components-answer",
        trap="15: components of other reference inputs than the certificate's",
        file=_CERTIFIED,
        old="    _check_reference(content, checkpoint, own)\n",
        new="",
        tests=tests_in(
            _USE, "test_other_reference_inputs_are_refused", "test_other_default_reference_inputs_are_refused"
        ),
    ),
    Control(
        name="ties-are-answered",
        trap="the count itself: a label is given where the count says that there is none",
        file=_ANSWERS,
        old="(margin > part * size)",
        new="(margin >= 0 * size)",
        tests=(
            *tests_in("risks/test_answers.py", "test_wrong_answers_are_the_errors_that_are_counted"),
            *tests_in(_USE, "test_answers_on_the_training_rows_are_those_counted"),
        ),
    ),
    Control(
        name="close-calls-are-answered-in-float32",
        trap="11: a near tie is answered as the sums of one batch happen to fall",
        file=_ANSWERS,
        old="        return margin <= part * size\n",
        new="        return torch.zeros_like(answered)\n",
        tests=tests_in("risks/test_answers.py", "test_wrong_answers_are_the_errors_that_are_counted"),
    ),
)

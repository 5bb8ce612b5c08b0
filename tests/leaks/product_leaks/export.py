"""Leaks in what an export writes and is held to: with one of them in, another predictor bears a certificate."""

from product_leaks.control import Control, tests_in

__all__ = ["EXPORT"]

_REFUSALS = "export/test_export_refusals.py"

EXPORT = (
    Control(
        name="exports-are-not-compared",
        trap="11: a checkpoint is written beside the certificate whose answers are not those that were counted",
        file="transferbound/export/check.py",
        old="if (wrong := np.flatnonzero(other & ~close)).size:",
        new="if (wrong := np.flatnonzero(other & ~other)).size:",
        tests=tests_in(_REFUSALS, "test_an_export_that_answers_otherwise_is_not_kept"),
    ),
    Control(
        name="exports-are-counted-on-their-word",
        trap="11: the errors of the export on the training rows are others than certified, and nobody says so",
        file="transferbound/export/check.py",
        old="if abs(checked.errors - stated) > slack:",
        new="if abs(checked.errors - stated) > slack + checked.rows:",
        tests=tests_in(_REFUSALS, "test_a_certificate_that_counts_other_errors_is_not_exported"),
    ),
    Control(
        name="exports-fold-without-the-mean",
        trap="11: the components of an exported head are not of mean zero",
        file="transferbound/export/fold.py",
        old="bias = bias + head @ module.components.bias.detach().double()",
        new="bias = bias + 0.0 * (head @ module.components.bias.detach().double())",
        tests=tests_in(_REFUSALS, "test_components_are_folded_with_their_mean"),
    ),
    Control(
        name="exports-read-the-checkpoints-size",
        trap="2: an exported model reads pictures of the checkpoint's size, and others were certified",
        file="transferbound/export/timm_target.py",
        old='"input_size": [preprocessing.channels, side, side],',
        new='"input_size": [preprocessing.channels, subject.prior.input_size, subject.prior.input_size],',
        tests=tests_in(_REFUSALS, "test_timm_reads_pictures_of_the_certified_size"),
    ),
)

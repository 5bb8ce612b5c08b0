"""Leaks in what ``verify`` computes anew and compares: with one of them in, a false certificate holds."""

from product_leaks.control import Control, tests_in

__all__ = ["VERIFICATION"]

_COMPARE = "transferbound/verification/compare.py"
_VERIFY = "transferbound/verification/verify.py"
_INDEPENDENCE = "transferbound/verification/independence_again.py"
_CARD = "transferbound/report/card_check.py"
_KEYS = "for key in [*stated, *(k for k in computed if k not in stated)]:"

VERIFICATION = (
    Control(
        name="errors-are-not-compared",
        trap="1 to 5, 11: another predictor than the decoded one is counted, and verify compares all but the count",
        file=_COMPARE,
        old=_KEYS,
        new="for key in [k for k in stated | computed if k != 'errors']:",
        tests=(
            *tests_in(
                "leaks/test_leaks.py",
                "test_statistics_of_the_training_data_in_the_certified_module",
                "test_evaluation_that_stays_in_train_mode",
                "test_fitted_preprocessing_that_the_certificate_keeps_silent_about",
                "test_a_head_that_starts_from_no_charged_seed",
                "test_a_seed_that_the_message_does_not_name",
                "test_an_extra_trainable_tensor",
            ),
            *tests_in(
                "leaks/test_leaks_counting.py",
                "test_the_training_object_is_not_the_certified_predictor",
                "test_half_precision_counts",
                "test_errors_that_are_not_counted",
            ),
            *tests_in("risks/test_alone.py", "test_what_the_trial_does_not_see_verify_counts_otherwise"),
            *tests_in("attacks/test_tampering.py", "test_hundreds_of_tampered_certificates_are_refused"),
        ),
    ),
    Control(
        name="numbers-are-hardly-compared",
        trap="4, 10: bits that were never charged, a bound that underflowed; verify takes any positive number for it",
        file=_COMPARE,
        old="_RELATIVE = 1e-9",
        new="_RELATIVE = 1.0",
        tests=tests_in(
            "leaks/test_leaks_counting.py",
            "test_bits_that_were_never_charged",
            "test_an_entropy_estimate_in_place_of_a_code",
            "test_a_bound_that_underflows",
        ),
    ),
    Control(
        name="preprocessing-is-taken-on-its-word",
        trap="2: normalization fitted to the training data, and verify believes what is stated of it",
        file=_COMPARE,
        old=_KEYS,
        new="for key in [k for k in stated | computed if k != 'preprocessing']:",
        tests=tests_in("leaks/test_leaks.py", "test_preprocessing_fitted_to_the_training_data"),
    ),
    Control(
        name="assumptions-are-not-compared",
        trap="9: the words that a bound rests on are edited away",
        file=_COMPARE,
        old=_KEYS,
        new="for key in [k for k in stated | computed if k != 'assumptions']:",
        tests=(
            *tests_in(
                "attacks/test_tampered_files.py", "test_naming_another_place_does_not_loosen_the_words"
            ),
            *tests_in(
                "independence/test_prior_split.py",
                "test_a_dropped_or_altered_label_does_not_hold[its place among the assumptions]",
            ),
        ),
    ),
    Control(
        name="what-lies-behind-the-message-is-not-read",
        trap="side information: bytes after the end of offset.bin",
        file="transferbound/certificate/certificate.py",
        old="MESSAGE_FILE, MAX_BYTES, CertificateError)",
        new="MESSAGE_FILE, MAX_BYTES, CertificateError)[: content['file_bits'] // 8]",
        tests=tests_in("leaks/test_leaks_counting.py", "test_side_information_behind_the_message"),
    ),
    Control(
        name="unknown-keys-pass",
        trap="a certificate states more than its schema knows and anyone computes anew",
        file="transferbound/certificate/schema.py",
        old="for key in sorted(value.keys() - keys.keys()):",
        new="for key in ():",
        tests=(
            *tests_in("leaks/test_leaks_counting.py", "test_a_certificate_of_another_form_is_not_written"),
            *tests_in("certificate/test_schema.py", "test_each_wrong_value_is_named_by_its_path"),
        ),
    ),
    Control(
        name="any-form-passes",
        trap="hostile files: a certificate of any form reaches what computes with it",
        file="transferbound/certificate/schema.py",
        old='_check(content, Content, "")\n',
        new="pass\n",
        tests=tests_in("attacks/test_reader_fuzz.py", "test_thousands_of_strings"),
    ),
    Control(
        name="a-key-stands-twice",
        trap="hostile files: a key that stands twice means one thing to a reader and another to verify",
        file="transferbound/storage/files.py",
        old="if len(found) < len(pairs):",
        new="if False:",
        tests=tests_in("attacks/test_tampered_files.py", "test_json_that_is_not_a_certificate[key twice]"),
    ),
    Control(
        name="files-are-read-without-a-limit",
        trap="hostile files: one of 16 GB in place of a message",
        file="transferbound/storage/files.py",
        old="    if len(data) > limit:",
        new="    if False:",
        tests=tests_in("attacks/test_tampered_files.py", "test_files_that_are_not_files[large-offset.bin]"),
    ),
    Control(
        name="more-coordinates-than-parameters",
        trap="hostile messages: one that asks a tiny network for what it has not",
        file="transferbound/subspace/projection.py",
        old="if self.dim > largest:",
        new="if False:",
        tests=tests_in("attacks/test_tampering.py", "test_messages_that_do_not_fit_the_prior"),
    ),
    Control(
        name="verify-composes-the-writers-batches",
        trap="13: a prediction that depends on its batch; verify counts in the same batches as the writer",
        file=_VERIFY,
        old="seed=secrets.randbits(32),",
        new="seed=None,",
        tests=tests_in("risks/test_alone.py", "test_what_the_trial_does_not_see_verify_counts_otherwise"),
    ),
    Control(
        name="the-record-of-independence-is-believed",
        trap="9, 14: verify takes the record of what was compared as it stands",
        file=_INDEPENDENCE,
        old='    corpus = stated["checked"]["pretraining_data"]\n',
        new='    return stated\n    corpus = stated["checked"]["pretraining_data"]\n',
        tests=(
            *tests_in("independence/test_pretraining_data.py", "test_other_rows_are_not_what_is_stated"),
            *tests_in(
                "independence/test_prior_split.py",
                "test_it_holds_with_prior_and_data_elsewhere",
                "test_overlap_that_is_let_through_is_noticed",
                "test_a_dropped_or_altered_label_does_not_hold",
            ),
        ),
    ),
    Control(
        name="a-telling-card-is-not-read",
        trap="9: the card of the checkpoint at hand names the data, the recorded one does not",
        file=_INDEPENDENCE,
        old='found = check_independence(here, data, override=True)["findings"]',
        new="found = []",
        tests=(
            *tests_in("attacks/test_tampered_files.py", "test_a_card_that_admits_more_than_the_certificate"),
            *tests_in(
                "verification/test_recorded.py", "test_a_card_that_hides_what_the_checkpoint_at_hand_admits"
            ),
        ),
    ),
    Control(
        name="test-rows-may-be-trained-on",
        trap="a test error on rows that the model or the prior was trained on",
        file=_VERIFY,
        old="if test is None or not any(split.shared_rows(test) for split in seen):",
        new="if True:",
        tests=tests_in(
            "independence/test_prior_split.py",
            "test_a_dropped_or_altered_label_does_not_hold[test rows of the part]",
        ),
    ),
    Control(
        name="the-text-of-a-card-is-not-held",
        trap="hostile cards: the statement, or the label of a data-dependent prior, is taken out or hidden",
        file=_CARD,
        old="    if not body.startswith(own):",
        new="    if False:",
        tests=(
            *tests_in("independence/test_prior_split.py", "test_a_card_without_the_label_does_not_hold"),
            *tests_in("attacks/test_card_attacks.py", "test_every_line_of_our_text_counts"),
        ),
    ),
    Control(
        name="the-results-of-a-card-are-not-held",
        trap="hostile cards: a metric is renamed, or has another value",
        file=_CARD,
        old="        if not agrees:",
        new="        if False:",
        tests=tests_in(
            "attacks/test_card_attacks.py",
            "test_an_edited_card_is_refused[a metric's value]",
            "test_an_edited_card_is_refused[a metric renamed]",
            "test_an_edited_card_is_refused[no results]",
        ),
    ),
    Control(
        name="an-author-may-claim",
        trap="hostile cards: below the true statement stands another one",
        file=_CARD,
        old="    if not text.strip():",
        new="    if True:",
        tests=tests_in(
            "attacks/test_card_attacks.py",
            "test_an_edited_card_is_refused[a second statement after]",
            "test_an_edited_card_is_refused[a comment]",
            "test_an_edited_card_is_refused[a bound in pieces]",
        ),
    ),
    Control(
        name="names-are-markup",
        trap="hostile cards: the name of a class puts a heading and a bound into the card",
        file="transferbound/report/markup.py",
        old='return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", shown) if shown.strip() else _BLANK',
        new="return shown if shown.strip() else _BLANK",
        tests=tests_in("attacks/test_card_attacks.py", "test_a_name_is_no_markup"),
    ),
    Control(
        name="a-language-models-card-may-be-silent",
        trap="9: the recorded card hides what the card beside the same tensors says of the documents",
        file="transferbound/verification/language.py",
        old="        problems += silent_findings(certificate.content, prior, data)\n",
        new="        pass\n",
        tests=tests_in(
            "language/test_language_certificates.py",
            "test_a_card_that_hides_what_the_checkpoint_at_hand_admits",
        ),
    ),
    Control(
        name="weights-beside-are-passed-over",
        trap="11: other weights lie in the folder of which verify says that it holds",
        file=_VERIFY,
        old=", *other_files(folder)]",
        new="]",
        tests=tests_in(
            "verification/test_recorded.py", "test_weights_beside_a_certificate_are_not_what_holds"
        ),
    ),
    Control(
        name="any-card-may-name-a-library",
        trap="a card says that another library loads what nobody exported",
        file=_CARD,
        old="libraries = LIBRARIES if (folder / EXPORT_FILE).is_file() else LIBRARIES[:1]",
        new="libraries = LIBRARIES",
        tests=(
            *tests_in(
                "verification/test_recorded.py",
                "test_an_exported_folder_alone_has_the_card_of_another_library",
            ),
            *tests_in("attacks/test_card_attacks.py", "test_an_edited_card_is_refused[another library]"),
        ),
    ),
)

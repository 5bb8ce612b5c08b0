"""Leaks in what the data is said to be: its rows, classes and fingerprint, and what a certificate must say of it."""

from product_leaks.control import Control, tests_in

__all__ = ["DATA"]

_ROWS = "transferbound/independence/rows.py"
_LABELLED = "transferbound/data/labelled.py"
_LABELS = "transferbound/data/_labels.py"
_READING = "data/test_reading.py"

DATA = (
    Control(
        name="a-draw-sees-the-labels",
        trap="8: which rows are drawn depends on their labels",
        file=_LABELLED,
        old="        chosen = drawn_units(of, units, seed)\n",
        new="        chosen = np.argsort(np.argsort(self.labels[:of], kind='stable'), kind='stable') < units\n",
        tests=tests_in(_READING, "test_a_draw_is_of_places_and_seed_alone"),
    ),
    Control(
        name="a-draw-is-not-said",
        trap="4: rows drawn by a seed that was chosen by trial, without a word of it",
        file="transferbound/certificate/_reading.py",
        old='    if "draw" not in data:\n        return []\n    draw',
        new="    if True:\n        return []\n    draw",
        tests=tests_in(_READING, "test_every_choice_of_the_reading_is_said"),
    ),
    Control(
        name="merged-classes-are-not-said",
        trap="4: classes that were merged by what a model makes of them, without a word of it",
        file="transferbound/certificate/_reading.py",
        old='    if "label_map" not in data:\n',
        new="    if True:\n",
        tests=tests_in(_READING, "test_every_choice_of_the_reading_is_said"),
    ),
    Control(
        name="verify-reads-the-whole-split",
        trap="17: verify counts other rows than those that were drawn",
        file="transferbound/verification/recorded.py",
        old='max_rows=None if draw is None else draw["units"]',
        new="max_rows=None",
        tests=tests_in(
            "cases/test_cases.py", "test_rows_that_were_drawn_and_mapped_are_verified_and_predicted_alike"
        ),
    ),
    Control(
        name="what-was-prepared-of-a-folder-is-hub-data",
        trap="17: offline, the rows of any folder of that name are taken for a data set of the Hub",
        file="transferbound/data/_source.py",
        old="if commit is None and is_prepared(builder):",
        new="if False:",
        tests=tests_in(_READING, "test_what_was_prepared_of_a_folder_is_no_data_of_the_hub"),
    ),
    Control(
        name="classes-are-read-off-the-labels",
        trap="2: the number of classes comes from the training labels",
        file=_LABELS,
        old="        if num_classes is None:\n            low, high",
        new=(
            "        if num_classes is None:\n            num_classes = max(self.values) + 1\n"
            "        if False:\n            low, high"
        ),
        tests=(
            *tests_in("leaks/test_leaks.py", "test_classes_counted_on_the_training_labels"),
            *tests_in("data/test_data.py", "test_bare_integers_want_a_declared_number_of_classes"),
        ),
    ),
    Control(
        name="names-of-folders-are-declared-classes",
        trap="2: classes that were read off the folders of the training files are called declared",
        file=_LABELS,
        old='        return "folders" if by_folder else "features"\n',
        new='        return "features"\n',
        tests=tests_in(
            "certificate/test_assumptions.py",
            "test_classes_that_are_names_of_folders_are_not_declared",
            "test_a_certificate_on_folders_says_so_and_holds",
        ),
    ),
    Control(
        name="an-untried-checkpoint-is-not-assumed",
        trap="4: the card does not say that no other checkpoint was tried",
        file="transferbound/certificate/assumptions.py",
        old="checkpoint was tried on this data and put aside",
        new="checkpoint is better",
        tests=tests_in("leaks/test_leaks.py", "test_an_unpaid_choice_of_checkpoint_is_at_least_named"),
    ),
    Control(
        name="repeated-rows-are-not-counted",
        trap="8: rows that repeat one another are no independent draws, and nobody says so",
        file=_ROWS,
        old="data.n - len(distinct)",
        new="0",
        tests=(
            *tests_in("leaks/test_leaks_counting.py", "test_repeated_rows_are_said"),
            *tests_in("data/test_data.py", "test_duplicate_counts"),
        ),
    ),
    Control(
        name="rows-inside-rows-are-not-counted",
        trap="8: phrases cut from sentences that are rows of their own, and nobody says so",
        file=_ROWS,
        old="int(contained.sum())",
        new="0",
        tests=(
            *tests_in("leaks/test_leaks_counting.py", "test_rows_inside_rows_are_said"),
            *tests_in("data/test_data.py", "test_duplicate_counts"),
        ),
    ),
    Control(
        name="near-copies-are-not-counted",
        trap="8: rows that differ in a pixel or in case are no independent draws, and nobody says so",
        file="transferbound/independence/duplicates.py",
        old="    return len(rows), int(near.sum())",
        new="    return len(rows), 0",
        tests=tests_in("independence/test_short_rows.py", "test_pictures_with_one_pixel_moved_are_said"),
    ),
    Control(
        name="other-spellings-are-not-counted",
        trap="8: texts that differ in case and marks are no independent draws, and nobody says so",
        file="transferbound/independence/duplicates.py",
        old="    return len(texts) - len(set(texts))",
        new="    return 0",
        tests=tests_in("independence/test_short_rows.py", "test_texts_that_differ_in_case_are_said"),
    ),
    Control(
        name="minus-zero-is-a-group",
        trap="8: n grows by spelling one group in two ways",
        file="transferbound/data/_columns.py",
        old="numbers = values.to_numpy(zero_copy_only=False) + 0.0",
        new="numbers = values.to_numpy(zero_copy_only=False)",
        tests=tests_in("independence/test_short_rows.py", "test_minus_zero_is_no_other_group"),
    ),
    Control(
        name="pieces-are-one-slice",
        trap="17: a split that is put together around the rows that are answered wrongly, without a word",
        file="transferbound/certificate/assumptions.py",
        old='if cut["kind"] == "free":',
        new="if False:",
        tests=tests_in(
            "independence/test_short_rows.py", "test_pieces_that_could_be_cut_by_outcome_are_a_warning"
        ),
    ),
    Control(
        name="a-single-row-is-a-percent",
        trap="17: of few rows a percent is one, and pieces between percents leave out whichever is wrong",
        file="transferbound/data/_slices.py",
        old="_ROWS_OF_A_PERCENT = 10",
        new="_ROWS_OF_A_PERCENT = 1",
        tests=tests_in(
            "data/test_slices.py",
            "test_slices_that_can_be_cut_around_single_rows[test[:41%]+test[42%:]-free-2-1]",
        ),
    ),
    Control(
        name="a-row-is-taken-twice",
        trap="8: a split that takes rows twice, each of which counts",
        file="transferbound/data/_slices.py",
        old="        if twice:",
        new="        if False:",
        tests=tests_in("data/test_slices.py", "test_what_is_no_slice"),
    ),
    Control(
        name="the-fingerprint-leaves-out-labels",
        trap="15: other labels have the same fingerprint",
        file=_LABELLED,
        old='hashlib.sha256(content.tobytes() + f"{label}\\0".encode())',
        new="hashlib.sha256(content.tobytes())",
        tests=(
            *tests_in(
                "attacks/test_tampered_files.py",
                "test_other_data[one label changed]",
                "test_other_data[all labels swapped]",
            ),
            *tests_in(
                "data/test_data.py", "test_fingerprint_ignores_order_and_packing_and_sees_every_change"
            ),
        ),
    ),
    Control(
        name="the-fingerprint-leaves-out-rows",
        trap="15: other rows with the same labels have the same fingerprint",
        file=_LABELLED,
        old='hashlib.sha256(content.tobytes() + f"{label}\\0".encode())',
        new='hashlib.sha256(f"{label}\\0".encode())',
        tests=tests_in(
            "attacks/test_tampered_files.py",
            "test_other_data[other images]",
            "test_other_rows_in_the_test_split",
        ),
    ),
    Control(
        name="the-fingerprint-leaves-out-groups",
        trap="8, 15: rows that move to another group leave the fingerprint as it was",
        file="transferbound/data/sample.py",
        old="                units[group].append(row)",
        new="                units[0].append(row)",
        tests=tests_in("certification/test_certify.py", "test_rows_that_change_their_group_are_noticed"),
    ),
    Control(
        name="the-fingerprint-leaves-out-values",
        trap="15: a checkpoint with other weights has the same fingerprint",
        file="transferbound/priors/checkpoint/weights.py",
        old="        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)\n",
        new="",
        tests=(
            *tests_in(
                "attacks/test_tampered_files.py",
                "test_a_moved_tensor_of_the_prior",
                "test_a_prior_of_other_random_weights",
            ),
            *tests_in("priors/test_priors.py", "test_fingerprint_is_of_tensors_not_of_the_file"),
        ),
    ),
    Control(
        name="files-are-hashed-by-name",
        trap="15: what the decoder reads beside the weights is in no hash",
        file="transferbound/priors/checkpoint/reading.py",
        old="self.sha256[inner] = hashlib.sha256(data).hexdigest()",
        new="self.sha256[inner] = hashlib.sha256(inner.encode()).hexdigest()",
        tests=(
            *tests_in(
                "priors/test_prior_files.py",
                "test_the_order_of_the_channels_is_another_prior_and_another_cache",
                "test_every_setting_of_a_processor_counts",
                "test_every_file_of_a_text_prior_counts",
            ),
            *tests_in("attacks/test_tampered_files.py", "test_a_changed_config_of_the_prior"),
        ),
    ),
    Control(
        name="verify-reads-the-writers-cache",
        trap="15: verify takes pixels that another run left behind",
        file="transferbound/verification/verify.py",
        old="cache_dir=scratch,",
        new="cache_dir=None,",
        tests=tests_in("priors/test_prior_files.py", "test_verify_reads_no_cache_of_others"),
    ),
)

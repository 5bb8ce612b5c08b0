"""Leaks in the check of the prior: it has seen the data, and nobody refuses or says so."""

from product_leaks.control import Control, tests_in

__all__ = ["INDEPENDENCE"]

_CHECK = "transferbound/independence/check.py"
_PARTS = "transferbound/independence/prior_split.py"
_WORDINGS = "transferbound/independence/wordings.py"
_DUPLICATES = "transferbound/independence/duplicates.py"

INDEPENDENCE = (
    Control(
        name="a-basis-of-training-rows-is-not-refused",
        trap="9: components are computed of reference inputs that hold the training rows",
        file="transferbound/independence/reference.py",
        old='if verdict == "overridden" and not override:',
        new="if False:",
        tests=tests_in(
            "independence/test_reference_overlap.py",
            "test_a_basis_of_the_training_rows_themselves_is_refused",
            "test_pictures_that_are_training_rows_are_refused",
        ),
    ),
    Control(
        name="nothing-is-refused",
        trap="9: a checkpoint whose card names the data is a prior like any other",
        file=_CHECK,
        old='if verdict == "overridden" and not override:',
        new="if False:",
        tests=(
            *tests_in("leaks/test_leaks.py", "test_a_checkpoint_whose_card_names_the_data"),
            *tests_in(
                "independence/test_independence.py",
                "test_finetuned_checkpoint_is_refused_and_an_override_recorded",
                "test_model_index_of_the_card_is_read",
                "test_sentences_inside_pretraining_documents_are_found",
            ),
            *tests_in(
                "independence/test_prior_split.py",
                "test_an_undeclared_part_is_refused_with_the_remedy",
                "test_copies_between_the_parts_are_searched_for",
            ),
        ),
    ),
    Control(
        name="names-are-not-compared",
        trap="9: what a checkpoint's card declares is not held against the data set's names",
        file=_CHECK,
        old="for match in compare_names(declared, aliases)",
        new="for match in []",
        tests=(
            *tests_in("leaks/test_leaks.py", "test_a_checkpoint_whose_card_names_the_data"),
            *tests_in("independence/test_independence.py", "test_a_warning_does_not_stop"),
        ),
    ),
    Control(
        name="no-text-is-a-near-duplicate",
        trap="14: a search of the pretraining texts that finds nothing but whole rows",
        file=_WORDINGS,
        old="_SHARE = 0.6",
        new="_SHARE = 2.0",
        tests=tests_in("independence/test_disguises.py", "test_texts_in_disguise[inside a document]"),
    ),
    Control(
        name="words-put-in-hide-a-copy",
        trap="14: a word put in after every few others hides a text among the reference inputs",
        file=_WORDINGS,
        old="_HELD = 0.85",
        new="_HELD = 9.0",
        tests=tests_in("independence/test_disguises.py", "test_texts_in_disguise[words put in]"),
    ),
    Control(
        name="look-alike-letters-hide-a-copy",
        trap="14: a text in letters of another alphabet that look the same is not found",
        file="transferbound/independence/letters.py",
        old=".translate(_SMALL)",
        new="",
        tests=tests_in("independence/test_disguises.py", "test_texts_in_disguise[other letters]"),
    ),
    Control(
        name="look-alike-letters-hide-a-name",
        trap="9: a data set whose name has a Cyrillic letter is compared with nothing",
        file="transferbound/independence/names.py",
        old='re.findall(r"[a-z]+|[0-9]+", as_read(text, capitals=True))',
        new='re.findall(r"[a-z]+|[0-9]+", text.lower())',
        tests=tests_in("independence/test_look_alikes.py", "test_a_name_in_other_letters_hides_nothing"),
    ),
    Control(
        name="look-alike-groups-are-units",
        trap="8: one unit is split into groups whose names look the same, and nothing is said",
        file="transferbound/independence/rows.py",
        old='" ".join(as_read(group).split()) if isinstance(group, str) else group',
        new="group",
        tests=tests_in("independence/test_look_alikes.py", "test_groups_that_look_the_same_are_a_warning"),
    ),
    Control(
        name="a-mirror-hides-a-copy",
        trap="14: mirrored or turned training pictures serve as reference inputs",
        file="transferbound/independence/pictures.py",
        old="for laid in (theirs, theirs[:, :, ::-1]):",
        new="for laid in (theirs,):",
        tests=tests_in("independence/test_disguises.py", "test_pictures_in_disguise[mirrored]"),
    ),
    Control(
        name="an-inversion-hides-a-copy",
        trap="14: inverted training pictures serve as reference inputs",
        file="transferbound/independence/pictures.py",
        old='most = np.maximum(most, np.abs(np.einsum("nij,nij->n", mine, there)))',
        new='most = np.maximum(most, np.einsum("nij,nij->n", mine, there))',
        tests=tests_in("independence/test_disguises.py", "test_pictures_in_disguise[inverted]"),
    ),
    Control(
        name="short-texts-are-not-compared",
        trap="14: exact copies of fewer than 8 words are thrown away",
        file=_DUPLICATES,
        old="    return Duplicates(exact, near, ~long_enough)",
        new="    return Duplicates(exact & long_enough, near, ~long_enough)",
        tests=tests_in(
            "independence/test_short_rows.py",
            "test_the_very_data_set_as_pretraining_data_is_refused",
            "test_case_blanks_and_marks_hide_no_copy",
            "test_a_few_short_rows_that_recur_are_a_warning",
        ),
    ),
    Control(
        name="case-hides-a-copy",
        trap="14: copies in capitals, or with other marks, are not found",
        file=_DUPLICATES,
        old="exact |= np.fromiter(",
        new="exact &= True | np.fromiter(",
        tests=tests_in("independence/test_short_rows.py", "test_case_blanks_and_marks_hide_no_copy"),
    ),
    Control(
        name="what-was-not-compared-is-not-said",
        trap="14: a search that could look at no row says that nothing was found",
        file=_DUPLICATES,
        old="if n - short >= n / 2:",
        new="if True:",
        tests=tests_in(
            "independence/test_short_rows.py",
            "test_what_was_not_compared_is_said",
            "test_what_was_not_compared_between_parts_is_said",
        ),
    ),
    Control(
        name="no-name-is-compared-and-none-found",
        trap="14: a data set called data, with whose name nothing on a card can be compared",
        file=_CHECK,
        old="if not aliases and not dependent:",
        new="if False:",
        tests=tests_in(
            "independence/test_short_rows.py",
            "test_a_name_that_tells_nothing_is_compared_with_nothing[data-warning]",
        ),
    ),
    Control(
        name="no-image-is-a-near-duplicate",
        trap="14: a search of the pretraining images that finds nothing but equal pixels",
        file="transferbound/independence/pictures.py",
        old="_CORRELATION = 0.995",
        new="_CORRELATION = 2.0",
        tests=tests_in(
            "independence/test_independence.py", "test_rescaled_and_brightened_images_are_near_duplicates"
        ),
    ),
    Control(
        name="a-search-that-finds-nothing",
        trap="14: rows that stand in the pretraining data are looked for and not found",
        file=_CHECK,
        old="total = int(duplicates.found.sum())",
        new="total = 0",
        tests=(
            *tests_in(
                "independence/test_independence.py",
                "test_sentences_inside_pretraining_documents_are_found",
                "test_a_few_rows_of_many_are_a_warning",
            ),
            *tests_in("independence/test_pretraining_data.py", "test_other_rows_are_not_what_is_stated"),
        ),
    ),
    Control(
        name="parts-may-overlap",
        trap="9: rows that the prior was trained on are counted by n",
        file=_PARTS,
        old="    _refuse_shared(part, data)\n",
        new="",
        tests=tests_in(
            "independence/test_prior_split.py",
            "test_overlapping_parts_are_refused",
            "test_a_group_in_both_parts_is_refused",
            "test_overlap_that_is_let_through_is_noticed",
        ),
    ),
    Control(
        name="copies-between-parts-pass",
        trap="9: rows of the prior's part stand among the counted ones as copies",
        file=_PARTS,
        old="found = np.flatnonzero(duplicates.found)",
        new="found = np.flatnonzero(duplicates.found & False)",
        tests=tests_in("independence/test_prior_split.py", "test_copies_between_the_parts_are_searched_for"),
    ),
    Control(
        name="sorted-data-is-cut-in-two",
        trap="9: the part that is bounded is not drawn like the whole, and nobody says so",
        file=_PARTS,
        old="if counts.shape[1] < 2 or chi2_contingency(counts).pvalue >= _CHANCE:",
        new="if True:",
        tests=tests_in("independence/test_prior_split.py", "test_sorted_data_is_warned_of"),
    ),
    Control(
        name="reference-inputs-are-not-searched",
        trap="9, 14: components of the training rows, by way of the reference inputs",
        file="transferbound/certification/inputs.py",
        old="searched = searched_reference(reference, data, split=reference_split, override=allow_dependence)",
        new="searched = searched_reference(reference, data, split=reference_split, override=True)",
        tests=tests_in("certification/test_automatic.py", "test_the_training_rows_are_no_reference_inputs"),
    ),
    Control(
        name="verify-believes-the-search",
        trap="14: reference inputs that hold the training rows, with a record that says none were found",
        file="transferbound/verification/recorded.py",
        old='    return searched_reference(named, data, split=split, override=content["independence"]["override"])',
        new=('    return SearchedReference(named, split, stated["overlap"])'),
        tests=tests_in(
            "certification/test_automatic.py", "test_a_reference_that_was_not_searched_is_noticed"
        ),
    ),
    Control(
        name="rows-set-aside-are-counted",
        trap="2, 9: components of rows that the bound counts",
        file="transferbound/data/labelled.py",
        old="            _table=self._table.select(np.flatnonzero(rows)),",
        new="            _table=self._table.select(np.flatnonzero(~rows)),",
        tests=tests_in("data/test_set_aside.py", "test_rows_that_stay_and_rows_that_go_are_all_rows"),
    ),
    Control(
        name="class-names-say-anything",
        trap="2: a text of any length, written by whoever made the copy of the data, as the name of a class",
        file="transferbound/priors/components/names.py",
        old="len(name) <= _LONGEST",
        new="True",
        tests=tests_in("priors/components/test_names.py", "test_what_is_a_name"),
    ),
    Control(
        name="a-number-set-aside-by-trial",
        trap="4: how many rows are set aside, chosen by what came out, under a sentence that says it was not",
        file="transferbound/certificate/assumptions.py",
        old='units == customary_units(data["units"] + units)',
        new="True",
        tests=tests_in(
            "certification/test_rows_set_aside.py",
            "test_a_number_that_is_not_the_rules_stands_on_the_writers_word",
        ),
    ),
    Control(
        name="rows-trained-on-are-a-test",
        trap="a test error on rows that the model or the prior was trained on",
        file="transferbound/certification/inputs.py",
        old="            if shared:",
        new="            if False:",
        tests=tests_in("independence/test_prior_split.py", "test_rows_trained_on_are_no_test"),
    ),
    Control(
        name="every-prior-is-called-independent",
        trap="a data-dependent prior that terminal and card do not call so",
        file="transferbound/report/summary.py",
        old="    if part is None:\n",
        new="    if True:\n",
        tests=tests_in("independence/test_prior_split.py", "test_card_terminal_and_assumptions_say_so"),
    ),
)

"""Leaks in what is given as an object: rows, models, and a process in which others have set things for all."""

from product_leaks.control import Control, tests_in

__all__ = ["IN_MEMORY"]

_GIVEN = "transferbound/data/_given.py"
_CHECK = "transferbound/independence/check.py"
_NUMERICS = "transferbound/_numerics.py"
_TESTS = "verification/test_in_memory.py"

IN_MEMORY = (
    Control(
        name="rows-change-as-they-are-read",
        trap="8, 17: a transform that is set on an object makes other rows of it each time it is read",
        file=_GIVEN,
        old="        table = data.with_format(None)\n",
        new="        table = data\n",
        tests=tests_in(_TESTS, "test_formats_and_transforms_are_not_applied"),
    ),
    Control(
        name="splits-change-after-they-were-given",
        trap="17: another split is read of what the dict holds by then",
        file=_GIVEN,
        old="        return Given(in_memory(names.pop() if len(names) == 1 else None), splits)\n",
        new="        return Given(in_memory(names.pop() if len(names) == 1 else None), data)\n",
        tests=tests_in(_TESTS, "test_splits_of_a_dict_and_slices"),
    ),
    Control(
        name="a-table-alone-is-any-split",
        trap="17: one table is the training split and the test split at once, and nobody sees that they share rows",
        file=_GIVEN,
        old="        return next(iter(self.splits)) if self.is_alone",
        new="        return split if self.is_alone",
        tests=tests_in(_TESTS, "test_a_table_alone_is_its_own_split"),
    ),
    Control(
        name="an-object-without-a-name-was-compared",
        trap="14: rows without a name are compared with the card by the words that stand for none",
        file="transferbound/independence/names.py",
        old="    name = called(name)\n",
        new="",
        tests=tests_in(_TESTS, "test_names_are_compared_where_an_object_has_one"),
    ),
    Control(
        name="a-model-in-memory-is-as-published",
        trap="9: a model that was trained since it was loaded passes for the one of its name",
        file=_CHECK,
        old="    if is_in_memory(prior.name):\n",
        new="    if False:\n",
        tests=tests_in(_TESTS, "test_what_it_says_of_objects_and_how_they_are_checked"),
    ),
    Control(
        name="the-card-of-a-model-in-memory-is-lost",
        trap="9: what the card of its origin says of training data is not compared",
        file="transferbound/priors/checkpoint/given.py",
        old="        card = _card_of(own)\n",
        new="        card = None\n",
        tests=tests_in(_TESTS, "test_the_card_of_what_a_model_was_loaded_from_is_compared"),
    ),
    Control(
        name="rows-that-were-put-together-are-not-said",
        trap="4: rows that were chosen by what a model makes of them, without a word of it",
        file="transferbound/certificate/_reading.py",
        old="    if not is_in_memory(name):\n        return []\n",
        new="    return []\n",
        tests=tests_in(_TESTS, "test_what_it_says_of_objects_and_how_they_are_checked"),
    ),
    Control(
        name="a-certificate-in-memory-is-not-read",
        trap="11: keys that no schema knows pass in an object",
        file="transferbound/verification/verify.py",
        old="        check_content(certificate.content)\n",
        new="        pass\n",
        tests=tests_in(_TESTS, "test_a_certificate_in_memory_is_checked_like_a_folder"),
    ),
    Control(
        name="counted-in-half-precision-around-us",
        trap="11: the program is within autocast, and errors are counted in bfloat16",
        file=_NUMERICS,
        old="            stack.enter_context(torch.autocast(kind, enabled=False))\n",
        new="            pass\n",
        tests=(
            "tests/certification/test_one_after_another.py::test_what_is_set_for_all_of_torch_enters_nothing_and_stays",
        ),
    ),
)

"""Leaks in what is done with a language model: scored, mixed, paid for and stated."""

from product_leaks.control import Control, tests_in

__all__ = ["LANGUAGE_MODELS"]

_PREDICTOR = "transferbound/language_predictor.py"
_LIKELIHOODS = "transferbound/risks/likelihoods.py"
_RISK = "transferbound/risks/bits_per_token.py"
_STATEMENT = "transferbound/certificate/language_statement.py"
_ASSUMPTIONS = "transferbound/certificate/language_assumptions.py"
_STATED = "language/test_language_statement.py"
_ANEW = "test_it_is_what_it_is_made_of"

LANGUAGE_MODELS = (
    Control(
        name="a-prompt-is-free",
        trap="4: a prompt that was found on the data, and none of whose bits are paid",
        file=_PREDICTOR,
        old="            prompt_bits(prior, stage.prompt),\n",
        new="            0.0,\n",
        tests=tests_in(_STATED, _ANEW + "[prompt]"),
    ),
    Control(
        name="a-mixture-is-free",
        trap="4: the weight of the prior is the best of 32, and nothing is paid for it",
        file=_PREDICTOR,
        old='return Cost("mix", stage.mix, MIX_BITS,',
        new='return Cost("mix", stage.mix, 0.0,',
        tests=tests_in(_STATED, _ANEW),
    ),
    Control(
        name="padded-places-are-tokens",
        trap="8: documents divided by the length that they are cut to",
        file="transferbound/data/encoded_documents.py",
        old="self.lengths = np.diff(flat.offsets)[rows] - preprocessing.unpredicted",
        new="self.lengths = np.full(len(rows), np.diff(flat.offsets).max()) - preprocessing.unpredicted",
        tests=tests_in("language/test_battery.py", "test_padding_moves_nothing_and_counts_nowhere"),
    ),
    Control(
        name="padding-is-predicted",
        trap="8: what stands behind a document's end is scored",
        file="transferbound/priors/backends/wrappers.py",
        old="bits = chosen * (mask.to(chosen.dtype) / math.log(2.0))",
        new="bits = chosen / math.log(2.0) + 0.0 * mask",
        tests=tests_in("language/test_battery.py", "test_padding_moves_nothing_and_counts_nowhere"),
    ),
    Control(
        name="tokens-to-come-are-not-looked-for",
        trap="a model that sees the token that it predicts: its numbers are no probabilities",
        file=_LIKELIHOODS,
        old="        _moved_by_later(exact, {name: value[:1] for name, value in batch.items()}, length),\n",
        new="        0.0,\n",
        tests=(
            *tests_in("risks/test_likelihoods.py", "test_a_model_that_sees_tokens_to_come_is_refused"),
            *tests_in("language/test_language_input.py", "test_a_decoder_by_name_that_sees_what_is_to_come"),
        ),
    ),
    Control(
        name="tokens-to-come-are-looked-for-in-the-middle-alone",
        trap="a model whose first tokens see each other",
        file=_LIKELIHOODS,
        old="cuts = sorted({0, 1, length // 4, length // 2, 3 * length // 4, length - 1} & set(range(length)))",
        new="cuts = [length // 2]",
        tests=tests_in(
            "risks/test_likelihoods.py",
            "test_a_model_that_sees_tokens_to_come_is_refused[the first half, in both directions-16]",
        ),
    ),
    Control(
        name="documents-beside-it-are-not-looked-for",
        trap="13: a language model whose answer depends on its batch",
        file=_LIKELIHOODS,
        old="        _gap(alone, among),\n",
        new="        0.0,\n",
        tests=tests_in("risks/test_likelihoods.py", "test_a_model_that_sees_other_documents_is_refused"),
    ),
    Control(
        name="no-slack-is-added",
        trap="10: losses of one machine's rounding, stated as if they were exact",
        file=_STATEMENT,
        old='"risk_bound": bounds.risk + SLACK,',
        new='"risk_bound": bounds.risk,',
        tests=tests_in(_STATED, _ANEW),
    ),
    Control(
        name="the-least-length-is-the-shortest-that-was-seen",
        trap="2: the population is what the sample happens to hold",
        file=_STATEMENT,
        old="        least=min_tokens,\n",
        new="        least=int(encoded.lengths.min()) + 1,\n",
        tests=tests_in(_STATED, _ANEW),
    ),
    Control(
        name="the-prior-is-scored-by-finetuned-weights",
        trap="1: what depends on the data is taken for the prior",
        file=_STATEMENT,
        old="before = log_likelihoods(prior.build_language_model(), encoded,",
        new="before = log_likelihoods(predictor.stages[-1].module, encoded,",
        tests=tests_in(_STATED, _ANEW),
    ),
    Control(
        name="the-excess-has-the-top-that-was-seen",
        trap="12: the largest excess of the sample, for the largest that there can be",
        file=_RISK,
        old="top = (self.mix if mix is None else mix) / self.least",
        new="top = float((rows - self.prior_losses).max())",
        tests=(
            *tests_in("language/test_language_risk.py", "test_the_top_of_a_level_is_the_mixtures"),
            *tests_in(_STATED, _ANEW),
        ),
    ),
    Control(
        name="the-prior-has-no-uniform-part",
        trap="a limit of the prior's loss that the loss can exceed",
        file=_RISK,
        old="np.logaddexp2(log2 + math.log2(1.0 - share), -lengths * math.log2(vocabulary) - UNIFORM_BITS)",
        new="np.logaddexp2(log2 + math.log2(1.0 - share), -1e6 * lengths)",
        tests=(
            *tests_in("language/test_language_risk.py", "test_the_uniform_part_limits_the_priors_loss"),
            *tests_in(_STATED, _ANEW),
        ),
    ),
    Control(
        name="shorter-documents-go-without-a-word",
        trap="17: rows that are not the named ones, dropped without a word",
        file=_ASSUMPTIONS,
        old='"none was shorter" if not data["left_out"] else',
        new='"none was shorter" if data["left_out"] >= 0 else',
        tests=(
            *tests_in(_STATED, "test_what_must_be_said_is_said"),
            *tests_in("language/test_language_certificates.py", "test_what_left_out_documents_are_is_said"),
        ),
    ),
    Control(
        name="what-the-checkpoint-was-trained-on-is-left-unsaid",
        trap="9: a checkpoint that has seen the documents, and a certificate that keeps silent",
        file=_ASSUMPTIONS,
        old='    if independence["checked"]["pretraining_data"] is None:\n',
        new="    if False:\n",
        tests=tests_in(_STATED, "test_what_must_be_said_is_said"),
    ),
    Control(
        name="documents-are-chats",
        trap="15: what else the tokenizer's files say is applied to documents",
        file="transferbound/priors/backends/document_preprocessing.py",
        old="            list(texts),\n            add_special_tokens=False,\n",
        new=(
            "            [\n"
            "                self.tokenizer.apply_chat_template([{'content': text}], tokenize=False)\n"
            "                if self.tokenizer.chat_template\n"
            "                else text\n"
            "                for text in texts\n"
            "            ],\n"
            "            add_special_tokens=False,\n"
        ),
        tests=tests_in("language/test_language_input.py", "test_a_chat_template_is_not_applied"),
    ),
    Control(
        name="variants-of-a-prompt-are-free",
        trap="4: the best of a list of variants, which a prompt alone cannot name",
        file=_PREDICTOR,
        old="if candidates != 1 and not any(stage.offset for stage in message.stages):",
        new="if False:",
        tests=tests_in(_STATED, "test_a_message_of_a_prompt_alone_names_no_variant"),
    ),
)

"""Leaks in the decoder: something of the certified predictor is not decoded from the message, or not exactly."""

from product_leaks.control import Control, tests_in

__all__ = ["DECODER"]

_MODEL = "transferbound/subspace/model.py"
_DECODE = "transferbound/subspace/decode.py"
_HASHED = "transferbound/subspace/kinds/hashed.py"
_HASH = "RowHash(sizes, dim, config.seed, self.kind)"

DECODER = (
    Control(
        name="buffers-are-not-checked",
        trap="1: statistics that training moved are not looked for",
        file=_MODEL,
        old="if name not in now or not torch.equal(now[name].cpu(), before.cpu()):",
        new="if False:",
        tests=(
            *tests_in("leaks/test_leaks.py", "test_statistics_that_training_moves_are_refused"),
            *tests_in("subspace/test_subspace_model.py", "test_the_leak_is_seen"),
        ),
    ),
    Control(
        name="statistics-follow-train-mode",
        trap="1: batch normalization is in train mode while the subspace is trained",
        file=_MODEL,
        old="            module.training = False",
        new="            pass",
        tests=tests_in(
            "subspace/test_subspace_model.py",
            "test_statistics_never_move_and_an_example_does_not_depend_on_its_batch",
        ),
    ),
    Control(
        name="normalization-over-the-batch-passes",
        trap="1, 13: a batch normalization that has no running statistics",
        file="transferbound/subspace/batch_statistics.py",
        old="if isinstance(module, nn.modules.batchnorm._BatchNorm) and not has_statistics(module):",
        new="if False:",
        tests=tests_in(
            "subspace/test_subspace_model.py", "test_batch_statistics_without_running_ones_are_refused"
        ),
    ),
    Control(
        name="pixels-are-normalized-by-their-own-mean",
        trap="2: the batches are made with the training pixels' mean, the statement names the checkpoint's",
        file="transferbound/data/encoded.py",
        old="self._mean = torch.tensor(preprocessing.mean, dtype=torch.float32).view(1, -1, 1, 1)",
        new="self._mean = torch.full((1, 3, 1, 1), float(pixels.mean() / 255))",
        tests=tests_in(
            "leaks/test_leaks.py", "test_fitted_preprocessing_that_the_certificate_keeps_silent_about"
        ),
    ),
    Control(
        name="a-start-centred-over-the-batch",
        trap="13: what the names of the classes say of a picture depends on the pictures beside it",
        file="transferbound/priors/components/classifier.py",
        old="started = nn.functional.linear(components[:, : self.start.shape[1]], self.start)",
        new="started = nn.functional.linear((components - components.mean(0))[:, : self.start.shape[1]], self.start)",
        tests=tests_in(
            "priors/components/test_named_classes.py", "test_the_decoder_adds_the_map_to_what_the_head_says"
        ),
    ),
    Control(
        name="a-start-from-numbers",
        trap="2: a head starts from classes whose names are no words, in an order that the writer may choose",
        file="transferbound/priors/components/named_classes.py",
        old='if prior.modality != "image" or class_names is None or not are_words(class_names):',
        new='if prior.modality != "image" or class_names is None:',
        tests=tests_in(
            "priors/components/test_named_classes.py", "test_names_that_the_head_does_not_know_are_refused"
        ),
    ),
    Control(
        name="a-head-from-torch",
        trap="3: the head's start comes from a seed that no message names",
        file="transferbound/priors/head.py",
        old="        return torch.zeros(shape, dtype=torch.float32)",
        new="        return torch.randn(shape, generator=torch.Generator().manual_seed(5))",
        tests=tests_in("leaks/test_leaks.py", "test_a_head_that_starts_from_no_charged_seed"),
    ),
    Control(
        name="the-decoder-knows-the-seed",
        trap="4: the seed that the decoder uses is not the one that the message names and pays for",
        file="transferbound/subspace/config.py",
        old="seed=header.seed,",
        new="seed=3,",
        tests=(
            *tests_in("leaks/test_leaks.py", "test_a_seed_that_the_message_does_not_name"),
            *tests_in("test_predictor.py", "test_the_predictor_is_theta0_and_the_offset"),
        ),
    ),
    Control(
        name="all-seeds-are-one",
        trap="4: what the header pays for changes nothing, so that another choice must make the difference",
        file=_HASHED,
        old=_HASH,
        new=_HASH.replace("config.seed", "0"),
        tests=tests_in(
            "subspace/test_subspace_decode.py",
            "test_the_decoder_depends_on_every_choice",
            "test_golden_vectors",
        ),
    ),
    Control(
        name="the-head-is-in-the-optimizer",
        trap="5: tensors that no message carries are trained beside the coordinates",
        file="transferbound/finetune/loop.py",
        old="SharedAdam([model.coordinates], lr",
        new="SharedAdam([model.coordinates, *model._trainable], lr",
        tests=tests_in("leaks/test_leaks.py", "test_the_optimizer_gets_the_coordinates_and_the_step_alone"),
    ),
    Control(
        name="every-tensor-asks-for-a-gradient",
        trap="5: parameters outside the subspace may be trained",
        file=_MODEL,
        old="p.requires_grad_(id(p) in chosen)",
        new="p.requires_grad_(True)",
        tests=(
            *tests_in("subspace/test_subspace_model.py", "test_only_trainable_parameters_ask_for_a_gradient"),
            *tests_in("leaks/test_leaks.py", "test_the_optimizer_gets_the_coordinates_and_the_step_alone"),
        ),
    ),
    Control(
        name="tied-weights-are-untied",
        trap="6: a weight that is used twice is moved once",
        file=_MODEL,
        old="        self.model = model\n        self.quantizer",
        new=(
            "        for part in model.modules():\n"
            "            for name, p in list(part._parameters.items()):\n"
            "                part._parameters[name] = None if p is None else nn.Parameter(p.detach().clone())\n"
            "        self.model = model\n        self.quantizer"
        ),
        tests=tests_in("subspace/test_subspace_model.py", "test_tied_weights_stay_tied"),
    ),
    Control(
        name="p-follows-torchs-random-state",
        trap="7: P is a function of more than the seed that the message names",
        file=_HASHED,
        old=_HASH,
        new=_HASH.replace("config.seed", "config.seed + torch.initial_seed()"),
        tests=(
            *tests_in("leaks/test_leaks_counting.py", "test_the_projection_is_a_function_of_the_seed_alone"),
            *tests_in("subspace/test_subspace_decode.py", "test_golden_vectors"),
        ),
    ),
    Control(
        name="streams-are-keyed-by-pythons-hash",
        trap="7: random streams that differ from process to process",
        file="transferbound/streams.py",
        old='hashlib.sha256(f"{seed}:{name}".encode())',
        new='hashlib.sha256(f"{seed}:{hash(name)}".encode())',
        tests=(
            *tests_in("subspace/test_subspace_processes.py", "test_another_process_decodes_the_same_bits"),
            *tests_in("subspace/test_subspace_decode.py", "test_golden_vectors"),
            *tests_in("test_streams.py", "test_golden_vectors"),
        ),
    ),
    Control(
        name="streams-depend-on-their-length",
        trap="7: the first numbers of a long stream are not those of a short one",
        file="transferbound/streams.py",
        old="(start + low + 1) * _GAMMA",
        new="(start + low + count) * _GAMMA",
        tests=tests_in(
            "test_streams.py",
            "test_a_slice_is_part_of_the_longer_run",
            "test_words_follow_the_documented_mapping",
        ),
    ),
    Control(
        name="the-offset-is-added-in-float32",
        trap="7: sums whose last digits follow the library and the number of threads",
        file=_DECODE,
        old="theta + integers * (factor * step**power if power == 1 else factor * step * step)",
        new="theta.float() + (integers * (factor * step**power if power == 1 else factor * step * step)).float()",
        tests=tests_in(
            "subspace/test_subspace_decode.py", "test_offset_is_correctly_rounded", "test_golden_vectors"
        ),
    ),
    Control(
        name="sums-may-pass-the-exact-range",
        trap="7: integers too large for float64 to hold exactly",
        file=_DECODE,
        old="if projection.exact_bound(q) >= _EXACT:",
        new="if False:",
        tests=tests_in("subspace/test_subspace_decode.py", "test_sums_past_the_exact_range_are_refused"),
    ),
    Control(
        name="the-decoder-has-another-step",
        trap="11: what is decoded is not what was trained",
        file="transferbound/predictor.py",
        old="add_offset_(module, projection, integers, step_size(header.step))",
        new="add_offset_(module, projection, integers, 1.5 * step_size(header.step))",
        tests=(
            *tests_in("leaks/test_leaks_counting.py", "test_the_training_object_rounded_to_the_grid_agrees"),
            *tests_in("test_predictor.py", "test_the_predictor_is_theta0_and_the_offset"),
        ),
    ),
    Control(
        name="the-step-is-not-one-of-the-message",
        trap="11: the grid that was trained on is not the one that the message can name",
        file="transferbound/subspace/quantizer.py",
        old="        self.log_step.fill_(self.exponent * math.log(2) / 4)\n",
        new="",
        tests=(
            *tests_in("subspace/test_quantize.py", "test_snapped_steps_are_those_of_the_message"),
            *tests_in("leaks/test_leaks_counting.py", "test_the_training_object_rounded_to_the_grid_agrees"),
        ),
    ),
    Control(
        name="the-decoder-leaves-the-head-alone",
        trap="11: training and decoding move different tensors",
        file=_DECODE,
        old="for index in projection.trainable:",
        new="for index in projection.trainable[:-1]:",
        tests=(
            *tests_in("subspace/test_subspace_models.py", "test_battery"),
            *tests_in("subspace/test_subspace_decode.py", "test_training_path_agrees_with_the_decoder"),
        ),
    ),
    Control(
        name="cached-features-are-not-tried",
        trap="11, 15: training on features that another network left in the cache",
        file="transferbound/features/cache.py",
        old="kept is not None and _is_fresh(kept, part, few)",
        new="kept is not None",
        tests=(
            *tests_in("features/test_features.py", "test_stale_features_are_noticed"),
            *tests_in("features/test_features_tail.py", "test_damaged_and_stale_features_are_computed_anew"),
        ),
    ),
    Control(
        name="damaged-arrays-are-read",
        trap="15: a cache file whose bytes are not those that were written",
        file="transferbound/storage/arrays.py",
        old='if hashlib.file_digest(file, "sha256").hexdigest() != stated:',
        new="if False:",
        tests=(
            *tests_in("features/test_features.py", "test_damage_is_noticed_and_repaired"),
            *tests_in("features/test_features_tail.py", "test_damaged_and_stale_features_are_computed_anew"),
        ),
    ),
    Control(
        name="the-cache-does-not-know-the-order",
        trap="15: a cache key that leaves out what the cached thing depends on",
        file="transferbound/features/cache.py",
        old="hashlib.sha256(data.row_hashes.tobytes())",
        new="hashlib.sha256(data.fingerprint.encode())",
        tests=tests_in("features/test_features.py", "test_another_prior_order_or_size_does_not_hit"),
    ),
    Control(
        name="a-head-that-is-not-last-is-taken-for-one",
        trap="11: features train another network than the one that is certified",
        file="transferbound/features/head.py",
        old="    if not close(found, expected, _TOLERANCE):\n",
        new="    if False:\n",
        tests=tests_in("features/test_features.py", "test_a_head_that_is_not_last_is_noticed"),
    ),
    Control(
        name="a-cut-is-not-tried",
        trap="11: a model is cut where more than the kept features enters the rest",
        file="transferbound/features/trial.py",
        old="        logits = self._run(tail, layout, fresh, before.device)\n",
        new="        return layout, fresh\n",
        tests=tests_in(
            "features/test_features_tail.py", "test_a_model_that_cannot_be_cut_is_trained_as_a_whole"
        ),
    ),
)

"""Language models: scoring documents and a training step, against plain loops over the same network.

    python benchmarks/language.py [--prior ID_OR_DIR_OR_GGUF] [--documents 256] [--kinds hashed:1000,...]

Without ``--prior`` the network is a small random Llama. "scoring" is the throughput of ``log_likelihoods``, its trial
and its further statistics included, as a part of that of a plain loop: forward, log-softmax, sum, in batches of the
same size, longest first. "step" is the time of a step on the documents' loss in a subspace, as a part of that of a
step of full finetuning with Adam on the cross-entropy. Both in turns in one process, so that a busy machine slows both;
medians of ``--repeats``. With one thread seconds are those of the process: waiting for others does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from transferbound import Prior, SubspaceConfig, SubspaceModel
from transferbound.data.encoded_documents import EncodedDocuments, _Flat
from transferbound.priors import DocumentPreprocessing
from transferbound.risks.bits_per_token import BitsPerToken
from transferbound.risks.likelihoods import log_likelihoods

TASK = "text-generation"
_CPU_TOKENS = 512  # in a batch without gradients: what a CPU's caches hold, in both loops


def small_llama(folder: Path) -> Prior:
    """Random weights, 10 million parameters, and a tokenizer that nothing is read with."""
    import transformers
    from tokenizers import Tokenizer, models

    config = transformers.LlamaConfig(
        vocab_size=8192, hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    words = {f"w{place}": place for place in range(8192)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="w1", eos_token="w2", model_max_length=512
    ).save_pretrained(folder)
    return Prior.from_pretrained(str(folder), task=TASK)


def random_documents(preprocessing: DocumentPreprocessing, n: int) -> EncodedDocuments:
    """Tokens drawn evenly: half of the documents are cut, the others of any length."""
    random = np.random.default_rng(0)
    most = preprocessing.input_size
    lengths = np.where(np.arange(n) % 2, most, random.integers(max(8, most // 4), most + 1, n))
    lengths += preprocessing.unpredicted
    tokens = random.integers(0, preprocessing.vocabulary, int(lengths.sum())).astype(np.uint32)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return EncodedDocuments(_Flat(tokens, offsets), np.arange(n), preprocessing)


def batches_of(data: EncodedDocuments) -> list[np.ndarray]:
    """Documents of one length together, longest first, as many tokens as a CPU's caches hold."""
    order, found = np.argsort(-data.lengths, kind="stable"), []
    for group in np.split(order, np.flatnonzero(np.diff(data.lengths[order])) + 1):
        size = max(1, _CPU_TOKENS // max(1, int(data.lengths[group[0]])))
        found += [group[start : start + size] for start in range(0, len(group), size)]
    return found


@torch.inference_mode()
def plain_scoring(network: nn.Module, start: int, data: EncodedDocuments) -> None:
    for rows in batches_of(data):
        ids = data.batch(rows)["input_ids"]
        given = max(1, start)
        logits = network(input_ids=ids[:, :-1]).logits[:, given - 1 :].log_softmax(2)
        logits.gather(2, ids[:, given:, None]).sum((1, 2))


def in_turns(repeats: int, *parts: Callable[[], object]) -> list[float]:
    """Median seconds of each part."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times: list[list[float]] = [[] for _ in parts]
    for turn in range(repeats + 1):
        for part, found in zip(parts, times, strict=True):
            begun = clock()
            part()
            if turn:  # the first is a rehearsal
                found.append(clock() - begun)
    return [statistics.median(found) for found in times]


def scoring(prior: Prior, data: EncodedDocuments, vocabulary: int, repeats: int) -> dict[str, Any]:
    module = prior.build_language_model()
    plain, own = in_turns(
        repeats,
        lambda: plain_scoring(module.network, module.start, data),
        lambda: log_likelihoods(module, data, vocabulary),
    )
    tokens = int(data.lengths.sum())
    return {"what": "scoring", "plain": tokens / plain, "own": tokens / own, "ratio": plain / own}


def steps(
    prior: Prior, data: EncodedDocuments, vocabulary: int, kind: str, options: argparse.Namespace
) -> dict[str, Any]:
    family, _, dim = kind.partition(":")
    rank = 4 if family == "lora" else 0
    before = np.full(data.n, -8.0) * data.lengths
    risk = BitsPerToken.of(data, before, mix=8, vocabulary=vocabulary, least=int(data.lengths.min()))
    rows = np.flatnonzero(data.lengths == data.lengths.max())[: options.batch]
    batch = data.batch(rows)
    config = SubspaceConfig(family, int(dim), **({"rank": rank} if rank else {}))
    own = SubspaceModel(prior.build_language_model(), config, ()).train()
    own_adam = torch.optim.Adam(own.trainable_parameters(), lr=1e-4)
    module = prior.build_language_model()
    network = module.network.train()
    adam = torch.optim.Adam(network.parameters(), lr=1e-4)
    given = max(1, module.start)

    def in_subspace() -> None:
        risk.surrogate(own(**batch), rows).mean().backward()
        own_adam.step()
        own_adam.zero_grad()

    def plainly() -> None:
        logits = network(input_ids=batch["input_ids"][:, :-1]).logits[:, given - 1 :]
        nn.functional.cross_entropy(logits.flatten(0, 1), batch["input_ids"][:, given:].flatten()).backward()
        adam.step()
        adam.zero_grad()

    plain, mine = in_turns(options.repeats, plainly, in_subspace)
    return {"what": f"step, {kind}", "plain": plain, "own": mine, "ratio": mine / plain}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--prior", help="a causal language model, or one GGUF file; default: a small Llama")
    parser.add_argument("--documents", type=int, default=256)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8, help="documents in a step")
    parser.add_argument("--kinds", default="hashed:1000,film:1000,lora:1000", help="KIND:DIM, by commas")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the rows here too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        named = options.prior
        prior = small_llama(Path(folder)) if named is None else Prior.from_pretrained(named, task=TASK)
        preprocessing = prior.preprocessing(options.max_tokens)
        assert isinstance(preprocessing, DocumentPreprocessing)
        data = random_documents(preprocessing, options.documents)
        print(f"{prior.architecture}, {prior.num_parameters:,} parameters, {options.threads} threads")
        rows = [scoring(prior, data, preprocessing.vocabulary, options.repeats)]
        print(f"{'scoring, tokens a second':28} {rows[0]['own']:10.0f} {rows[0]['plain']:10.0f} plain "
              f"{rows[0]['ratio']:6.3f}", flush=True)  # fmt: skip
        for kind in options.kinds.split(","):
            row = steps(prior, data, preprocessing.vocabulary, kind, options)
            rows.append(row)
            print(
                f"{row['what'] + ', seconds':28} {row['own']:10.3f} {row['plain']:10.3f} plain {row['ratio']:6.3f}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

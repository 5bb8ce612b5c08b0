"""Decodes messages and scores documents in a process that knows nothing of those who wrote them.

    python afresh.py JOBS OUT

``JOBS`` is a JSON list of ``[name, checkpoint, message, documents, max_tokens, min_tokens]``; ``OUT`` is an ``npz``
of log-likelihoods by name and batch size, and of a digest of each model's tensors.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transferbound import Prior
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import EncodedDocuments, encode_documents
from transferbound.language_predictor import decode_language_predictor
from transferbound.risks.likelihoods import log_likelihoods

__all__ = ["BATCH_SIZES", "digest", "scored"]

BATCH_SIZES = (1, 2, 7, 250)


def digest(module: torch.nn.Module) -> str:
    """sha256 over the bytes of every tensor."""
    found = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()


def scored(
    checkpoint: str, message: bytes, documents: str, max_tokens: int, min_tokens: int
) -> tuple[EncodedDocuments, dict[str, Any]]:
    """The documents, log2 of each one's probability by batch size, and the digest, of the last stage's model."""
    prior = Prior.from_pretrained(checkpoint, task="text-generation")
    predictor = decode_language_predictor(prior, message, max_tokens=max_tokens)
    encoded = encode_documents(
        predictor.preprocessing, Documents.load(documents), min_tokens=min_tokens, progress=False
    )
    module, vocabulary = predictor.stages[-1].module, predictor.preprocessing.vocabulary
    found: dict[str, Any] = {"digest": digest(module)}
    for size in BATCH_SIZES:
        how = {"batch_size": size, "seed": None if size == 1 else size}
        found[str(size)] = log_likelihoods(module, encoded, vocabulary, **how).log2
    return encoded, found


if __name__ == "__main__":
    results = {}
    for name, checkpoint, message, *rest in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        for key, value in scored(checkpoint, bytes.fromhex(message), *rest)[1].items():
            results[f"{name}/{key}"] = np.asarray(value)
    np.savez(sys.argv[2], **results)

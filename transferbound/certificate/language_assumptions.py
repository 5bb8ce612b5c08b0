"""What must be true, beyond what was checked, for a certificate on a language model to hold: in plain words."""

from __future__ import annotations

from transferbound.certificate._reading import given_in_memory
from transferbound.certificate.assumptions import left_out_files, overlaps, slices, variants
from transferbound.certificate.language_content import DocumentsContent, LanguageDecoderContent, PoolContent
from transferbound.independence.record import IndependenceRecord

__all__ = ["language_assumptions"]


def language_assumptions(
    data: DocumentsContent,
    decoder: LanguageDecoderContent,
    independence: IndependenceRecord,
    confidence: float,
    prior: str,
) -> list[str]:
    """The assumptions behind a statement, one sentence or two each."""
    if "pool" in data:
        found = [_drawn(data, data["pool"]), _population(data, decoder)]
    else:
        found = [_unit(data), _population(data, decoder), *_prior(independence, prior)]
    found += [*left_out_files(data), *given_in_memory(data["id"])]
    if "cut" in data:
        found.append(slices(data["split"], data["cut"]))
    return [
        *found,
        *([] if "pool" in data else [_NEW]),
        "The bound is on the mean over documents of the mean over a document's tokens; it says nothing of "
        "one document, "
        "of tokens behind the cut, or of what the model writes by itself.",
        f"The confidence {confidence!r}, the unit, the column, the cut to {decoder['max_tokens']} tokens, the least "
        f"number of tokens, {decoder['min_tokens']}, the tokenizer, the start of a document and the format of the "
        "message were fixed before the training data was seen; so was the choice of the rows.",
        "Losses are computed in float32 and sums in float64; every loss and bound on a loss that is stated has "
        f"{decoder['slack']:g} bits per token added, which is more than machines were found to differ by.",
        variants(decoder["candidates"], decoder.get("list_written")),
        *([] if "pool" in data else overlaps(data["overlap"])),
    ]


_NEW = "New documents are drawn from the same distribution as the training documents; nothing is said of shifted data."


def _drawn(data: DocumentsContent, pool: PoolContent) -> str:
    return (
        f"The bound is about the {pool['rows']:,} documents of the split, of which {data['rows']:,} were "
        f"drawn at random, "
        f"without replacement, by the seed {pool['seed']}. By the word of the writer, which nothing here can "
        f"check, the seed "
        "was not chosen by what came of it, and nothing of the prior depends on it. Nothing else need be "
        "known: neither "
        "how the documents came about, nor whether the checkpoint was trained on them. It says nothing of others."
    )


def _prior(independence: IndependenceRecord, prior: str) -> list[str]:
    doubt = "" if independence["verdict"] == "none found" else "WARNING: "
    found = [doubt + independence["assumption"]]
    if independence["checked"]["pretraining_data"] is None:
        found.append(
            f"WARNING: what {prior} was trained on was not searched for these documents. Whoever knows it can name it "
            "(--pretraining-data); a checkpoint that was trained on them has a lower loss here than on new "
            "ones. Where it "
            "cannot be known, --pool bounds the mean over a fixed set of documents, for which it does not matter."
        )
    return found


def _unit(data: DocumentsContent) -> str:
    group = data["columns"]["group"]
    if group is None:
        return f"The {data['units']:,} documents are independent draws: no two come from one source."
    return (
        f"The {data['units']:,} groups named by column {group!r} are independent draws; documents within one need not "
        "be. The loss is the mean over groups of the mean over a group's documents."
    )


def _population(data: DocumentsContent, decoder: LanguageDecoderContent) -> str:
    shorter = (
        "none was shorter" if not data["left_out"] else f"{data['left_out']:,} shorter ones were left out"
    )
    return (
        f"The bound is about documents of at least {decoder['min_tokens']} tokens, cut to the first "
        f"{decoder['max_tokens']}; of the {data['rows']:,} rows {shorter}."
    )

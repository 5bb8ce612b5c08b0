"""Every text architecture of transformers: the count of errors is the same in any batch, or the prior is refused.

pytest -m long tests/long/test_text_battery.py
python tests/long/test_text_battery.py [NAME ...] [--json FILE]    a table of what moves the logits of each
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

import companions
import text_architectures as architectures
import tiny_architectures

from transferbound import Prior
from transferbound.errors import PriorError
from transferbound.risks.counting import ErrorCount

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

REFUSED = {
    "big_bird, small blocks": "the first short row turns its sparse attention into full attention for good",
    "bros": "needs boxes beside the text",
    "canine": "cannot read a row of fewer than 4 tokens that comes alone",
    "dpr": "gives a pooled vector and no hidden states",
    "flava": "gives hidden states under names of its own",
    "funnel": "cannot read a row of fewer than 5 tokens that comes alone",
    "higgs_audio_v2": "gives logits and no hidden states",
    "idefics": "needs pixels beside the text",
    "inkling2_loop_text": "has no float64, so that close calls cannot be settled",
    "inkling2_text": "has no float64, so that close calls cannot be settled",
    "lxmert": "needs boxes and their features beside the text",
    "mra": "attends to nothing without its CUDA kernel: another predictor on another machine",
    "reformer": "draws its hashes at random, others for each batch",
    "reformer, seeded": "draws other hashes in float64 than in float32",
    "vilt": "needs pixels beside the text",
    "voxtral_realtime": "needs sound beside the text",
    "xglm": "has no float64, so that close calls cannot be settled",
}
"""What cannot be a prior for texts; everything else has to be counted."""

_EXPERTS = """
    axk1 axk2 deepseek_v2 deepseek_v3 gpt_oss hunyuan_v1_moe jamba minimax mistral4 mixtral phimoe
    qwen2_moe qwen3_moe qwen3_next afmoe aria_text bailing_hybrid cohere2_moe deepseek_v32 deepseek_v4
    dots1 dots3_note_text ernie4_5_moe exaone_moe flex_olmo glm4_moe glm4_moe_lite glm4v_moe_text
    glm5_next_text glm_moe_dsa granitemoe granitemoe_swa granitemoehybrid granitemoeshared hy_v3 hy_v4
    hy_v4_vl_text inkling_text kimi_linear kolibri1 laguna lara_mini lfm2_moe mellum mimo_v2_flash
    minimax_m2 minimax_m3_vl_text mistral_large4_text muse_spark_text nemotron_h olmoe qwen3_5_moe_text
    qwen3_vl_moe_text qwen4_exp_text sarvam_mla sarvam_moe solar_open zaya
"""
_NO_SIZE = "refused, but for a number of its configuration that is a vocabulary or a rotary base, not a size"
NOT_YET = {
    **dict.fromkeys(_EXPERTS.split(), "refused: the grouped product of its experts has no float64"),
    "big_bird, small blocks": "counted: no trial shows it a short row and a long one after it",
    "canine": "a short row ends the count without a refusal",
    "dpr": "its output ends the count without a refusal",
    "flava": "its output ends the count without a refusal",
    "funnel": "a short row ends the count without a refusal",
    "higgs_audio_v2": "its output ends the count without a refusal",
    "muse_glimmer_text": _NO_SIZE,
    "muse_spark_text": _NO_SIZE,
    "reformer, seeded": "counted: all its rows are settled in float64, where it is another model",
}
"""What fails today; a mark that is no longer needed shows as XPASS."""


REFUSED_OTHERWISE = dict.fromkeys(("gemma3n", "gemma4", "muse_glimmer", "muse_spark"), _NO_SIZE)


def _params(names: list[str], not_yet: dict[str, str]) -> list[Any]:
    return [
        pytest.param(name, marks=pytest.mark.xfail(strict=False, reason=not_yet[name]))
        if name in not_yet
        else name
        for name in names
    ]


@pytest.mark.parametrize("name", _params(architectures.text_architectures(), NOT_YET))
def test_count_is_the_same_in_any_batch_or_the_prior_is_refused(name: str, tmp_path: Path) -> None:
    folder = tiny_architectures.build(name, tmp_path)
    architecture = tiny_architectures.model_class(architectures.model_type(name)).__name__
    if name in REFUSED:
        with pytest.raises(PriorError) as refusal:
            _counts(Prior.from_pretrained(str(folder)))
        assert str(folder) in str(refusal.value) or architecture in str(refusal.value)
        return
    counts = _counts(Prior.from_pretrained(str(folder)))
    alone = counts["1"].wrong
    assert {
        way: count.errors for way, count in counts.items() if not np.array_equal(count.wrong, alone)
    } == {}
    assert not alone.any()  # labels are what the model says of each row alone


@pytest.mark.parametrize(
    "name",
    _params(architectures.ENCODER_DECODERS + architectures.NAMES_NO_HIDDEN_SIZE, REFUSED_OTHERWISE),
)
def test_what_cannot_be_a_text_prior_is_refused_by_name(name: str, tmp_path: Path) -> None:
    if name not in architectures.model_types():
        pytest.skip("not in this release of transformers")
    folder = tiny_architectures.write_configuration(name, tmp_path)
    with pytest.raises(PriorError, match=r"is an encoder-decoder|names no hidden size") as refusal:
        Prior.from_pretrained(str(folder))
    assert str(folder) in str(refusal.value)


@pytest.mark.xfail(strict=False, reason="taken for text encoders")
@pytest.mark.parametrize(
    "name", ["clip_vision_model", "pixtral", "siglip_vision_model", "videomae", "vit_mae"]
)
def test_what_reads_no_text_is_refused_by_name(name: str, tmp_path: Path) -> None:
    folder = tiny_architectures.build(name, tmp_path)
    with pytest.raises(PriorError) as refusal:
        Prior.from_pretrained(str(folder))
    assert str(folder) in str(refusal.value)


def test_architectures_said_to_read_no_text_read_none() -> None:
    known = set(architectures.model_types())
    for name in known.intersection(architectures.READS_NO_TEXT):
        network_class = tiny_architectures.model_class(name)
        takes = inspect.signature(network_class.forward).parameters
        assert network_class.main_input_name != "input_ids" or "input_ids" not in takes, name


def _counts(prior: Prior) -> dict[str, ErrorCount]:
    rows = companions.random_rows()
    module = prior.build(companions.CLASSES, head_seed=1)
    try:
        module, said = companions.made_sensitive(module, companions.encoded(prior, rows))
    except Exception:  # it cannot read each row alone; the count has to say so
        said = np.zeros(len(rows), dtype=np.int64)
    return companions.counted(module, companions.encoded(prior, rows, said))


def examine(name: str) -> dict[str, Any]:
    """One line of the table, as plain data."""
    with tempfile.TemporaryDirectory() as folder:
        prior = Prior.from_pretrained(str(tiny_architectures.build(name, Path(folder))))
    data = companions.encoded(prior, companions.random_rows(shortest=5))  # some read no shorter row
    found: dict[str, Any] = {"name": name, "architecture": prior.architecture}
    for precision in ("float32", "float64"):
        module = prior.build(companions.CLASSES, head_seed=1)
        try:
            module = companions.widened(module) if precision == "float64" else module
            found[precision] = asdict(companions.effects(module, data))
        except Exception as error:
            found[precision] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    try:
        found["errors"] = {way: count.errors for way, count in _counts(prior).items()}
    except Exception as error:
        found["errors"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return found


def verdict(found: dict[str, Any]) -> str:
    """The first of: crashes, random, remembers, batch, padding, reads nothing, fine."""
    moves = found["float32"]
    if isinstance(moves, str):
        return "crashes"
    for kind, key in (
        ("random", "again"),
        ("remembers", "later"),
        ("batch", "beside"),
        ("padding", "padded"),
    ):
        if not moves[key] < 1e-5:
            return kind
    return "fine" if moves["spread"] > 1e-4 else "reads nothing"


def main() -> None:
    parser = argparse.ArgumentParser(description="what moves the logits of each text architecture")
    parser.add_argument("names", nargs="*", default=architectures.text_architectures())
    parser.add_argument("--json", type=Path, help="write the table as JSON lines")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    keys = ("again", "beside", "padded", "later")
    print(f"{'architecture':26} {'verdict':14} {'float32: ' + ' '.join(keys):36} {'float64':36} errors")
    lines = []
    for name in options.names:
        try:
            found = examine(name)
        except PriorError as refusal:
            print(f"{name:26} refused        {refusal}", flush=True)
            continue
        lines.append(json.dumps({**found, "verdict": verdict(found)}))
        moves = [
            some if isinstance(some, str) else " ".join(f"{some[key]:8.0e}" for key in keys)
            for some in (found["float32"], found["float64"])
        ]
        errors = (
            found["errors"]
            if isinstance(found["errors"], str)
            else " ".join(map(str, found["errors"].values()))
        )
        print(f"{name:26} {verdict(found):14} {moves[0][:36]:36} {moves[1][:36]:36} {errors}", flush=True)
        if options.json:
            options.json.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

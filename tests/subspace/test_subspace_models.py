"""One battery over kinds and models: train, round to integers, decode into a fresh copy, compare."""

import fnmatch
from collections.abc import Callable

import pytest
import torch
from torch import nn

from transferbound.message import KINDS as FIRST_KINDS
from transferbound.subspace import SubspaceConfig, SubspaceModel, decode_offset_

CLASSES = 4
KINDS = (*FIRST_KINDS, "film+kron")


def timm_model(name: str, **sizes) -> nn.Module:
    import timm

    return timm.create_model(name, pretrained=False, num_classes=CLASSES, **sizes)


def transformer(name: str, **sizes) -> nn.Module:
    import transformers

    common = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config_name, model_name, fields = {
        "bert": ("BertConfig", "BertForSequenceClassification", common),
        "distilbert": (
            "DistilBertConfig",
            "DistilBertForSequenceClassification",
            {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48},
        ),
        "gpt2": ("GPT2Config", "GPT2LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 2}),
        "llama": ("LlamaConfig", "LlamaForCausalLM", {**common, "num_key_value_heads": 1}),
        "t5": (
            "T5Config",
            "T5ForConditionalGeneration",
            {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2},
        ),
        "vit": ("ViTConfig", "ViTForImageClassification", {**common, "image_size": 32, "patch_size": 8}),
    }[name]
    if name != "vit":
        fields = {**fields, "vocab_size": 97, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    if name == "t5":
        fields["decoder_start_token_id"] = 0
    config = getattr(transformers, config_name)(**fields)
    if name in ("bert", "distilbert", "vit"):
        config.num_labels = CLASSES
    return getattr(transformers, model_name)(config)


#: name -> (build, image side or 0 for tokens, beginnings of the head's parameter names)
MODELS: dict[str, tuple[Callable[[], nn.Module], int, tuple[str, ...]]] = {
    "resnet18": (lambda: timm_model("resnet18", channels=(8, 16, 24, 32)), 32, ("fc.",)),
    "efficientnet_lite0": (lambda: timm_model("efficientnet_lite0"), 32, ("classifier.",)),
    "mobilenetv3": (lambda: timm_model("mobilenetv3_small_050"), 32, ("classifier.",)),
    "convnext": (
        lambda: timm_model("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)),
        64,
        ("head.fc.",),
    ),
    "vit_tiny": (
        lambda: timm_model(
            "vit_tiny_patch16_224", embed_dim=32, depth=2, num_heads=2, img_size=32, patch_size=8
        ),
        32,
        ("head.",),
    ),
    "mobilevit": (lambda: timm_model("mobilevit_xxs"), 64, ("head.fc.",)),
    "bert": (lambda: transformer("bert"), 0, ("classifier.",)),
    "distilbert": (lambda: transformer("distilbert"), 0, ("classifier.",)),
    "gpt2": (lambda: transformer("gpt2"), 0, ("lm_head.weight",)),  # tied to the embedding
    "llama": (lambda: transformer("llama"), 0, ("lm_head.",)),
    "t5": (lambda: transformer("t5"), 0, ("lm_head.",)),
    "vit": (lambda: transformer("vit"), 32, ("classifier.",)),
}


def fresh(name: str) -> tuple[nn.Module, tuple[str, ...]]:
    """The prior: the same weights at each call."""
    build, _, prefixes = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build()
    names = [n for n, _ in model.named_parameters(remove_duplicate=False)]
    return model, tuple(n for n in names if n.startswith(prefixes))


def data_for(name: str) -> dict[str, torch.Tensor]:
    side = MODELS[name][1]
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(CLASSES, (4,), generator=generator)
    if side:
        return {"x": torch.randn(4, 3, side, side, generator=generator), "labels": labels}
    ids = torch.randint(3, 97, (4, 6), generator=generator)
    return {"input_ids": ids, "labels": labels if "bert" in name else ids}


def logits_of(model: nn.Module, data: dict[str, torch.Tensor]) -> torch.Tensor:
    if "x" in data:
        out = model(data["x"])
    elif data["labels"].ndim == 2:
        out = model(**data)
    else:
        out = model(input_ids=data["input_ids"])
    return out if isinstance(out, torch.Tensor) else out.logits


def loss_of(model: nn.Module, data: dict[str, torch.Tensor]) -> torch.Tensor:
    return nn.functional.cross_entropy(logits_of(model, data).flatten(0, -2), data["labels"].flatten())


def config_for(kind: str, parameters: int) -> SubspaceConfig:
    dim = {"dense": min(60, (1 << 27) // parameters), "head": 40}.get(kind, 60)
    patterns = "*norm*,*bn*,head*,classifier*,fc,lm_head,*wte*" if kind == "modules" else ""
    return SubspaceConfig(kind, dim, seed=3, modules=patterns)


def patterns_that_match(config: SubspaceConfig, model: nn.Module) -> SubspaceConfig:
    """Of the patterns for kind "modules", those that name something in this model."""
    if config.kind != "modules":
        return config
    names = {n for n, p in model.named_modules() if any(True for _ in p.parameters())}
    names |= {n for n, _ in model.named_parameters()}
    kept = [
        part
        for part in config.patterns
        if any(fnmatch.fnmatchcase(n, part) for n in names) and part != "lm_head"
    ]
    return SubspaceConfig("modules", config.dim, config.seed, modules=",".join(kept))


def assert_battery(name: str, kind: str) -> None:
    model, head = fresh(name)
    config = patterns_that_match(config_for(kind, sum(p.numel() for p in model.parameters())), model)
    subspace = SubspaceModel(model, config, head)
    data = data_for(name)
    start = loss_of(subspace.eval(), data).item()
    optimizer = torch.optim.Adam(subspace.trainable_parameters(), lr=0.01)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        subspace.train()
        for _ in range(4):
            optimizer.zero_grad()
            loss_of(subspace, data).backward()
            optimizer.step()
    subspace.eval()
    assert loss_of(subspace, data).item() < start
    subspace.check_buffers()

    step = 2.0**-9.25
    integers = (subspace.coordinates.detach().double() / step).round().long()
    assert integers.abs().max() > 3
    subspace.coordinates.data.copy_(integers.double() * step)
    decoded, again = fresh(name)[0].eval(), fresh(name)[0].eval()
    decode_offset_(decoded, config, integers, step, head)
    decode_offset_(again, config, integers, step, head)
    moved = 0
    for (key, q), r, before in zip(
        decoded.named_parameters(), again.parameters(), fresh(name)[0].parameters(), strict=True
    ):
        assert torch.equal(q, r), key
        moved += int(not torch.equal(q, before))
    assert moved == len(subspace.projection.trainable)
    with torch.no_grad():
        exact, trained = logits_of(decoded, data), logits_of(subspace, data)
        assert torch.equal(exact, logits_of(again, data))
    assert (exact - trained).abs().max() <= 1e-4 * exact.abs().max().clamp(min=1)
    for p, q in zip(subspace.model.parameters(), decoded.parameters(), strict=True):
        assert (p - q).abs().max() <= 2e-6 * q.abs().max().clamp(min=1)


QUICK = [
    (name, KINDS[(2 * place + k * 5) % len(KINDS)]) for place, name in enumerate(MODELS) for k in range(2)
]


@pytest.mark.parametrize(("name", "kind"), QUICK)
def test_battery(name, kind):
    assert_battery(name, kind)


def test_the_quick_battery_meets_every_model_and_kind():
    assert {name for name, _ in QUICK} == set(MODELS)
    assert {kind for _, kind in QUICK} == set(KINDS)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_full_battery(name, kind):
    assert_battery(name, kind)


def gradient_of(name: str, kind: str, reentrant: bool | None) -> torch.Tensor:
    model, _ = fresh(name)  # without a head, film leaves the embeddings alone
    subspace = SubspaceModel(model, SubspaceConfig(kind, 60)).eval()
    subspace.coordinates.data.fill_(0.05)
    if reentrant is not None:
        subspace.train()  # transformers checkpoints in train mode only
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        # The name since transformers 5, or the one before.
        old = subspace.model.gradient_checkpointing_enable
        getattr(subspace, "activation_checkpointing_enable", old)({"use_reentrant": reentrant})
    loss_of(subspace, data_for(name)).backward()
    return subspace.coordinates.grad


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("kind", ["film", "hashed"])
def test_checkpointing_of_transformers(kind, reentrant):
    """With frozen embeddings, reentrant checkpointing would drop the first block's gradient."""
    expected = gradient_of("gpt2", kind, None)
    got = gradient_of("gpt2", kind, reentrant)
    assert (got - expected).norm() < 1e-5 * expected.norm()


def test_checkpointing_of_timm():
    model, head = fresh("vit_tiny")
    config = SubspaceConfig("modules", 60, modules="blocks.*,head")
    subspace = SubspaceModel(model, config, head)
    subspace.coordinates.data.fill_(0.05)
    found = []
    for enable in (False, True):
        model.set_grad_checkpointing(enable)
        subspace.zero_grad()
        loss_of(subspace, data_for("vit_tiny")).backward()
        found.append(subspace.coordinates.grad.clone())
    assert (found[0] - found[1]).norm() < 1e-5 * found[0].norm()


def test_save_pretrained_and_generate_use_the_current_weights(tmp_path):
    model, head = fresh("gpt2")
    subspace = SubspaceModel(model, SubspaceConfig("hashed", 60), head).eval()
    prior = fresh("gpt2")[0].eval()
    ids = data_for("gpt2")["input_ids"]
    options = {"max_new_tokens": 4, "do_sample": False, "attention_mask": torch.ones_like(ids)}
    assert torch.equal(subspace.generate(ids, **options), prior.generate(ids, **options))
    subspace.coordinates.data.uniform_(-2, 2)
    subspace.save_pretrained(tmp_path)  # no forward pass since the coordinates changed
    loaded = type(prior).from_pretrained(tmp_path).eval()
    assert torch.equal(loaded.generate(ids, **options), subspace.generate(ids, **options))
    assert torch.equal(logits_of(loaded, data_for("gpt2")), logits_of(subspace, data_for("gpt2")))
    assert not torch.equal(loaded.lm_head.weight, prior.lm_head.weight)


@pytest.mark.long
def test_trainer_finds_columns_and_saves(tmp_path):
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    model, head = fresh("bert")
    subspace = SubspaceModel(model, SubspaceConfig("film", 60), head)
    ids = torch.randint(3, 97, (16, 6), generator=torch.Generator().manual_seed(0))
    columns = {"input_ids": ids.tolist(), "labels": (ids[:, 0] % CLASSES).tolist(), "note": ["x"] * 16}
    data = Dataset.from_dict(columns)
    arguments = TrainingArguments(
        str(tmp_path),
        max_steps=6,
        per_device_train_batch_size=16,
        learning_rate=1e-2,
        use_cpu=True,
        report_to=[],
        label_names=["labels"],
        disable_tqdm=True,
    )
    trainer = Trainer(model=subspace, args=arguments, train_dataset=data, eval_dataset=data)
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before
    assert subspace.coordinates.abs().max() > 0

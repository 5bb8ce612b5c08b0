"""The wrapped model behaves as the user's own, and only the coordinates learn."""

import copy
import gc
import inspect
import io
import json
import pickle
import shutil
import warnings
import weakref

import pytest
import torch
from subspace_helpers import CONFIGS, HEAD, batch, loss_of, small_net
from torch import nn
from torch.utils.checkpoint import checkpoint

from transferbound.errors import SubspaceError
from transferbound.subspace import SubspaceConfig, SubspaceModel

HASHED = CONFIGS["hashed"]


def wrapped(config=HASHED, net=None, **kwargs):
    model = SubspaceModel(small_net() if net is None else net, config, HEAD, **kwargs)
    generator = torch.Generator().manual_seed(3)
    model.coordinates.data.copy_(0.05 * torch.randn(config.dim, generator=generator))
    return model


def gradient(model, x=None, y=None):
    if x is None:
        x, y = batch()
    model.zero_grad()
    loss_of(model, x, y).backward()
    return model.coordinates.grad.clone()


def relative(a, b):
    return float((a.double() - b.double()).norm() / b.double().norm())


class Rounding(nn.Module):
    """A straight-through grid with a learned step."""

    def __init__(self):
        super().__init__()
        self.log_step = nn.Parameter(torch.tensor(-4.0))

    def forward(self, w):
        step = self.log_step.exp2()
        scaled = w / step
        return (scaled + (scaled.round() - scaled).detach()) * step


# What learns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_training_moves_the_coordinates_and_lowers_the_loss(name):
    model = SubspaceModel(small_net(), CONFIGS[name], HEAD).train()
    assert [p is model.coordinates for p in model.trainable_parameters()] == [True]
    optimizer = torch.optim.Adam(model.trainable_parameters(), lr=0.05)
    x, y = batch()
    losses = []
    for _ in range(8):
        loss = loss_of(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is None for p in model.model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.01
    model.check_buffers()


def test_only_trainable_parameters_ask_for_a_gradient():
    model = wrapped(CONFIGS["film"])
    asking = {n for n, p in model.model.named_parameters() if p.requires_grad}
    assert asking == {n for n, p in small_net().named_parameters() if p.ndim == 1 or n == "fc.weight"}


def test_zero_coordinates_are_the_prior_and_at_prior_returns_to_it():
    x, _ = batch()
    net = small_net().eval()
    model = SubspaceModel(small_net(), HASHED, HEAD).eval()
    assert torch.equal(model(x), net(x))
    model.coordinates.data.fill_(0.1)
    moved = model(x)
    assert not torch.allclose(moved, net(x))
    with model.at_prior() as prior:
        assert torch.equal(prior(x), net(x))
    assert torch.equal(model(x), moved)


def test_quantizer_and_its_own_parameters_get_their_gradients():
    model = wrapped(quantizer=Rounding())
    assert len(model.trainable_parameters()) == 2
    model.quantizer.log_step.grad = None
    got = gradient(model)
    used = model.used_coordinates().detach()
    plain = wrapped()
    plain.coordinates.data.copy_(used)
    upstream = gradient(plain)
    assert relative(got, upstream) < 1e-6  # straight through
    step = model.quantizer.log_step.detach().exp2()
    w = model.coordinates.detach()
    expected = (upstream * ((w / step).round() - w / step)).sum() * step * torch.log(torch.tensor(2.0))
    assert relative(model.quantizer.log_step.grad, expected) < 1e-5


def test_changing_the_quantizer_alone_rewrites_the_weights():
    model = wrapped(quantizer=Rounding())
    x, _ = batch()
    before = model(x).detach()
    model.quantizer.log_step.data.fill_(-1.0)
    assert not torch.equal(model(x).detach(), before)


def test_a_quantizer_of_the_wrong_shape_is_refused():
    with pytest.raises(SubspaceError, match="quantizer returned shape"):
        wrapped(quantizer=nn.Linear(HASHED.dim, 3))(batch()[0])


# Traps: statistics and buffers -------------------------------------------------------------------------


class Leaky(SubspaceModel):
    """The leak of trap 1: batch normalization follows train mode."""

    def _freeze_statistics(self):
        return None


def run_in_train_mode(kind):
    model = kind(small_net(), HASHED, HEAD)
    model.coordinates.data.fill_(0.5)
    x, y = batch()
    model.train()
    model.model.train()  # also behind the wrapper's back
    loss_of(model, x, y).backward()
    alone = model(x[:1]).detach()
    together = model(x)[:1].detach()
    return model, alone, together


def test_statistics_never_move_and_an_example_does_not_depend_on_its_batch():
    model, alone, together = run_in_train_mode(SubspaceModel)
    model.check_buffers()
    assert torch.allclose(alone, together, atol=1e-6)
    assert model.model.training  # dropout and its like still train
    assert not model.model.features[1].training


def test_the_leak_is_seen():
    model, alone, together = run_in_train_mode(Leaky)
    assert not torch.allclose(alone, together, atol=1e-3)
    with pytest.raises(SubspaceError, match=r"features\.1\.\w+ moved"):
        model.check_buffers()


def test_batch_statistics_without_running_ones_are_refused():
    net = small_net()
    net.features[1] = nn.BatchNorm2d(8, track_running_stats=False)
    with pytest.raises(SubspaceError, match=r"features\.1.*batch"):
        SubspaceModel(net, HASHED, HEAD)


# Exactness on any model ----------------------------------------------------------------------------------


def test_tied_weights_stay_tied():
    model = wrapped()
    model(batch()[0])
    assert model.model.again.weight is model.model.mix.weight
    assert torch.equal(model.state_dict()["model.again.weight"], model.state_dict()["model.mix.weight"])


def test_gradient_accumulation_adds_up():
    x, y = batch()
    model = wrapped(quantizer=Rounding())
    whole = gradient(model)
    whole_step = model.quantizer.log_step.grad.clone()
    model.zero_grad()
    for part in (slice(0, 2), slice(2, 6)):
        (loss_of(model, x[part], y[part]) * (len(x[part]) / len(x))).backward()
    assert relative(model.coordinates.grad, whole) < 1e-5
    assert relative(model.quantizer.log_step.grad, whole_step) < 1e-4


def test_two_forward_passes_in_one_backward():
    x, y = batch()
    model = wrapped()
    whole = gradient(model)
    model.zero_grad()
    ((loss_of(model, x[:3], y[:3]) + loss_of(model, x[3:], y[3:])) / 2).backward()
    assert relative(model.coordinates.grad, whole) < 1e-5


class Checkpointed(nn.Module):
    def __init__(self, net, reentrant):
        super().__init__()
        self.net, self.reentrant = net, reentrant

    def forward(self, x):
        net = self.net
        x = checkpoint(net.features, x.requires_grad_(), use_reentrant=self.reentrant)
        x = checkpoint(lambda z: net.norm(z.mean((2, 3))), x, use_reentrant=self.reentrant)
        return net.fc(torch.tanh(net.again(torch.tanh(net.mix(x)))))


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("name", ["hashed", "film", "lora", "film+kron"])
def test_gradient_checkpointing(name, reentrant):
    config = CONFIGS[name]
    expected = gradient(wrapped(config, quantizer=Rounding()))
    net = Checkpointed(small_net(), reentrant)
    head = [f"net.{n}" for n in HEAD]
    model = SubspaceModel(net, config, head, quantizer=Rounding())
    model.coordinates.data.copy_(wrapped(config).coordinates.data)
    assert relative(gradient(model), expected) < 1e-5


def test_bf16_autocast_leaves_theta_in_full_precision():
    for name in ("hashed", "kron", "lora", "dense", "kron-sum"):
        plain = wrapped(CONFIGS[name])
        expected = gradient(plain)
        model = wrapped(CONFIGS[name])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(model, *batch())
            loss.backward()  # also inside the context
        for p, q in zip(model.model.parameters(), plain.model.parameters(), strict=True):
            assert torch.equal(p, q)
        assert model.coordinates.grad.dtype == torch.float32
        assert relative(model.coordinates.grad, expected) < 0.1


@pytest.mark.parametrize("name", ["hashed", "kron", "lora", "film+kron"])
def test_half_precision_modules(name):
    plain = wrapped(CONFIGS[name], small_net(torch.bfloat16).float())
    model = wrapped(CONFIGS[name], small_net(torch.bfloat16))
    x, y = batch()
    expected = gradient(plain)
    got = gradient(model, x.bfloat16(), y)
    assert model.coordinates.dtype == torch.float32
    assert model.model.mix.weight.dtype == torch.bfloat16
    for p, q in zip(model.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(p, q.bfloat16())
    assert relative(got, expected) < 0.2


def test_channels_last_is_the_same_map():
    expected = wrapped()
    model = wrapped(net=small_net().to(memory_format=torch.channels_last))
    assert relative(gradient(model), gradient(expected)) < 1e-5
    for p, q in zip(model.model.parameters(), expected.model.parameters(), strict=True):
        assert torch.equal(p, q)
    assert model.model.features[3].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.long)])
def test_compiled_model(backend):
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("torch's default compiler needs a C++ compiler")
    expected = gradient(wrapped(quantizer=Rounding()))
    model = wrapped(quantizer=Rounding())
    compiled = torch.compile(model, backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own deprecations
        first = gradient(compiled)
        assert relative(first, expected) < 1e-5
        model.coordinates.data.add_(0.1)
        moved = wrapped(quantizer=Rounding())
        moved.coordinates.data.add_(0.1)
        assert relative(gradient(compiled), gradient(moved)) < 1e-5
    assert all(p.grad is None for p in model.model.parameters())


def test_frozen_parameters_of_the_user_and_sparse_gradients():
    class Bag(nn.Module):
        def __init__(self, sparse):
            super().__init__()
            self.table = nn.Embedding(20, 4, sparse=sparse)
            self.fc = nn.Linear(4, 5)

        def forward(self, x):
            return self.fc(self.table(x).mean(1))

    gradients = []
    for sparse in (True, False):
        torch.manual_seed(0)
        model = SubspaceModel(Bag(sparse), SubspaceConfig("hashed", 30), HEAD)
        ids = torch.tensor([[1, 2, 2], [5, 0, 19]])
        loss_of(model, ids, torch.tensor([0, 1])).backward()
        gradients.append(model.coordinates.grad)
    assert torch.allclose(*gradients)


def test_a_failed_backward_leaves_nothing_behind():
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            raise RuntimeError("broken")

    model = wrapped()
    expected = gradient(wrapped())
    x, y = batch()
    hook = model.model.features.register_forward_hook(lambda m, a, out: Fails.apply(out))
    with pytest.raises(RuntimeError, match="broken"):
        loss_of(model, x, y).backward()
    hook.remove()
    assert model._totals
    assert relative(gradient(model), expected) < 1e-6
    assert not model._totals


# A module like any other -----------------------------------------------------------------------------------


def test_writes_to_data_are_seen_and_unchanged_coordinates_cost_nothing(monkeypatch):
    model = wrapped()
    x, _ = batch()
    model(x)
    calls = []
    monkeypatch.setattr(model, "_write", lambda *a: calls.append(a))
    model(x)
    assert not calls
    model.coordinates.data[0] += 1  # no version counter sees this
    model(x)
    assert len(calls) == len(model._trainable)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
def test_copies_are_independent_and_alive(how):
    model = wrapped(quantizer=Rounding())
    expected = gradient(model)
    if how == "deepcopy":
        twin = copy.deepcopy(model)
    elif how == "pickle":
        twin = pickle.loads(pickle.dumps(model))  # noqa: S301
    else:
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    assert torch.equal(gradient(twin), expected)
    twin.coordinates.data.zero_()
    x, _ = batch()
    assert torch.equal(twin.model.eval()(x), small_net().eval()(x))
    assert not torch.equal(model.eval()(x), twin(x))
    assert torch.equal(gradient(model), expected)


def test_state_dict_round_trip_and_stale_weights():
    model = wrapped(quantizer=Rounding())
    state = copy.deepcopy(model.state_dict())  # before any forward pass: must be up to date all the same
    twin = SubspaceModel(small_net(), HASHED, HEAD, quantizer=Rounding())
    twin.load_state_dict(state)
    x, _ = batch()
    assert torch.equal(twin.eval()(x), model.eval()(x))
    plain = small_net()
    plain.load_state_dict({k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")})
    assert torch.equal(plain.eval()(x), model(x))
    with pytest.raises(SubspaceError, match="assign"):
        twin.load_state_dict(state, assign=True)


def test_loading_into_the_inner_model_does_not_move_the_predictor():
    model = wrapped().eval()
    x, _ = batch()
    expected = model(x)
    model.load_state_dict({"model.mix.weight": torch.zeros(16, 16)}, strict=False)
    assert torch.equal(model(x), expected)
    model.model.load_state_dict(small_net().state_dict())
    assert torch.equal(model(x), expected)


def test_half_and_back_keep_the_coordinates():
    model = wrapped()
    before = model.coordinates.detach().clone()
    model.half()
    assert model.model.mix.weight.dtype == torch.float16
    assert torch.equal(model.coordinates, before)
    assert model.coordinates.dtype == torch.float32
    model.float()
    assert torch.equal(model.coordinates, before)
    assert torch.allclose(model(batch()[0]), wrapped()(batch()[0]), atol=1e-2)


def test_attributes_are_those_of_the_model():
    net = small_net()
    net.config = {"name": "small"}
    model = wrapped(net=net)
    assert model.config == {"name": "small"}
    assert model.fc is net.fc
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = model.nothing_of_the_kind
    assert not hasattr(model, "generate")


def test_wrapping_twice_is_refused():
    with pytest.raises(SubspaceError, match="already"):
        SubspaceModel(wrapped(), HASHED, HEAD)


def test_the_hooks_do_not_keep_the_model_alive():
    net = small_net()
    parameter = net.mix.weight
    model = wrapped(net=net)
    gradient(model)
    gone = weakref.ref(model)
    del model, net
    gc.collect()
    assert gone() is None
    assert parameter is not None


def test_reduce_gradient_reduces_only_the_coordinates():
    class Two:
        """Stands for two processes of which the other has gradient 3."""

        def __init__(self):
            self.sizes = []

        def reduce(self, tensor, reduction):
            assert reduction == "mean"
            self.sizes.append(tensor.numel())
            return (tensor + 3) / 2

    model = wrapped(quantizer=Rounding())
    own = gradient(model)
    both = Two()
    model.reduce_gradient(both)
    assert both.sizes == [HASHED.dim, 1]
    assert torch.equal(model.coordinates.grad, (own + 3) / 2)


def test_describe_is_plain_data():
    for config in CONFIGS.values():
        described = wrapped(config).describe()
        assert json.loads(json.dumps(described)) == described


def test_signature_is_the_models_own():
    model = wrapped()
    assert list(inspect.signature(model.forward).parameters) == ["x"]
    twin = copy.deepcopy(model)
    twin.coordinates.data.zero_()
    x, _ = batch()
    assert torch.equal(twin.eval()(x), small_net().eval()(x))


def test_mode_of_the_model_is_kept():
    assert not SubspaceModel(small_net().eval(), HASHED, HEAD).training
    assert SubspaceModel(small_net().train(), HASHED, HEAD).training


class Tokens(nn.Module):
    """A frozen embedding below a checkpointed block."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.block = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 5)
        self.grad_checkpointing = False

    def forward(self, x):
        x = self.table(x)
        x = checkpoint(self.block, x, use_reentrant=True) if self.grad_checkpointing else self.block(x)
        return self.fc(torch.tanh(x).mean(1))


def gradient_over_frozen_embedding(checkpointing, kind=SubspaceModel):
    torch.manual_seed(0)
    model = kind(Tokens(), SubspaceConfig("modules", 30, modules="block,fc"), HEAD)
    model.model.grad_checkpointing = checkpointing
    return gradient(model, torch.tensor([[1, 2], [5, 0]]), torch.tensor([0, 1]))


class Dropping(SubspaceModel):
    def _asks_for_input_gradients(self):
        return False


def test_reentrant_checkpointing_above_frozen_layers():
    expected = gradient_over_frozen_embedding(False)
    assert relative(gradient_over_frozen_embedding(True), expected) < 1e-6
    with pytest.warns(UserWarning, match="None of the inputs"):
        dropped = gradient_over_frozen_embedding(True, Dropping)
    assert relative(dropped, expected) > 0.1


# Without a copy of theta0 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hashed", "film", "kron", "dense", "kron-sum", "film+kron"])
def test_dropping_the_prior_gives_the_same_training(name):
    runs = []
    for keep in (True, False):
        model = SubspaceModel(
            small_net().to(memory_format=torch.channels_last), CONFIGS[name], HEAD, keep_prior=keep
        )
        optimizer = torch.optim.Adam(model.trainable_parameters(), lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            loss_of(model, *batch()).backward()
            optimizer.step()
        model.sync()
        runs.append(model)
    assert relative(runs[1].coordinates.detach(), runs[0].coordinates.detach()) < 1e-3
    exact = wrapped(CONFIGS[name])
    exact.coordinates.data.copy_(runs[1].coordinates.data)
    exact.sync()
    for p, q in zip(runs[1].model.parameters(), exact.model.parameters(), strict=True):
        assert (p - q).abs().max() <= 2e-6 * max(1.0, q.abs().max().item())
    held = [run.describe()["memory"]["prior"] for run in runs]
    assert held[0] > 0
    assert held[1] == 0


def test_dropping_the_prior_state_and_copies():
    model = SubspaceModel(small_net(), HASHED, HEAD, quantizer=Rounding(), keep_prior=False).eval()
    model.coordinates.data.fill_(0.3)
    state = copy.deepcopy(model.state_dict())
    x, _ = batch()
    twin = SubspaceModel(small_net(), HASHED, HEAD, quantizer=Rounding(), keep_prior=False).eval()
    twin.load_state_dict(state)
    for other in (twin, copy.deepcopy(model), copy.deepcopy(model).double().float()):
        assert torch.allclose(other(x), model(x), atol=1e-5)
        other.coordinates.data.zero_()
        assert torch.allclose(other(x), small_net().eval()(x), atol=1e-5)
    model.model.load_state_dict(small_net().state_dict())
    model.coordinates.data.fill_(0.1)
    with pytest.raises(SubspaceError, match="without their coordinates"):
        model(x)


def test_dropping_the_prior_is_refused_where_it_would_be_wrong():
    with pytest.raises(SubspaceError, match="not linear"):
        SubspaceModel(small_net(), CONFIGS["head+lora+hashed"], HEAD, keep_prior=False)
    with pytest.raises(SubspaceError, match="half precision"):
        SubspaceModel(small_net(torch.bfloat16), HASHED, HEAD, keep_prior=False)
    with pytest.raises(SubspaceError, match="half precision"):
        SubspaceModel(small_net(), HASHED, HEAD, keep_prior=False).half()

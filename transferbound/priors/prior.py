"""``Prior``: a pretrained checkpoint, the fixed point from which a subspace starts."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from transferbound._numerics import own_numerics
from transferbound.errors import ArgumentError, PriorError
from transferbound.in_memory import missing_path
from transferbound.priors.backends.causal_lm import CausalLanguageModel, is_causal_lm
from transferbound.priors.backends.choose import open_backend
from transferbound.priors.backends.dense import dense_tensors
from transferbound.priors.backends.preprocessing import Preprocessing
from transferbound.priors.backends.wrappers import LanguageModel
from transferbound.priors.checkpoint.card import Provenance, licence, provenance
from transferbound.priors.checkpoint.gguf import gguf_file, opened_gguf
from transferbound.priors.checkpoint.given import SavedModel, class_of
from transferbound.priors.checkpoint.resolve import Checkpoint, open_folder, resolve
from transferbound.priors.checkpoint.sizes import check_config
from transferbound.priors.checkpoint.weights import fingerprint, read_tensors
from transferbound.priors.class_order import match_classes, names_agree, reordered
from transferbound.priors.fixed_map import open_fixed
from transferbound.priors.head import initial_head
from transferbound.priors.random_start import open_random
from transferbound.tasks import CLASSIFICATION, TASKS, TEXT_GENERATION

__all__ = ["Prior", "is_language_model"]

_MADE = ("random/", "fixed/")


def is_language_model(name: str, revision: str | None = None) -> bool:
    """Whether the checkpoint ``name`` is a causal language model, as its own config says. Raises PriorError."""
    if gguf_file(name) is not None:
        return True
    if name.startswith((*_MADE, "timm/", "timm:")) and not Path(name).exists():
        return False
    return is_causal_lm(resolve(name, revision).model_class)


class Prior:
    """A pretrained checkpoint. Make one with :meth:`from_pretrained`.

    Attributes:
        name: what the user called it.
        revision: commit of the Hub repository, where there is one.
        source: ``timm`` or ``transformers``.
        modality: ``image`` or ``text``.
        architecture: timm's name of it, or the transformers class.
        num_parameters: parameters of the pretrained network, without a new head.
        fingerprint: sha256 over the checkpoint's tensors (name, dtype, shape, bytes; sorted by name).
        files: sha256 of each file beside the weights that is read, whole, by its name in the checkpoint's folder.
        licence: as its card or config declares it.
        provenance: plain JSON: what its card says of training data, ancestors and results.
        input_size: its own: image side in pixels, or most tokens (at most 128 unless asked otherwise).
        unused: tensors of the checkpoint that no prior uses (pretraining heads, poolers).
        task: what it is a prior for: ``classification`` or ``text-generation``.
        saved: the folder that a model in memory was saved to, as long as this object lasts; None for one with a name.
    """

    def __init__(self, checkpoint: Checkpoint, task: str = CLASSIFICATION) -> None:
        dense = dense_tensors(checkpoint.folder, checkpoint.source, checkpoint.name)
        tensors = read_tensors(checkpoint.weights) | dense
        check_config(checkpoint.config, tensors, checkpoint.name)
        self.name = checkpoint.name
        self.revision = checkpoint.revision
        self.fingerprint = fingerprint(tensors)
        self.files = checkpoint.read.sha256
        self.provenance = provenance(checkpoint.source, checkpoint.config)
        self.provenance["files"] = list(checkpoint.called or (path.name for path in checkpoint.weights))
        self.licence = licence(self.provenance)
        self.task = task
        self._backend = open_backend(checkpoint, tensors, task)
        self.source = self._backend.source
        self.modality = self._backend.modality
        self.architecture = self._backend.architecture
        self.input_size = self._backend.input_size
        self.unused = self._backend.unused
        self._head: tuple[str, ...] = ()
        if task == TEXT_GENERATION:
            self.num_parameters = self._count_parameters()
        else:
            self._head, self.num_parameters = self._find_head()
        self._reads: dict[int, bool] = {}
        self._given: SavedModel | None = None

    @classmethod
    def of(cls, given: Any, *, task: str | None = None) -> Prior:
        """The prior that ``given`` is or stands for.

        Args:
            given: a prior, what :meth:`from_pretrained` takes, or a model as :meth:`from_model` takes it: ``model``, or
                ``(model, processor)``.
            task: one of ``classification`` and ``text-generation``; None: ``text-generation`` for an object of a class
                of causal language models, else ``classification``.

        Raises:
            PriorError, ArgumentError: as those methods.
        """
        if isinstance(given, Prior):
            return given
        if isinstance(given, str | os.PathLike):
            return cls.from_pretrained(given, task=task or CLASSIFICATION)
        model, processor = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        return cls.from_model(model, processor, task=task)

    @classmethod
    @own_numerics()
    def from_model(cls, model: Any, processor: Any = None, *, task: str | None = None) -> Prior:
        """A model in memory as a prior: saved to a temporary folder by its own library, and read from there.

        What is read are its tensors, its configuration and the files of its processor: code that was changed on the
        object is not. What becomes of the object afterwards does not matter.

        Args:
            model: of timm, transformers or sentence-transformers.
            processor: the tokenizer or image processor of a transformers model; None for others.
            task: as for :meth:`of`.

        Raises:
            PriorError: it is of another class, lacks its processor, or cannot be saved, read or used for this task.
            ArgumentError: there is no such task.
        """
        if task is None:
            task = TEXT_GENERATION if is_causal_lm(class_of(model)) else CLASSIFICATION
        if task not in TASKS:
            raise ArgumentError(f"task is {task!r}; it must be one of {', '.join(TASKS)}")
        saved = SavedModel(model, processor)
        prior = cls(open_folder(saved.folder, saved.name), task)
        prior._given = saved
        return prior

    @property
    def saved(self) -> Path | None:
        return None if self._given is None else self._given.folder

    @classmethod
    @own_numerics()
    def from_pretrained(
        cls, name: str | os.PathLike[str], *, revision: str | None = None, task: str = CLASSIFICATION
    ) -> Prior:
        """Read the checkpoint ``name``: ``timm/NAME``, a Hub id, a local folder in Hub layout, a weight file
        beside its ``config.json``, or ``random/ARCHITECTURE/SEED``, a start without pretraining, or
        ``fixed/ARCHITECTURE``, a fixed map of features. For ``task="text-generation"`` it is a causal language model;
        a ``.gguf`` file, or a folder that holds one, will do as well.

        Weights come from safetensors, or from a ``.pth`` or ``.bin`` read with ``weights_only=True``. No
        remote code is run. A missing, unexpected or misshapen tensor outside the head is an error.

        Raises:
            PriorError: the checkpoint cannot be found, read, or used as a prior for this task.
            ArgumentError: there is no such task.
        """
        if task not in TASKS:
            raise ArgumentError(f"task is {task!r}; it must be one of {', '.join(TASKS)}")
        if isinstance(name, os.PathLike) and missing_path(name) is None:
            name = os.fspath(name)
        if isinstance(name, str) and (gguf := gguf_file(name)) is not None:
            with opened_gguf(gguf, name) as checkpoint:
                return cls(checkpoint, task)
        for start, opened in zip(_MADE, (open_random, open_fixed), strict=True):
            if isinstance(name, str) and name.startswith(start) and not Path(name).exists():
                with opened(name) as checkpoint:
                    return cls(checkpoint, task)
        return cls(resolve(name, revision), task)

    def build(
        self,
        num_classes: int,
        head_seed: int = 0,
        input_size: int = 0,
        *,
        class_names: Sequence[str] | None = None,
    ) -> nn.Module:
        """A fresh float32 module in eval mode, on the CPU; ``forward(**batch)`` gives [B, num_classes].

        Every value is a function of the checkpoint and the arguments: torch's random state is neither read
        nor moved. The checkpoint's own head is kept where it has ``num_classes`` classes and ``head_seed``
        is 0, its classes in the order of ``class_names`` (see :meth:`head_start`); otherwise a new head starts
        from zero (``head_seed=0``) or from the integer stream of ``head_seed``, which the message pays for.
        ``input_size`` matters to models that are built for one
        image size (ViT): their position embeddings are resampled by the library's own rule.

        Raises:
            ArgumentError: fewer than two classes.
            PriorError: the model cannot be built for this input size.
        """
        if num_classes < 2:
            raise ArgumentError(f"num_classes is {num_classes}; a classifier needs at least 2")
        module = self._backend.skeleton(num_classes, input_size)
        state = self._backend.state(input_size)
        keeps_head = head_seed == 0 and self.keeps_own_head(num_classes, class_names)
        fresh = () if keeps_head else self._head
        target = module.state_dict()
        strangers = sorted((set(target) ^ set(state)) - set(self._head))
        if strangers:
            raise PriorError(
                f"the prior {self.name} cannot be built: tensors {', '.join(strangers[:8])} differ"
            )
        values = {
            name: initial_head(name, old.shape, head_seed) if name in fresh else state[name]
            for name, old in target.items()
        }
        if keeps_head:
            values |= self._own_head(values, class_names)
        for name, old in target.items():
            if values[name].shape != old.shape:
                raise PriorError(
                    f"the prior {self.name}: tensor {name} is {tuple(values[name].shape)}, "
                    f"expected {tuple(old.shape)}"
                )
        module.load_state_dict(values)
        return module.float().eval()

    def build_language_model(self) -> LanguageModel:
        """A fresh float32 module in eval mode, on the CPU, whose values are the checkpoint's alone.

        ``forward(**batch)`` gives the log2-probabilities of a document's tokens, [B, L].

        Raises:
            PriorError: this is no prior for text generation.
        """
        self._language_model()
        module = self._backend.skeleton(0, 0)
        assert isinstance(module, LanguageModel)
        module.load_state_dict(self._backend.state(0))
        return module.float().eval()

    def prompted(self, prompt: Sequence[int]) -> LanguageModel:
        """:meth:`build_language_model`, with the tokens ``prompt`` before each document."""
        module = self.build_language_model()
        return LanguageModel(module.network, module.start, prompt).eval()

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of some tokens, for people to read. Raises PriorError: this is no prior for text generation."""
        return self._language_model().decoded(list(tokens))

    def _language_model(self) -> CausalLanguageModel:
        if not isinstance(self._backend, CausalLanguageModel):
            raise PriorError(
                f"the prior {self.name} was opened for {self.task}; open it with task={TEXT_GENERATION!r}"
            )
        return self._backend

    def _count_parameters(self) -> int:
        with torch.device("meta"):
            return sum(value.numel() for value in self._backend.skeleton(0, 0).parameters())

    def head_parameters(self, num_classes: int) -> tuple[str, ...]:
        """Names, among ``build(num_classes).named_parameters()``, of the classification head."""
        return self._head

    def keeps_own_head(self, num_classes: int, class_names: Sequence[str] | None = None) -> bool:
        """Whether ``build`` starts from the checkpoint's own head, not from a new one."""
        return self.head_start(num_classes, class_names).startswith("checkpoint")

    def head_start(self, num_classes: int, class_names: Sequence[str] | None = None) -> str:
        """What the head starts from where no seed is paid for: a function of the checkpoint and its arguments.

        Args:
            num_classes: declared by the task.
            class_names: the declared classes in their order; None where they are not known.

        Returns:
            ``checkpoint by name`` (its own head, each class found by its name), ``checkpoint`` (its own head as it
            stands: one side has only numbers for its classes), ``zero`` (it has none, or of another number of
            classes) or ``zero, other classes`` (its own head answers for classes of other names).
        """
        if num_classes != self._backend.own_classes:
            return "zero"
        if match_classes(self.own_class_names, class_names) is None:
            return "zero, other classes"
        return "checkpoint by name" if names_agree(self.own_class_names, class_names) else "checkpoint"

    @property
    def own_classes(self) -> int:
        """How many classes the checkpoint's own head has; 0 where it has none."""
        return self._backend.own_classes

    @property
    def own_class_names(self) -> tuple[str, ...] | None:
        """Names of the classes of the checkpoint's own head, in its order; None where it names none."""
        return self._backend.own_names

    def preprocessing(self, input_size: int = 0) -> Preprocessing:
        """The checkpoint's own preprocessing; never fitted to training data.

        ``input_size`` 0 is the checkpoint's own. Another image side: the whole image is resized to it, the
        aspect ratio is not kept and nothing is cropped. Text: the most tokens a row may have.

        Raises:
            PriorError: an input size that the model cannot read.
        """
        return self._backend.preprocessing(input_size)

    @property
    def folder(self) -> Path:
        """Copies of ``files``, as they were read; they last as long as this object."""
        return self._backend.folder

    def reads_size(self, input_size: int) -> bool:
        """Whether the network answers for one picture of this side; some are built for a single one."""
        if input_size not in self._reads:
            self._reads[input_size] = self._tried_size(input_size)
        return self._reads[input_size]

    @torch.inference_mode()
    def _tried_size(self, input_size: int) -> bool:
        try:
            module = self.build(2, input_size=input_size)
            channels = getattr(self.preprocessing(input_size), "channels", 3)
            answer: torch.Tensor = module(pixel_values=torch.zeros(1, channels, input_size, input_size))
        except (PriorError, RuntimeError, ValueError, AssertionError, TypeError, IndexError, KeyError):
            return False
        return tuple(answer.shape) == (1, 2) and bool(torch.isfinite(answer).all())

    def under_name(
        self, name: str, revision: str | None = None, provenance: Provenance | None = None
    ) -> Prior:
        """The same checkpoint under another name; with ``provenance`` that card speaks for it, and not its own."""
        named = copy.copy(self)
        named.name, named.revision = name, revision
        if provenance is not None:
            named.provenance, named.licence = provenance, licence(provenance)
        return named

    def __repr__(self) -> str:
        return f"Prior({self.name!r}, {self.architecture}, {self.num_parameters:,} parameters)"

    def _own_head(
        self, values: dict[str, torch.Tensor], class_names: Sequence[str] | None
    ) -> dict[str, torch.Tensor]:
        """The checkpoint's head with its classes in the order of ``class_names``."""
        order = match_classes(self.own_class_names, class_names)
        if order is None or order == tuple(range(len(order))):
            return {}
        own = {name: values[name] for name in self._head}
        return reordered(own, self._shapes(len(order) + 1), order)

    def _find_head(self) -> tuple[tuple[str, ...], int]:
        """The head is whatever changes shape with the number of classes; then the size of the network."""
        two, three = (self._shapes(classes) for classes in (2, 3))
        head = tuple(name for name, shape in three.items() if two.get(name) != shape)
        if not head:
            raise PriorError(f"the prior {self.name} ({self.architecture}) takes no classification head")
        state = self._backend.state(0)
        kept = two if self._backend.own_classes >= 2 else set(two) - set(head)
        return head, sum(state[name].numel() for name in kept if name in state)

    def _shapes(self, num_classes: int) -> dict[str, torch.Size]:
        try:
            with torch.device("meta"):
                module = self._backend.skeleton(num_classes, 0)
        except (RuntimeError, NotImplementedError):  # an architecture that computes while it is built
            module = self._backend.skeleton(num_classes, 0)
        return {name: value.shape for name, value in module.named_parameters()}

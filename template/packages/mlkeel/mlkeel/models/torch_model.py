"""A neural network in PyTorch, and how it is trained.

A network makes numbers of encoded features, and a head makes answers of these. One mini-batch is a step, so that tests
can watch it learn; `fit` runs many passes over the training part.
"""

import copy
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from mlkeel.config import Strict, checked
from mlkeel.contract.suites import Column
from mlkeel.errors import InputError
from mlkeel.features.encoder import Matrix
from mlkeel.files import whole_file
from mlkeel.models.model import Part, Shape
from mlkeel.progress import Watch
from mlkeel.tasks.answers import Answers, Truth

logger = logging.getLogger(__name__)
AT_ONCE = 1024  # rows, for answers
SMALL = 100_000  # numbers in a batch


class Hyperparameters(Strict):
    """The `model` part of `conf/params.yaml`."""

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1, le=100_000)]
    improvement: Annotated[float, Field(ge=0)]
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    hidden: Annotated[int, Field(ge=1, le=10_000)]


class Head(Protocol):
    """Makes answers of what a network puts out, and says how far it is from the truth."""

    def outputs(self, answers: int) -> int:
        """How many numbers the network must put out for so many answers."""

    def adjust(self, truth: Tensor) -> None:
        """Learn the usual size of the truth, shape (n,)."""

    def finish(self, raw: Tensor, truth: Tensor) -> None:
        """Learn from the validation part what is left to be learnt."""

    def loss(self, raw: Tensor, truth: Tensor) -> Tensor:
        """What is learnt by."""

    def told_loss(self, raw: Tensor, truth: Tensor) -> float:
        """What is told."""

    def loss_without_features(self, truth: Truth) -> float:
        """The loss of the best answer that is the same for all of n rows."""

    def __call__(self, raw: Tensor) -> Tensor:
        """Answers of shape (n, answers)."""


class Network(Protocol):
    """From encoded features, shape (n, width), to outputs, shape (n, outputs)."""

    width: int

    def adjust(self, features: Tensor) -> None:
        """Learn the usual size of features."""

    def __call__(self, features: Tensor) -> Tensor:
        """Outputs of n rows."""


class Whole(nn.Module):
    """From encoded features to answers: the network and its head, which ONNX takes as one."""

    network: Network
    head: Head

    def __init__(self, network: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.add_module("network", network)
        self.add_module("head", head)

    def forward(self, features: Tensor) -> Tensor:
        """Answers of shape (n, answers) for `features` of shape (n, width)."""
        answers: Tensor = self.head(self.network(features))
        return answers


class TorchModel:
    """A network over encoded features; the same seed gives the same weights, batches and answers."""

    def __init__(
        self,
        network: Callable[[tuple[Column, ...], int, int], nn.Module],
        head: nn.Module,
        parameters: dict[str, Any],
        shape: Shape,
        seed: int,
    ) -> None:
        """Make a `network` for the columns, of the size in the parameters, with the outputs that `head` takes."""
        self.parameters = checked(Hyperparameters, parameters, "conf/params.yaml, model")
        self.device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
        self._seed, self._adjusted = seed, False
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            outputs = cast("Head", head).outputs(shape.answers)
            self._whole = Whole(network(shape.columns, self.parameters.hidden, outputs), head).to(self.device)
        self._optimizer = torch.optim.AdamW(
            self._whole.parameters(), lr=self.parameters.learning_rate, weight_decay=self.parameters.weight_decay
        )
        torch.use_deterministic_algorithms(True, warn_only=True)

    @property
    def longest(self) -> int:
        """How many epochs `fit` runs at most."""
        return self.parameters.epochs

    def step(self, features: Matrix, truth: Truth) -> float:
        """Take one step of the optimizer on a batch and return the loss after it."""
        self._adjust(features, truth)
        with _threads(features):
            self._learn(self._tensor(features), self._tensor(truth))
        return self.loss(features, truth)

    def fit(self, train: Part, validation: Part, watch: Watch) -> list[float]:
        """Learn until the validation loss has hardly improved for `patience` epochs, and go back to the best of them.

        Hardly is by less than `improvement` of the loss without features.

        Returns the validation loss of each epoch up to the best. Every now and then all that is needed to go on is
        written to the checkpoint of `watch`, from which a training that was killed goes on.
        """
        self._adjust(*train)
        features, truth = self._tensor(train[0]), self._tensor(train[1])
        losses, best = self._resumed(watch.checkpoint)
        kept = time.monotonic()
        least = self.parameters.improvement * self._whole.head.loss_without_features(train[1])
        while len(losses) < self.longest and self._improves(losses, least):
            draw = torch.Generator().manual_seed(self._seed + len(losses))
            order = torch.randperm(len(features), generator=draw).to(self.device)
            with _threads(train[0][: self.parameters.batch_rows]):
                for rows in torch.split(order, self.parameters.batch_rows):
                    self._learn(features[rows], truth[rows])
            losses.append(self.loss(*validation))
            if np.argmin(losses) == len(losses) - 1:
                best = copy.deepcopy(self._whole.state_dict())
            if time.monotonic() - kept >= watch.pause:
                self._keep(watch.checkpoint, losses, best)
                kept = time.monotonic()
            watch.advance(len(losses), losses[-1])
        self._whole.load_state_dict(best)
        self._whole.head.finish(_on_cpu(self._raw(validation[0])), _on_cpu(validation[1]))
        return losses[: int(np.argmin(losses)) + 1]

    def loss(self, features: Matrix, truth: Truth) -> float:
        """The mean loss per row: nats for classes, the unit of the target for numbers."""
        return self._whole.head.told_loss(_on_cpu(self._raw(features)), _on_cpu(truth))

    def predict(self, features: Matrix) -> Answers:
        """Answers of shape (n, answers)."""
        return self._run(self._whole, features)

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, answers)."""
        whole = copy.deepcopy(self._whole).to("cpu").eval()
        example = torch.zeros(2, self._whole.network.width)
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # importing torch sets it anew
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.export 2.13 uses what torch 2.13 deprecates
            program = torch.onnx.export(
                whole,
                (example,),
                input_names=["features"],
                output_names=["answers"],
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                opset_version=18,
                dynamo=True,
                verbose=False,
            )
        if program is None:
            raise RuntimeError("torch.onnx gave no graph")
        return bytes(program.model_proto.SerializeToString())

    def _adjust(self, features: Matrix, truth: Truth) -> None:
        """Let the first rows that are learnt from say how large numbers are."""
        if not self._adjusted:
            self._whole.network.adjust(self._tensor(features))
            self._whole.head.adjust(self._tensor(truth))
            self._adjusted = True

    def _learn(self, features: Tensor, truth: Tensor) -> None:
        self._whole.train()
        self._optimizer.zero_grad()
        self._whole.head.loss(self._whole.network(features), truth).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def _raw(self, features: Matrix) -> Answers:
        """What the network puts out, before the head makes answers of it."""
        return self._run(self._whole.network, features)

    def _run(self, module: Callable[[Tensor], Tensor], features: Matrix) -> Answers:
        self._whole.eval()
        with torch.no_grad(), _threads(features):
            parts = [module(part).cpu().numpy() for part in torch.split(self._tensor(features), AT_ONCE)]
        return np.concatenate(parts)

    def _improves(self, losses: list[float], least: float) -> bool:
        """Whether the last `patience` losses hold one that is by `least` under all before.

        Raises:
            InputError: a loss is no number any more.
        """
        if not np.isfinite(losses[-1:]).all():
            raise InputError(
                f"conf/params.yaml, model: after {len(losses)} epochs the loss is no number any more, so nothing was "
                "kept. Lower learning_rate."
            )
        before, last = losses[: -self.parameters.patience], losses[-self.parameters.patience :]
        return not before or min(last) < min(before) - least

    def _tensor(self, values: Matrix | Truth) -> Tensor:
        tensor = _on_cpu(values)
        return tensor.to(self.device, torch.float32 if tensor.is_floating_point() else None)  # some have no float64

    def _keep(self, path: Path | None, losses: list[float], best: dict[str, Any]) -> None:
        if path is not None:
            state = {"weights": self._whole.state_dict(), "optimizer": self._optimizer.state_dict()}
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path, "wb") as file:
                torch.save(state | {"losses": losses, "best": best}, file)

    def _resumed(self, path: Path | None) -> tuple[list[float], dict[str, Any]]:
        """The losses so far and the best weights, from the checkpoint if there is one that can be used."""
        fresh = copy.deepcopy(self._whole.state_dict())
        if path is None or not path.is_file():
            return [], fresh
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self._whole.load_state_dict(state["weights"])
            self._optimizer.load_state_dict(state["optimizer"])
            return list(state["losses"]), dict(state["best"])
        except Exception as error:  # what a damaged file does to torch.load is any exception
            reason = (str(error) or type(error).__name__).splitlines()[0]
            logger.warning("%s: this checkpoint cannot be used (%s). Training begins anew.", path, reason)
            self._whole.load_state_dict(fresh)
            return [], fresh


def _on_cpu(values: Matrix | Truth | Answers) -> Tensor:
    """An array as a tensor, which may be written to and so is a copy of one that may not."""
    return torch.from_numpy(np.require(values, requirements=("C", "W")))


@contextmanager
def _threads(features: Matrix) -> Iterator[None]:
    """One thread for small batches: more of them mostly wait, for each other and, on a busy machine, for minutes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if features.size < SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)

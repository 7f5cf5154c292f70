"""A neural network in PyTorch, and its training.

A network maps encoded features to raw outputs, and a head maps these to outputs. One mini-batch is a step, which tests
take one by one; `fit` runs many epochs over the training split.
"""

import copy
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from mlkeel.config import ConfigModel, checked
from mlkeel.contract.suites import Column
from mlkeel.features.graph import Matrix
from mlkeel.files import atomic_write
from mlkeel.models.early_stopping import improves
from mlkeel.models.model import Dataset, SampleWeight, Shape, Weights
from mlkeel.progress import Callbacks
from mlkeel.tasks.outputs import Outputs, Targets

logger = logging.getLogger(__name__)
PREDICT_BATCH_ROWS = 1024
SINGLE_THREAD_MAX_VALUES = 100_000  # of a batch


class Hyperparameters(ConfigModel):
    """The `model` section of `conf/params.yaml`."""

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    patience: Annotated[int, Field(ge=1, le=100_000)]
    improvement: Annotated[float, Field(ge=0)]
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    hidden: Annotated[int, Field(ge=1, le=10_000)]


class Head(Protocol):
    """Converts the raw outputs of a network to outputs, and computes their loss."""

    def n_raw_outputs(self, n_outputs: int) -> int:
        """Return how many raw outputs the network needs."""

    def fit_scale(self, y_true: Tensor) -> None:
        """Learn the scale of the target, shape (n,)."""

    def fit_interval(self, raw: Tensor, y_true: Tensor) -> None:
        """Learn from the validation split what the weights do not hold, such as the width of intervals."""

    def loss(self, raw: Tensor, y_true: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss that the training minimizes, perhaps with weights of rows, shape (n,)."""

    def reported_loss(self, raw: Tensor, y_true: Tensor, weight: Tensor | None = None) -> float:
        """Return the loss that is reported, perhaps with weights of rows, shape (n,)."""

    def loss_without_features(self, y_true: Targets) -> float:
        """Return the loss of the best constant prediction for n rows."""

    def __call__(self, raw: Tensor) -> Tensor:
        """Return outputs of shape (n, outputs)."""


class Network(Protocol):
    """Maps encoded features, shape (n, width), to raw outputs, shape (n, raw outputs)."""

    width: int

    def fit_scale(self, features: Tensor) -> None:
        """Learn the scale of the features."""

    def __call__(self, features: Tensor) -> Tensor:
        """Return the raw outputs of n rows."""


class FullNetwork(nn.Module):
    """Maps encoded features to outputs: the network and its head, exported to ONNX as one."""

    network: Network
    head: Head

    def __init__(self, network: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.add_module("network", network)
        self.add_module("head", head)

    def forward(self, features: Tensor) -> Tensor:
        """Return outputs of shape (n, outputs) for `features` of shape (n, width)."""
        outputs: Tensor = self.head(self.network(features))
        return outputs


class TorchModel:
    """A network over encoded features; the same seed gives the same weights, batches and outputs."""

    def __init__(
        self,
        network: Callable[[tuple[Column, ...], int, int], nn.Module],
        head: nn.Module,
        parameters: dict[str, Any],
        shape: Shape,
        seed: int,
    ) -> None:
        """Build a `network` for the columns, of the size in the parameters, with the outputs that `head` takes."""
        self.parameters = checked(Hyperparameters, parameters, "conf/params.yaml, model")
        self.device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
        self._seed = seed
        outputs = cast("Head", head).n_raw_outputs(shape.n_outputs)
        self._new_network = partial(network, shape.columns, self.parameters.hidden, outputs)
        self._begin(head)
        torch.use_deterministic_algorithms(True, warn_only=True)

    def _begin(self, head: nn.Module) -> None:
        """Set an untrained network before `head`."""
        self._adjusted = False
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            self._module = FullNetwork(self._new_network(), head).to(self.device)
        self._optimizer = torch.optim.AdamW(
            self._module.parameters(), lr=self.parameters.learning_rate, weight_decay=self.parameters.weight_decay
        )

    @property
    def max_rounds(self) -> int:
        """The most epochs that `fit` runs."""
        return self.parameters.epochs

    def step(self, features: Matrix, y_true: Targets) -> float:
        """Take one step of the optimizer on a batch and return the loss after it."""
        self._fit_scale(features, y_true)
        with _threads(features):
            self._train_step(self._tensor(features), self._tensor(y_true))
        return self.loss(features, y_true)

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        callbacks: Callbacks,
        *,
        sample_weight: SampleWeight | None = None,
        rounds: int | None = None,
    ) -> list[float]:
        """Train until the validation loss stops improving, then restore the weights of the best epoch.

        It stops after `patience` epochs that improve by less than `improvement` of the loss without features. With
        `rounds`, it begins anew and runs so many epochs. With weights of rows, both losses are weighted means.

        Returns the validation loss of each epoch up to the best. At most every `callbacks.checkpoint_every_s` seconds
        the state is written to `callbacks.checkpoint`, from which an interrupted training is resumed.
        """
        train_weight, validation_weight = sample_weight or (None, None)
        if rounds is not None:
            self._begin(cast("nn.Module", self._module.head))  # with its interval
        self._fit_scale(*train)
        tensors = [self._tensor(values) for values in (*train, train_weight) if values is not None]
        losses, best = self._resume(callbacks.checkpoint)
        saved_at = time.monotonic()
        min_improvement = self.parameters.improvement * self._module.head.loss_without_features(train[1])

        def goes_on() -> bool:
            if rounds is not None:
                return len(losses) < rounds
            return improves(losses, self.parameters.patience, min_improvement) and len(losses) < self.max_rounds

        while goes_on():
            generator = torch.Generator().manual_seed(self._seed + len(losses))
            order = torch.randperm(len(train[0]), generator=generator).to(self.device)
            with _threads(train[0][: self.parameters.batch_rows]):
                for rows in torch.split(order, self.parameters.batch_rows):
                    self._train_step(*(tensor[rows] for tensor in tensors))
            losses.append(self.loss(*validation, validation_weight))
            if np.argmin(losses) == len(losses) - 1:
                best = copy.deepcopy(self._module.state_dict())
            if time.monotonic() - saved_at >= callbacks.checkpoint_every_s:
                self._save_checkpoint(callbacks.checkpoint, losses, best)
                saved_at = time.monotonic()
            callbacks.advance(len(losses), losses[-1])
        if rounds is not None:
            return []
        self._module.load_state_dict(best)
        self._module.head.fit_interval(_on_cpu(self._raw(validation[0])), _on_cpu(validation[1]))
        return losses[: int(np.argmin(losses)) + 1]

    def loss(self, features: Matrix, y_true: Targets, weight: Weights | None = None) -> float:
        """Return the mean loss per row, perhaps weighted: in nats for classes, in the target's unit for numbers."""
        of_rows = None if weight is None else _on_cpu(weight)
        return self._module.head.reported_loss(_on_cpu(self._raw(features)), _on_cpu(y_true), of_rows)

    def predict(self, features: Matrix) -> Outputs:
        """Return outputs of shape (n, outputs)."""
        return self._run(self._module, features)

    def to_onnx(self) -> bytes:
        """Export as an ONNX graph: `features` (n, width) to `answers` (n, outputs)."""
        module = copy.deepcopy(self._module).to("cpu").eval()
        example = torch.zeros(2, self._module.network.width)
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # importing torch resets it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.export 2.13 uses what torch 2.13 deprecates
            program = torch.onnx.export(
                module,
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

    def _fit_scale(self, features: Matrix, y_true: Targets) -> None:
        """Learn the scales of features and target from the first rows that are passed."""
        if not self._adjusted:
            self._module.network.fit_scale(self._tensor(features))
            self._module.head.fit_scale(self._tensor(y_true))
            self._adjusted = True

    def _train_step(self, features: Tensor, y_true: Tensor, weight: Tensor | None = None) -> None:
        self._module.train()
        self._optimizer.zero_grad()
        loss = self._module.head.loss(self._module.network(features), y_true, weight)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def _raw(self, features: Matrix) -> Outputs:
        """Return the raw outputs of the network, before the head."""
        return self._run(self._module.network, features)

    def _run(self, module: Callable[[Tensor], Tensor], features: Matrix) -> Outputs:
        self._module.eval()
        with torch.no_grad(), _threads(features):
            outputs = [module(batch).cpu().numpy() for batch in torch.split(self._tensor(features), PREDICT_BATCH_ROWS)]
        return np.concatenate(outputs)

    def _tensor(self, values: Matrix | Targets) -> Tensor:
        tensor = _on_cpu(values)
        return tensor.to(self.device, torch.float32 if tensor.is_floating_point() else None)  # some devices lack it

    def _save_checkpoint(self, path: Path | None, losses: list[float], best: dict[str, Any]) -> None:
        if path is not None:
            state = {"weights": self._module.state_dict(), "optimizer": self._optimizer.state_dict()}
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path, "wb") as file:
                torch.save(state | {"losses": losses, "best": best}, file)

    def _resume(self, path: Path | None) -> tuple[list[float], dict[str, Any]]:
        """Return the losses so far and the best weights, restored from the checkpoint if it is usable."""
        initial_weights = copy.deepcopy(self._module.state_dict())
        if path is None or not path.is_file():
            return [], initial_weights
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self._module.load_state_dict(state["weights"])
            self._optimizer.load_state_dict(state["optimizer"])
            return list(state["losses"]), dict(state["best"])
        except Exception as error:  # torch.load of a damaged file may raise any exception
            reason = (str(error) or type(error).__name__).splitlines()[0]
            logger.warning("%s: this checkpoint cannot be used (%s). Training begins anew.", path, reason)
            self._module.load_state_dict(initial_weights)
            return [], initial_weights


def _on_cpu(values: Matrix | Targets | Outputs) -> Tensor:
    """Return an array as a writable tensor, which is a copy if the array is read-only."""
    return torch.from_numpy(np.require(values, requirements=("C", "W")))


@contextmanager
def _threads(features: Matrix) -> Iterator[None]:
    """Limit small batches to one thread: several would mostly wait for each other, on a busy machine for minutes."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1 if features.size < SINGLE_THREAD_MAX_VALUES else n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)

"""Families of models, each a function that `build` of a project can call; it imports the library that it needs."""

from typing import Any

from mlkeel.models.model import Model, Shape


def boosted_classifier(parameters: dict[str, Any], shape: Shape, seed: int) -> Model:
    """Return gradient boosted trees from scikit-learn that classify rows of a table."""
    from mlkeel.models.boosted_classifier import BoostedClassifier

    return BoostedClassifier(parameters, shape, seed)


def boosted_regressor(parameters: dict[str, Any], shape: Shape, seed: int) -> Model:
    """Return gradient boosted trees from scikit-learn that estimate a number from rows of a table."""
    from mlkeel.models.boosted_regressor import BoostedRegressor

    return BoostedRegressor(parameters, shape, seed)


def linear_text_classifier(parameters: dict[str, Any], shape: Shape, seed: int) -> Model:
    """Return a linear model over tokens, from scikit-learn, that classifies texts."""
    from mlkeel.models.linear_text import LinearText

    return LinearText(parameters, shape, seed)


def network_classifier(parameters: dict[str, Any], shape: Shape, seed: int) -> Model:
    """Return a network in PyTorch that classifies rows of a table."""
    from mlkeel.models.class_head import ClassHead
    from mlkeel.models.table_network import TableNetwork
    from mlkeel.models.torch_model import TorchModel

    return TorchModel(TableNetwork, ClassHead(), parameters, shape, seed)


def network_regressor(parameters: dict[str, Any], shape: Shape, seed: int) -> Model:
    """Return a network in PyTorch that estimates a number from rows of a table."""
    from mlkeel.models.number_head import NumberHead
    from mlkeel.models.table_network import TableNetwork
    from mlkeel.models.torch_model import TorchModel

    return TorchModel(TableNetwork, NumberHead(), parameters, shape, seed)


def text_network_classifier(parameters: dict[str, Any], shape: Shape, seed: int) -> Model:
    """Return a network in PyTorch that classifies texts."""
    from mlkeel.models.class_head import ClassHead
    from mlkeel.models.text_network import TextNetwork
    from mlkeel.models.torch_model import TorchModel

    return TorchModel(TextNetwork, ClassHead(), parameters, shape, seed)

"""Settings of a project, from `conf/params.yaml`, and of the API, from the environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, overload

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mlkeel.errors import InputError

Share = Annotated[float, Field(gt=0, lt=1)]
ModelT = TypeVar("ModelT", bound=BaseModel)


def _class_name(value: object) -> object:
    """Return a class that YAML reads as a number as the text that it is in a table."""
    if isinstance(value, bool):
        raise ValueError(f"YAML reads this class as a truth value; put it in quotes, as in '{value}'")
    if not isinstance(value, str | int | float):
        raise ValueError("YAML reads this class as something else than a text; put it in quotes, as in 'null'")
    return str(value)


ClassName = Annotated[str, BeforeValidator(_class_name)]


def _class_weight(value: object) -> object:
    """Return `balanced`, or the weights of classes by their names."""
    if value is None or value == "balanced":
        return value
    if not isinstance(value, dict) or not value or not all(map(_is_weight, value.values())):
        raise ValueError("it must be balanced, or hold a weight above 0 by class, as in {yes: 5}")
    return {_class_name(name): weight for name, weight in value.items()}


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


ClassWeight = Annotated[Literal["balanced"] | dict[str, float], BeforeValidator(_class_weight)]
Fit = Literal["train", "train_validation", "bag"]
ShareOfRows = Annotated[float, Field(gt=0, le=1)]
Cost = Annotated[float, Field(ge=0)]
Role = Literal[
    "numeric",
    "categorical",
    "boolean",
    "target",
    "time",
    "weight",
    "text",
    "identifier",
    "row_number",
    "constant",
    "duplicate",
    "leak",
    "personal",
    "protected",
    "protected_feature",
    "ignored",
]
PROTECTED_ROLES: tuple[Role, ...] = ("protected", "protected_feature")  # a model learns from the latter only
GroupMetric = Literal["selection_rate", "recall", "error_rate", "mae", "bias"]
SplitBy = Literal["random", "stratified", "group", "time", "group_time", "given"]
SPLIT_COLUMNS: dict[SplitBy, tuple[str, ...]] = {
    "random": (),
    "stratified": (),
    "group": ("group",),
    "time": ("time",),
    "group_time": ("group", "time"),
    "given": ("given",),
}  # the settings that a kind of split needs
SPLIT_OPTIONS: dict[SplitBy, tuple[str, ...]] = {
    "random": ("key",),
    "stratified": ("key",),
    "group": (),
    "time": ("gap",),
    "group_time": ("gap",),
    "given": (),
}  # and those that it can have
DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(second|minute|hour|day|week)s?")
SECONDS_PER = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}


class ConfigModel(BaseModel):
    """A group of settings that is immutable, and in which an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SplitSettings(ConfigModel):
    """How rows are split into train, validation and test: by what, and into which shares.

    Attributes:
        by: the kind of the split.
        group: the column whose values stay on one side, for `group` and `group_time`.
        time: the column by which rows are ordered, for `time` and `group_time`: dates or numbers.
        given: the column whose values are train, validation and test, for `given`.
        key: columns that identify an example, for `random` and `stratified`; without them, its features do.
        gap: how long after a boundary in time rows are left out, as "7 days" or, for a time in numbers, a number.
        train: the share of rows to learn from; `given` needs no shares.
        validation: the share of rows to stop by.
        test: the share of rows to evaluate on.
        folds: of the cross-validation, 0 for none; without it, 5 for a table under 2,000 rows.
    """

    by: SplitBy = "random"
    group: str | None = None
    time: str | None = None
    given: str | None = None
    key: tuple[str, ...] = ()
    gap: float | str | None = None
    train: Share | None = None
    validation: Share | None = None
    test: Share | None = None
    folds: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of train, validation and test; zeros for `given`, which may have none."""
        return (self.train or 0.0, self.validation or 0.0, self.test or 0.0)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the split is by, without those that tell examples apart."""
        return tuple(name for name in (self.group, self.time, self.given) if name is not None)

    @property
    def gap_s(self) -> float | None:
        """The gap in seconds, if it is a duration."""
        match = DURATION.fullmatch(self.gap) if isinstance(self.gap, str) else None
        return float(match[1]) * SECONDS_PER[match[2]] if match else None

    @model_validator(mode="after")
    def _has_the_columns_of_its_kind(self) -> Self:
        needed = SPLIT_COLUMNS[self.by]
        if missing := [name for name in needed if not getattr(self, name)]:
            raise ValueError(f"by: {self.by} needs {' and '.join(missing)}, which is not set")
        settings = [name for name in ("group", "time", "given", "key", "gap") if getattr(self, name)]
        permitted = (*needed, *SPLIT_OPTIONS[self.by])
        if surplus := [name for name in settings if name not in permitted]:
            kinds = [kind for kind in SPLIT_COLUMNS if surplus[0] in (*SPLIT_COLUMNS[kind], *SPLIT_OPTIONS[kind])]
            raise ValueError(
                f"by: {self.by} takes no {' and no '.join(surplus)}; choose by: {' or '.join(kinds)}, or take it out"
            )
        columns = (*self.columns, *self.key)
        if len(set(columns)) < len(columns):
            raise ValueError("group, time and key must name different columns")
        return self

    @model_validator(mode="after")
    def _folds_can_be_made(self) -> Self:
        if self.folds == 1:
            raise ValueError("folds must be 0, for no cross-validation, or at least 2")
        if self.folds and self.by == "given":
            raise ValueError("by: given names one split, of which no folds can be made; take folds out")
        return self

    @model_validator(mode="after")
    def _gap_is_a_duration(self) -> Self:
        if isinstance(self.gap, str) and not self.gap_s:
            raise ValueError(f'gap: "{self.gap}" is no duration; write one like 12 hours, 7 days or 2 weeks')
        if isinstance(self.gap, float) and self.gap <= 0:
            raise ValueError("gap must be greater than 0, or not be set")
        return self

    @model_validator(mode="after")
    def _cover_the_table(self) -> Self:
        is_set = [share is not None for share in (self.train, self.validation, self.test)]
        if self.by == "given" and not any(is_set):
            return self
        if not all(is_set):
            raise ValueError("train, validation and test must all be set, to shares that sum to 1")
        if abs(sum(self.shares) - 1) > 1e-9:
            raise ValueError("train, validation and test must sum to 1")
        return self


class DataConfig(ConfigModel):
    """The current table, its target, the columns that may be features although they leak it, and how it is split."""

    path: Path
    target: str
    allow_leaky: tuple[str, ...] = ()
    split: SplitSettings

    @model_validator(mode="after")
    def _is_not_split_by_the_target(self) -> Self:
        if self.target in self.split.columns or self.split.key == (self.target,):
            raise ValueError(f"split is by {self.target}, which is the target; name another column")
        return self


class DecisionTarget(ConfigModel):
    """The recall or the precision of one class, of two, that a threshold must reach on the validation rows."""

    recall: dict[ClassName, ShareOfRows] = {}
    precision: dict[ClassName, ShareOfRows] = {}

    @model_validator(mode="after")
    def _is_about_one_class(self) -> Self:
        if len(self.recall) + len(self.precision) != 1:
            raise ValueError("it must hold the recall or the precision of one class, as in {recall: {yes: 0.8}}")
        return self

    @property
    def goal(self) -> tuple[str, str, float]:
        """The metric, the class and the value to reach."""
        metric = "recall" if self.recall else "precision"
        ((name, value),) = (self.recall or self.precision).items()
        return metric, name, value


class DecisionConfig(ConfigModel):
    """How a class is decided on from probabilities: by one of a threshold, costs, and a target.

    Attributes:
        threshold: of two classes, one, and the probability from which on it is decided on.
        costs: by actual class and decided class; what is not named costs 0 if it is right, else 1.
        target: what a threshold, which training chooses on the validation rows, must reach there.
    """

    threshold: dict[ClassName, Share] | None = None
    costs: dict[ClassName, dict[ClassName, Cost]] | None = None
    target: DecisionTarget | None = None

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Self:
        if sum(value is not None for _, value in self) != 1:
            raise ValueError("it must hold exactly one of threshold, costs and target")
        if self.threshold is not None and len(self.threshold) != 1:
            raise ValueError("threshold must hold one class and its probability, as in {yes: 0.3}")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it names."""
        if self.costs is not None:
            decided = (name for costs in self.costs.values() for name in costs)
            return tuple(dict.fromkeys([*self.costs, *decided]))
        return tuple(self.threshold or {}) or ((self.target.goal[1],) if self.target else ())


class Gate(ConfigModel):
    """The conditions for a new version to become current.

    Attributes:
        min_skill: the share of the baseline's loss that it must save, by the primary metric.
        slices: columns; the rows of each of their values are a slice, evaluated by the first metric.
        min_slice_rows: slices with fewer test rows are not evaluated.
        min_slice_score: the least value for each slice, if a greater value of the metric is better.
        max_slice_error: the greatest value for each slice, if a smaller value of the metric is better.
        min_recall: the least recall of classes, by their names.
        min_scores: the least values of metrics of which a greater value is better, by their names.
        max_scores: the greatest values of the other metrics.
        max_regression: by how much its loss may exceed that of the current version, as a share.
        max_group_gap: by how much metrics may differ between two groups of a protected column, by their names.
    """

    min_skill: Annotated[float, Field(ge=0, lt=1)]
    slices: tuple[str, ...] = ()
    min_slice_rows: Annotated[int, Field(ge=1)]
    min_slice_score: Annotated[float, Field(ge=0)] | None = None
    max_slice_error: Annotated[float, Field(ge=0)] | None = None
    max_regression: Annotated[float, Field(ge=0)] = 0.02
    min_recall: dict[ClassName, ShareOfRows] | None = None
    min_scores: dict[str, float] | None = None
    max_scores: dict[str, float] | None = None
    max_group_gap: dict[GroupMetric, Annotated[float, Field(gt=0)]] | None = None


class MonitorConfig(ConfigModel):
    """Limits of `make monitor` for recent rows, besides the contract and the distributions of the version."""

    false_alarm_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    min_effect: Annotated[float, Field(ge=0)] = 0.02
    alarm_after: Annotated[int, Field(ge=1)] = 2
    windows: Annotated[int, Field(ge=1)] = 3
    max_rejected_share: Share = 0.01
    p99_budget_ms: Annotated[float, Field(gt=0)] = 50
    stale_days: Annotated[float, Field(gt=0)] = 90
    private: dict[str, Literal["hash", "omit"]] = {}

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.alarm_after > self.windows:
            raise ValueError("alarm_after must not be more than windows, or no alarm is ever raised")
        return self


class Tracking(ConfigModel):
    """Whether trainings are tracked in MLflow, and where."""

    mlflow: bool = False
    uri: str = "sqlite:///mlflow.db"


class Settings(ConfigModel):
    """All of `conf/params.yaml`.

    Attributes:
        columns: for `adopt`, but for a column of the role `weight`, which holds the weights of rows.
        model: for `build`, which validates it.
        fit: the rows that a version learns from: train, both train and validation, or each of several models, which
            are averaged, all of these but a fold.
        class_weight: how much more a row counts by its class; `balanced` gives each class the same weight in total.
        calibration: with none, probabilities and intervals stay as the model gives them.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: DataConfig
    columns: dict[str, Role] = {}
    model: dict[str, Any]
    fit: Fit = "train"
    class_weight: ClassWeight | None = None
    gate: Gate
    decision: DecisionConfig | None = None
    calibration: Literal["automatic", "none"] = "automatic"
    monitor: MonitorConfig = MonitorConfig()
    tracking: Tracking = Tracking()

    @property
    def weight(self) -> str | None:
        """The column with the weights of rows, if there is one."""
        return next((name for name, role in self.columns.items() if role == "weight"), None)

    @property
    def protected(self) -> tuple[str, ...]:
        """The columns whose groups are compared."""
        return tuple(name for name, role in self.columns.items() if role in PROTECTED_ROLES)


class ServerConfig(ConfigModel):
    """Settings of the API; each is an environment variable, by its name in capital letters."""

    model_config = ConfigDict(alias_generator=str.upper)

    api_keys: tuple[str, ...] = ()  # if any, requests for predictions need one of them
    api_host: str = ""
    port: Annotated[int, Field(ge=0, lt=2**16)] = 8000
    api_max_bytes: Annotated[int, Field(ge=1)] = 2**20  # of a request
    api_max_rows: Annotated[int, Field(ge=1)] = 1000  # of a request
    api_max_seconds: Annotated[float, Field(gt=0)] = 5  # to receive a request, and to predict
    api_max_requests: Annotated[int, Field(ge=1)] = 100  # at once
    api_drain_seconds: Annotated[float, Field(ge=0)] = 1  # from "not ready" to the end, for load balancers
    api_poll_seconds: Annotated[float, Field(gt=0)] = 2  # between two checks for another current version
    api_store: str = "sqlite:///records/predictions.db"  # for predictions; "off" to record none
    api_store_days: Annotated[float, Field(gt=0)] = 90  # older records are deleted
    api_store_rows: Annotated[int, Field(ge=1)] = 2_000_000  # further records are deleted, oldest first
    api_outbox: Path = Path("records")  # a folder for records while the store is unavailable
    api_hash_key: str = ""  # for private columns; random at each start if empty

    @property
    def host(self) -> str:
        """The address to listen on: without keys, on this machine only, unless `api_host` is set."""
        return self.api_host or ("0.0.0.0" if self.api_keys else "127.0.0.1")  # noqa: S104 - keys are asked for


def read_server_config(environment: Mapping[str, str]) -> ServerConfig:
    """Read the settings of the API from environment variables; an empty one counts as unset.

    Raises:
        InputError: a value is invalid.
    """
    names = [name.upper() for name in ServerConfig.model_fields]
    values: dict[str, object] = {name: environment[name] for name in names if environment.get(name)}
    if api_keys := environment.get("API_KEYS"):
        keys = [key.strip() for key in api_keys.split(",") if key.strip()]
        if not keys or not all(key.isascii() and key.isprintable() for key in keys):
            raise InputError("the environment: API_KEYS must hold keys of ASCII letters, digits and signs. Correct it.")
        values["API_KEYS"] = keys
    return checked(ServerConfig, values, "the environment")


class _Loader(yaml.SafeLoader):
    """Reads yes, no, on and off as the words that they are, as YAML 1.2 does: classes and columns have such names."""


_Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if first in "tTfF" or resolver[0] != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class LenientSettings(Settings):
    """Settings of which sections that the kit does not know, such as a project's own, are ignored."""

    model_config = ConfigDict(extra="ignore")


SettingsT = TypeVar("SettingsT", bound=Settings)


def read_version_settings(folder: Path, kind: type[Settings] = Settings) -> Settings:
    """Read the settings, of this `kind`, that the version in `folder` was trained with; others in it are ignored.

    Raises:
        InputError: the file is missing, is not YAML, or a value is invalid.
    """
    lenient_kind: type[Settings] = type("Kept", (kind,), {"model_config": ConfigDict(extra="ignore")})
    return read_settings(folder / "params.yaml", lenient_kind)


@overload
def read_settings(path: Path) -> Settings: ...


@overload
def read_settings(path: Path, kind: type[SettingsT]) -> SettingsT: ...


def read_settings(path: Path, kind: type[Settings] = Settings) -> Settings:
    """Read `conf/params.yaml` as settings of this `kind`, which may have sections of the project's own.

    Raises:
        InputError: the file is missing, is not YAML, or a value is invalid.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Run this in the project's folder, or name it with --root.")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this is not valid YAML ({' '.join(str(error).split())}).") from error
    return checked(kind, values, str(path))


def checked(kind: type[ModelT], values: object, where: str) -> ModelT:
    """Validate `values`, which come from `where`, as `kind`.

    Raises:
        InputError: a setting is missing, unknown or out of range; names each of them.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [_plain_message(problem["type"], problem["loc"], problem["msg"]) for problem in error.errors()]
        raise InputError(f"{where}: {'; '.join(problems)}. Correct it there.") from error


def _plain_message(kind: str, location: tuple[int | str, ...], message: str) -> str:
    """Describe an error of pydantic in plainer words."""
    name = ".".join(str(step) for step in location if step != "[key]") or "the file"
    match kind:
        case "extra_forbidden":
            return f"{name} is not a setting"
        case "missing":
            return f"{name} is missing"
        case "tuple_type":
            return f"{name} must be a list, as [a, b]"
        case "model_type" | "dict_type":
            return f"{name} must hold names and values"
    return f"{name}: {message.removeprefix('Value error, ').replace('Input should be', 'it must be')}"

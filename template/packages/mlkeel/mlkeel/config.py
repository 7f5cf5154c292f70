"""Read `conf/params.yaml`: which table, which target, how to learn and what counts as good enough."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, overload

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlkeel.errors import InputError

Share = Annotated[float, Field(gt=0, lt=1)]
Checked = TypeVar("Checked", bound=BaseModel)
Role = Literal[
    "numeric",
    "categorical",
    "boolean",
    "target",
    "time",
    "text",
    "identifier",
    "row_number",
    "constant",
    "duplicate",
    "leak",
    "personal",
    "ignored",
]


class Strict(BaseModel):
    """A group of settings in which a misspelt name is an error and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Shares(Strict):
    """How the table is dealt out, as fractions of its rows."""

    train: Share
    validation: Share
    test: Share

    @model_validator(mode="after")
    def _cover_the_table(self) -> Self:
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test must sum to 1")
        return self


class Data(Strict):
    """The table in use, which of its columns is to be predicted, and which may give the target away."""

    path: Path
    target: str
    trusted: tuple[str, ...] = ()
    split: Shares


class Gate(Strict):
    """What a model must reach before it is put in use; the metrics of the project say by which scores."""

    margin: Annotated[float, Field(ge=0, lt=1)]
    slices: tuple[str, ...] = ()
    slice_rows: Annotated[int, Field(ge=1)]
    slice_limit: Annotated[float, Field(ge=0)]
    champion: Annotated[float, Field(ge=0)] = 0.02


class Watching(Strict):
    """What `make monitor` holds recent rows against, besides the contract and the distributions of the artifact."""

    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    least_effect: Annotated[float, Field(ge=0)] = 0.02
    breaches: Annotated[int, Field(ge=1)] = 2
    windows: Annotated[int, Field(ge=1)] = 3
    refused: Share = 0.01
    slower_than_ms: Annotated[float, Field(gt=0)] = 50
    stale_days: Annotated[float, Field(gt=0)] = 90
    private: dict[str, Literal["hash", "omit"]] = {}

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.breaches > self.windows:
            raise ValueError("breaches must not be more than windows, or no alarm is ever raised")
        return self


class Tracking(Strict):
    """Where trainings are noted besides the artifacts: nowhere, or in MLflow."""

    mlflow: bool = False
    uri: str = "sqlite:///mlflow.db"


class Settings(Strict):
    """All of `conf/params.yaml`; `columns` is for `adopt`, and `model` for `build`, which knows what it may hold."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    columns: dict[str, Role] = {}
    model: dict[str, Any]
    gate: Gate
    monitor: Watching = Watching()
    tracking: Tracking = Tracking()


class Serving(Strict):
    """How requests are served; each setting is a variable of the environment, by its name in capital letters."""

    model_config = ConfigDict(alias_generator=str.upper)

    api_keys: tuple[str, ...] = ()  # one of these must come with a prediction, if there are any
    api_host: str = ""
    port: Annotated[int, Field(ge=0, lt=2**16)] = 8000
    api_max_bytes: Annotated[int, Field(ge=1)] = 2**20  # of a request
    api_max_rows: Annotated[int, Field(ge=1)] = 1000  # of a request
    api_max_seconds: Annotated[float, Field(gt=0)] = 5  # to receive a request, and to predict
    api_max_requests: Annotated[int, Field(ge=1)] = 100  # at once
    api_drain_seconds: Annotated[float, Field(ge=0)] = 1  # between "not ready" and the end, for who sends requests
    api_poll_seconds: Annotated[float, Field(gt=0)] = 2  # between two looks for another artifact
    api_store: str = "sqlite:///records/predictions.db"  # where answers are recorded; "off" to record none
    api_store_days: Annotated[float, Field(gt=0)] = 90  # older records are deleted
    api_store_rows: Annotated[int, Field(ge=1)] = 2_000_000  # more records are deleted, oldest first
    api_spill: Path = Path("records")  # a folder for what the store cannot take just now
    api_hash_key: str = ""  # for private columns; by default one that is drawn at each start and told to nobody

    @property
    def host(self) -> str:
        """Where it listens: on this machine alone if there are no keys, unless told otherwise."""
        return self.api_host or ("0.0.0.0" if self.api_keys else "127.0.0.1")  # noqa: S104 - keys are asked for


def read_serving(environment: Mapping[str, str]) -> Serving:
    """Read how to serve from variables of the environment, of which an empty one counts as none.

    Raises:
        InputError: a value does not fit.
    """
    names = [name.upper() for name in Serving.model_fields]
    values: dict[str, object] = {name: environment[name] for name in names if environment.get(name)}
    if given := environment.get("API_KEYS"):
        keys = [key.strip() for key in given.split(",") if key.strip()]
        if not keys or not all(key.isascii() and key.isprintable() for key in keys):
            raise InputError("the environment: API_KEYS must hold keys of ASCII letters, digits and signs. Correct it.")
        values["API_KEYS"] = keys
    return checked(Serving, values, "the environment")


class KeptSettings(Settings):
    """The settings that an artifact was made with; sections that only its project knows are not looked at."""

    model_config = ConfigDict(extra="ignore")


Kind = TypeVar("Kind", bound=Settings)


def read_kept_settings(folder: Path, kind: type[Settings] = Settings) -> Settings:
    """Read the settings, of this `kind`, that the artifact in `folder` was made with; others in it are not looked at.

    Raises:
        InputError: the file is missing, is not YAML, or a value does not fit.
    """
    kept: type[Settings] = type("Kept", (kind,), {"model_config": ConfigDict(extra="ignore")})
    return read_settings(folder / "params.yaml", kept)


@overload
def read_settings(path: Path) -> Settings: ...


@overload
def read_settings(path: Path, kind: type[Kind]) -> Kind: ...


def read_settings(path: Path, kind: type[Settings] = Settings) -> Settings:
    """Read `conf/params.yaml` as settings of this `kind`, which may have sections of the project's own.

    Raises:
        InputError: the file is missing, is not YAML, or a value does not fit.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Run this in the project's folder, or name it with --root.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this is not valid YAML ({' '.join(str(error).split())}).") from error
    return checked(kind, values, str(path))


def checked(kind: type[Checked], values: object, where: str) -> Checked:
    """Turn `values` into `kind`.

    Raises:
        InputError: names each setting that is missing, unknown or out of range, and `where` it stands.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_said(fault["type"], fault["loc"], fault["msg"]) for fault in error.errors())
        raise InputError(f"{where}: {faults}. Correct it there.") from error


def _said(kind: str, place: tuple[int | str, ...], message: str) -> str:
    """What pydantic found, in plainer words."""
    name = ".".join(map(str, place)) or "the file"
    match kind:
        case "extra_forbidden":
            return f"{name} is not a setting"
        case "missing":
            return f"{name} is missing"
        case "model_type":
            return f"{name} must hold names and values"
    return f"{name}: {message.removeprefix('Value error, ').replace('Input should be', 'it must be')}"

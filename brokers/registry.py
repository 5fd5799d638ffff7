"""Which adapters there are, and how a broker is built from settings.

An adapter is a module of `brokers.adapters` named like the adapter (`-` becomes `_`), imported only when a
broker of its kind is built, with one class that registers itself::

    class PaperSettings(AdapterSettings):
        currency: str = "USD"

    @adapter("paper", settings=PaperSettings)
    class PaperTradingBroker(AbstractBroker):
        def __init__(self, name: str, settings: PaperSettings, context: BrokerContext) -> None: ...
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

import brokers.adapters
from brokers.errors import ConfigurationError
from brokers.network import OPEN, Network
from brokers.port import AbstractBroker
from brokers.simulation.source import TickSource

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")


class AdapterSettings(BaseModel):
    """The settings of one broker; unknown keys are errors, and nothing changes them afterwards.

    `on_any_market`: it trades whatever market the program has, a replayed one too; a real venue has its own.
    """

    on_any_market: ClassVar[bool] = False

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


@dataclass(frozen=True)
class BrokerContext:
    """What a broker may use of the program around it.

    `data_dir` is a folder for files that must outlive the process, `now` the trading clock (UTC),
    `source` the market that simulated venues live on, `symbols` what is traded, and `network` the way out to real
    venues.
    """

    data_dir: Path
    now: Callable[[], datetime]
    source: TickSource | None = None
    symbols: tuple[str, ...] = ()
    network: Network = OPEN


class Constructor(Protocol):
    """How a registered class is called: `cls(name, settings, context)`."""

    def __call__(self, name: str, settings: Any, context: BrokerContext) -> AbstractBroker:
        """Build a broker that is not connected."""


def _nothing(_settings: Any) -> Iterable[str]:
    """Settings that are each right are right together."""
    return ()


@dataclass(frozen=True)
class Registration:
    """One adapter: its class and the model of its settings."""

    build: Constructor
    settings: type[AdapterSettings]
    wrong_with: Callable[[Any], Iterable[str]] = _nothing


_registered: dict[str, Registration] = {}
B = TypeVar("B", bound=Constructor)


def adapter(kind: str, *, settings: type[AdapterSettings]) -> Callable[[B], B]:
    """Register the decorated broker class under `kind`. A second class of the same kind is a `ValueError`."""

    def register(broker: B) -> B:
        if kind in _registered:
            raise ValueError(f"there are two adapters named {kind!r}")
        _registered[kind] = Registration(broker, settings, getattr(broker, "wrong_with", _nothing))
        return broker

    return register


def adapter_names() -> tuple[str, ...]:
    """The names of all adapters, sorted, without importing any."""
    modules = (module.name for module in pkgutil.iter_modules(brokers.adapters.__path__))
    return tuple(sorted(name.replace("_", "-") for name in modules))


def load_adapter(kind: str) -> Registration:
    """Import one adapter. Raises `ConfigurationError` if there is none, or a library of its is missing."""
    if kind not in _registered:  # a class that was imported from elsewhere is as good as one of ours
        if kind not in adapter_names():
            raise ConfigurationError(f"unknown adapter {kind!r}{_hint(kind, adapter_names())}")
        _import(kind)
    return _registered[kind]


def validate(name: str, raw: Mapping[str, Any], place: str = "") -> list[str]:
    """What is wrong with the settings of the broker `name`, one line each; empty if it can be built.

    Each line names the place (they stand at `place`) and the remedy, and shows no secret.
    """
    return _Reading(name, raw, place).problems


def currency_of(raw: Mapping[str, Any]) -> str:
    """The currency that an account is kept in by its broker's settings: as they say, or what is usual there."""
    if "currency" in raw:
        return str(raw["currency"])
    try:
        usual = load_adapter(str(raw.get("adapter"))).settings.model_fields.get("currency")
    except ConfigurationError:  # told with all that is wrong with them
        return "USD"
    return str(usual.default) if usual is not None else "USD"


class BrokerFactory:
    """Builds brokers from settings."""

    def __init__(self, context: BrokerContext) -> None:
        self._context = context

    def build(self, name: str, raw: Mapping[str, Any]) -> AbstractBroker:
        """The broker `name` (our key), not connected, from `raw`, secrets included; `adapter` in it chooses.

        Raises `ConfigurationError` with every problem at once.
        """
        reading = _Reading(name, raw)
        if reading.problems or reading.registration is None:
            raise ConfigurationError("\n".join(reading.problems))
        return reading.registration.build(name, reading.settings, self._context)


class _Reading:
    """The settings of one broker read as far as they go, and the problems met."""

    def __init__(self, name: str, raw: Mapping[str, Any], place: str = "") -> None:
        self.problems: list[str] = []
        self.settings: AdapterSettings | None = None
        self._place = place or f"brokers.{name}"
        self._check_name(name)
        self.registration = self._choose(raw)
        if self.registration is not None:
            self._read(self.registration.settings, {k: v for k, v in raw.items() if k != "adapter"})

    def _check_name(self, name: str) -> None:
        if not _NAME.match(name):
            rule = "1 to 32 of a-z 0-9 _ -, starting with a letter or digit"
            self.problems.append(f"{self._place}: a broker's name has {rule}; rename it")

    def _choose(self, raw: Mapping[str, Any]) -> Registration | None:
        kind = raw.get("adapter")
        if not isinstance(kind, str):
            known = ", ".join(adapter_names())
            self.problems.append(f"{self._place}.adapter: is missing; set it to one of {known}")
            return None
        try:
            return load_adapter(kind)
        except ConfigurationError as error:
            self.problems.append(f"{self._place}.adapter: {error}")
            return None

    def _read(self, model: type[AdapterSettings], raw: Mapping[str, Any]) -> None:
        try:
            self.settings = model.model_validate(raw)
        except ValidationError as error:
            secrets = [text for text in _secrets(model, raw) if text]
            lines = (self._line(model, dict(problem)) for problem in error.errors(include_url=False))
            self.problems.extend(_masked(line, secrets) for line in lines)
        else:
            assert self.registration is not None
            self.problems.extend(f"{self._place}.{each}" for each in self.registration.wrong_with(self.settings))

    def _line(self, model: type[BaseModel], problem: dict[str, Any]) -> str:
        loc = problem["loc"]
        place = ".".join([self._place, *map(str, loc)])
        if problem["type"] == "missing":
            return f"{place}: is missing; add it"
        if problem["type"] == "extra_forbidden":
            return f"{place}: unknown setting{_hint(str(loc[-1]), _keys(model, loc[:-1]))}"
        value = problem["input"]
        shown = "" if isinstance(value, Mapping | BaseModel) else f" (it is {value!r})"
        if problem["type"] == "value_error":
            return f"{place}: {problem['ctx']['error']}{shown}"
        return f"{place}: {problem['msg']}{shown}; correct it"


def _import(kind: str) -> None:
    try:
        importlib.import_module(f"brokers.adapters.{kind.replace('-', '_')}")
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"the adapter {kind!r} needs {error.name}; install it") from error
    if kind not in _registered:
        raise ConfigurationError(f"the module of the adapter {kind!r} registers none; a bug, please report it")


def _hint(word: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(word, known, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    return f"{guess} Known: {', '.join(known)}" if guess else f"; known: {', '.join(known)}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The settings model that `annotation` is or contains (`Model | None`)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[str, ...]:
    """The settings known at `loc`."""
    for part in loc:
        field = model.model_fields.get(str(part))
        if field is None:  # the key of a map, or the place in a list: the entries are models of the same kind
            continue
        nested = _model_in(field.annotation)
        if nested is None:
            return ()
        model = nested
    return tuple(model.model_fields)


def _secrets(model: type[BaseModel], raw: Mapping[str, Any]) -> Iterator[str]:
    """Every value that stands where a secret belongs."""
    for key, value in raw.items():
        field = model.model_fields.get(key)
        if field is None:
            continue
        if _is_secret(field.annotation):
            yield str(value)
        elif isinstance(value, Mapping) and (nested := _model_in(field.annotation)):
            yield from _secrets(nested, value)


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _masked(line: str, secrets: list[str]) -> str:
    for secret in secrets:
        line = line.replace(secret, "***")
    return line

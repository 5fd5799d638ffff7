"""Finds the strategies, builds one as configured, and describes them all for help and cards."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from core.strategy.sdk import Strategy, StrategyParameters

AnyStrategy = Strategy[Any]
S = TypeVar("S", bound=type[AnyStrategy])

_PACKAGE = "core.strategies"
_registered: dict[str, type[AnyStrategy]] = {}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration: where, what, and how to mend it."""

    place: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}. {self.remedy}"


class StrategyConfigurationError(Exception):
    """A strategy cannot be built; `problems` holds all that is wrong, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """What a person needs to know of one parameter; `bounds` is text such as `2 to 400`, or empty."""

    name: str
    type: str
    default: str
    bounds: str
    description: str


@dataclass(frozen=True, slots=True)
class StrategyKind:
    """One kind of strategy that can be built."""

    kind: str
    title: str
    summary: str
    parameters: tuple[ParameterInfo, ...]


def strategy(kind: str) -> Callable[[S], S]:
    """Register the class below under `kind`, the word used in configuration and chat."""

    def register(cls: S) -> S:
        known = _registered.get(kind)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ValueError(f"strategy kind {kind!r} is taken by {known.__qualname__}")
        cls.kind = kind
        _registered[kind] = cls
        return cls

    return register


@cache
def _discover() -> None:
    package = importlib.import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{_PACKAGE}.{module.name}")


def strategy_classes() -> Mapping[str, type[AnyStrategy]]:
    """Every known strategy class by its kind, in alphabetical order."""
    _discover()
    return dict(sorted(_registered.items()))


def strategy_kinds() -> tuple[StrategyKind, ...]:
    """Every known kind with its parameters."""
    return tuple(
        StrategyKind(kind, cls.title, cls.summary(), _parameters(cls.Parameters))
        for kind, cls in strategy_classes().items()
    )


def build_strategy(kind: str, name: str, symbols: Sequence[str], raw_params: Mapping[str, object]) -> AnyStrategy:
    """The strategy `name` of `kind`; numbers in `raw_params` may be text, as they come from chat.

    Raises `StrategyConfigurationError` with every problem at once.
    """
    cls = strategy_classes().get(kind)
    problems = list(_symbol_problems(name, symbols))
    if cls is None:
        raise StrategyConfigurationError((_unknown_kind(name, kind), *problems))
    try:
        params = cls.Parameters.model_validate(dict(raw_params))
    except ValidationError as error:
        problems.extend(_parameter_problems(name, cls.Parameters, error))
    if problems:
        raise StrategyConfigurationError(problems)
    return cls(name, params, symbols)


def _symbol_problems(name: str, symbols: Sequence[str]) -> Iterable[Problem]:
    if not symbols:
        yield Problem(f"{name}.symbols", "there is no symbol", "Name at least one.")
    for symbol in sorted({one for one in symbols if symbols.count(one) > 1}):
        yield Problem(f"{name}.symbols", f"{symbol} is named twice", "Name it once.")


def _unknown_kind(name: str, kind: str) -> Problem:
    return Problem(f"{name}.kind", f"there is no strategy kind {kind!r}", _did_you_mean(kind, strategy_classes()))


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    choices = list(known)
    close = difflib.get_close_matches(word, choices, n=1)
    listed = f"The choices are: {', '.join(choices) or 'none'}."
    return f"Did you mean {close[0]}? {listed}" if close else listed


def _parameter_problems(name: str, model: type[StrategyParameters], error: ValidationError) -> Iterable[Problem]:
    known = {info.name: info for info in _parameters(model)}
    for detail in error.errors(include_url=False):
        field = ".".join(map(str, detail["loc"]))
        place = f"{name}.{field}" if field else name
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            yield Problem(place, f"there is no parameter {field!r}", _did_you_mean(field, known))
        elif (info := known.get(field)) is not None:
            yield Problem(place, f"{detail['input']!r} will not do: {_lower(message)}", _remedy(info))
        else:
            yield Problem(place, _lower(message), "Change the parameters so that this holds.")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _remedy(info: ParameterInfo) -> str:
    allowed = f"{info.type}, {info.bounds}" if info.bounds else info.type
    return f"Give {info.name} ({allowed}; default {info.default}), or leave it out."


def _parameters(model: type[StrategyParameters]) -> tuple[ParameterInfo, ...]:
    properties: Mapping[str, Mapping[str, Any]] = model.model_json_schema().get("properties", {})
    return tuple(_info(name, schema) for name, schema in properties.items())


_TYPES = {"integer": "whole number", "number": "number", "boolean": "yes or no", "string": "text"}


def _info(name: str, schema: Mapping[str, Any]) -> ParameterInfo:
    default = schema.get("default", "none")
    return ParameterInfo(
        name=name,
        type=_TYPES.get(schema.get("type", ""), "choice"),
        default=("yes" if default else "no") if isinstance(default, bool) else str(default),
        bounds=_bounds(schema),
        description=schema.get("description", ""),
    )


def _bounds(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    bottom = f"{low}" if low is not None else f"above {above}" if above is not None else ""
    top = f"{high}" if high is not None else f"below {below}" if below is not None else ""
    return " to ".join(filter(None, (bottom, top)))

"""A sizer turns a strategy's wish, an exposure from -1 to 1, into a quantity. `@sizer` registers it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from brokers.instrument import Instrument
from brokers.money import ZERO
from risk.metrics import is_price


@dataclass(frozen=True, slots=True)
class SizingInputs:
    """What a sizer may know.

    `price` is in the instrument's currency, `equity` is the part of the account's that the strategy may use,
    `volatility` the annualised standard deviation of returns (0.2 is 20 %; None: unknown), and `rate` what
    one unit of the instrument's currency is worth in the account's.
    """

    instrument: Instrument
    price: Decimal
    equity: Decimal
    volatility: float | None = None
    rate: Decimal = Decimal(1)

    @property
    def unit_value(self) -> Decimal:
        """What one unit is worth in the account's currency."""
        return self.price * self.instrument.multiplier * self.rate


@dataclass(frozen=True, slots=True)
class Sized:
    """A signed quantity in whole lots. Zero with a `reason` means "no size is known", not "be flat": whoever
    holds a position keeps it.
    """

    quantity: Decimal
    reason: str = ""


class CannotSizeError(Exception):
    """A sizer lacks what it needs; the text says what, in words for a trader."""


class Sizer(Protocol):
    """What the pipeline needs of a sizer."""

    @property
    def needs_volatility(self) -> bool:
        """Whether `SizingInputs.volatility` is looked at: it takes longer to compute than all the rest."""
        ...

    def size(self, exposure: Decimal | float, inputs: SizingInputs) -> Decimal:
        """The signed quantity, in whole lots, that `exposure` in [-1, 1] stands for; zero if unknown."""
        ...

    def explain(self, exposure: Decimal | float, inputs: SizingInputs) -> Sized:
        """As `size`, with the reason when no size is known."""
        ...


class SizingMethod(BaseModel, ABC):
    """A sizer whose parameters are its fields. It answers one question: how much is an exposure of 1?"""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str] = ""
    needs_volatility: ClassVar[bool] = False

    @abstractmethod
    def full_size(self, inputs: SizingInputs) -> Decimal:
        """Units (not yet whole lots, >= 0) that an exposure of 1 stands for. Raises `CannotSizeError`."""

    def size(self, exposure: Decimal | float, inputs: SizingInputs) -> Decimal:
        """The signed quantity, in whole lots, that `exposure` in [-1, 1] stands for; zero if unknown."""
        return self.explain(exposure, inputs).quantity

    def explain(self, exposure: Decimal | float, inputs: SizingInputs) -> Sized:
        """As `size`, with the reason when no size is known."""
        try:
            share = _checked(exposure, inputs)
            return Sized(inputs.instrument.floor_quantity(self.full_size(inputs) * share) if share else ZERO)
        except CannotSizeError as error:
            return Sized(ZERO, str(error))
        except ArithmeticError as error:
            return Sized(ZERO, f"the size cannot be computed: {error!r}")


def _checked(exposure: Decimal | float, inputs: SizingInputs) -> Decimal:
    share = Decimal(str(exposure))
    if not share.is_finite() or abs(share) > 1:
        raise CannotSizeError(f"an exposure lies between -1 and 1, not {exposure}")
    for name, value in (("price", inputs.price), ("equity", inputs.equity), ("exchange rate", inputs.rate)):
        if not is_price(value):
            raise CannotSizeError(f"the {name} must be above zero, not {value}")
    return share


_SIZERS: dict[str, type[SizingMethod]] = {}
S = TypeVar("S", bound=SizingMethod)


def sizer(name: str) -> Callable[[type[S]], type[S]]:
    """Register a sizing method under `name`. Raises `ValueError` on a second use."""

    def register(method: type[S]) -> type[S]:
        if name in _SIZERS:
            raise ValueError(f"sizer {name} is registered twice")
        method.name = name
        _SIZERS[name] = method
        return method

    return register


def all_sizers() -> Mapping[str, type[SizingMethod]]:
    """Every sizing method in `risk.sizing`, by name in name order."""
    import risk.sizing as folder

    for module in pkgutil.iter_modules(folder.__path__):
        importlib.import_module(f"risk.sizing.{module.name}")
    return dict(sorted(_SIZERS.items()))


def build_sizer(raw: Mapping[str, Any]) -> Sizer:
    """Make the sizer that settings describe: `{"method": "fixed_fractional", "percent": 5}`.

    Raises `ValueError` that names the known methods, or the parameter that is wrong.
    """
    sizers = all_sizers()
    name = raw.get("method")
    if not isinstance(name, str) or name not in sizers:
        raise ValueError(f"sizing method must be one of {', '.join(sizers)}, not {name!r}")
    try:
        return sizers[name].model_validate({key: value for key, value in raw.items() if key != "method"})
    except ValidationError as error:
        raise ValueError(f"sizing method {name}: {_told(error)}") from error


def _told(error: ValidationError) -> str:
    lines = ((".".join(map(str, each["loc"])), each["msg"]) for each in error.errors())
    return "; ".join(f"{where}: {what}" if where else what for where, what in lines)


@dataclass(frozen=True, slots=True)
class SizerHelp:
    """What help says of a sizer: its name, a sentence, and each parameter with its meaning."""

    name: str
    title: str
    parameters: Mapping[str, str]


def describe_sizers() -> tuple[SizerHelp, ...]:
    """Help on every sizer, in name order."""
    return tuple(
        SizerHelp(
            name,
            inspect.cleandoc(method.__doc__ or "").split("\n", 1)[0],
            {key: field.description or "" for key, field in method.model_fields.items()},
        )
        for name, method in all_sizers().items()
    )

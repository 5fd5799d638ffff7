"""Imports one exchange of ccxt, and not the hundred others.

`import ccxt.pro` reads every exchange there is: a second of CPU and over 100 MB. Here the packages `ccxt`,
`ccxt.async_support` and `ccxt.pro` are entered as what they are, but their `__init__` is not run: whatever is asked
of them is imported when it is asked for. If somebody needs what no module of theirs has, `__init__` is run after
all, so nobody ever meets half a ccxt.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from threading import RLock
from types import ModuleType
from typing import Any

# What modules of ccxt take from the top of a package: where it really is.
_SOURCES = {
    "ccxt": ("ccxt.base.errors", "ccxt.base.exchange", "ccxt.base.precise", "ccxt.base.decimal_to_precision"),
    "ccxt.async_support": ("ccxt.base.errors", "ccxt.async_support.base.exchange"),
    "ccxt.pro": ("ccxt.base.errors", "ccxt.async_support.base.exchange"),
}
_turn = RLock()


def load_exchange_class(ccxt_id: str) -> type[Any]:
    """The class of ccxt.pro for one exchange. Raises `ModuleNotFoundError` if ccxt has none of that name.

    Half a second of CPU the first time: better on a thread.
    """
    with _turn:
        try:
            _enter()
            found = getattr(importlib.import_module(f"ccxt.pro.{ccxt_id}"), ccxt_id)
        except (ImportError, AttributeError, RuntimeError):  # a ccxt that is built in another way
            _leave()
            found = _plainly(ccxt_id)
        if not isinstance(found, type):
            raise ModuleNotFoundError(f"ccxt.pro.{ccxt_id} has no class {ccxt_id}", name=f"ccxt.pro.{ccxt_id}")
        return found


def load_errors() -> ModuleType:
    """The module with ccxt's error classes."""
    with _turn:
        _enter()
        return importlib.import_module("ccxt.base.errors")


def _plainly(ccxt_id: str) -> Any:
    """The usual way, with all that it costs."""
    found = getattr(importlib.import_module("ccxt.pro"), ccxt_id, None)
    if found is None:
        raise ModuleNotFoundError(f"ccxt has no exchange {ccxt_id!r} with streams", name=f"ccxt.pro.{ccxt_id}")
    return found


def _enter() -> None:
    """Enter the packages that nobody has imported yet, without running them."""
    for name in _SOURCES:
        if name in sys.modules:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"no module named {name!r}; install ccxt", name=name)
        module = importlib.util.module_from_spec(spec)
        module.__class__ = _Package
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def _leave() -> None:
    """Take out again what was not run, so that the next import finds ccxt as if nothing had been tried."""
    if any(isinstance(sys.modules.get(name), _Package) for name in _SOURCES):
        for name in [each for each in sys.modules if each.partition(".")[0] == "ccxt"]:
            del sys.modules[name]


class _Package(ModuleType):
    """A package whose `__init__` has not been run, and is if nothing else helps."""

    def __setattr__(self, name: str, value: Any) -> None:
        """An exchange's module has a class of its name: as in the whole package, the class is what is found."""
        if isinstance(value, ModuleType) and isinstance(found := value.__dict__.get(name), type):
            value = found
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        """Asked for what is not there (yet)."""
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        if self._is_found(name) or self._is_run(name):
            return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def _is_found(self, name: str) -> bool:
        """Whether it is in a module that is small enough to import for it."""
        if name == "__version__":
            return False
        for source in _SOURCES[self.__name__]:
            module = importlib.import_module(source)
            if name in module.__dict__:
                setattr(self, name, module.__dict__[name])
                return True
        if importlib.util.find_spec(f"{self.__name__}.{name}") is None:
            return False
        importlib.import_module(f"{self.__name__}.{name}")
        return name in self.__dict__

    def _is_run(self, name: str) -> bool:
        """Whether it is there once the package is imported as a whole."""
        assert self.__spec__ is not None
        assert self.__spec__.loader is not None
        self.__class__ = ModuleType  # type: ignore[assignment]  # from now on it is a package like any other
        self.__spec__.loader.exec_module(self)
        return name in self.__dict__

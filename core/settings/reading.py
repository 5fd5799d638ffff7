"""Where settings come from: YAML files, `.env`, environment variables. Nothing is checked here but their form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from dotenv.parser import parse_stream

from core.errors import SettingsError

PREFIX = "QUARTERDECK_"


class _ExactLoader(yaml.SafeLoader):
    """YAML without floats, where a number with a point stays exact, and without keys that are given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping. Raises `ConstructorError` if a key is given twice: which one is meant?"""
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _exact_number(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal | str:
    try:
        return Decimal(node.value.replace("_", ""))
    except InvalidOperation:  # .inf and .nan: the setting says what it wants instead
        return str(node.value)


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact_number)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as a mapping, numbers with a point as exact `Decimal`s. Raises `SettingsError`."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_ExactLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}; check its name and permissions"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8 text; save it as UTF-8"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError([f"{path}{_where(error)}"]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise SettingsError([f"{path}: must be a mapping of settings, like `telegram:`, not a {kind}"])
    return content


def _where(error: Exception) -> str:
    """The line and what is wrong, without the line itself: there may be a secret in it."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ": is not valid YAML: a value in it cannot be read (a date, a huge number?)"
    problem = getattr(error, "problem", "") or "cannot be read"
    remedy = "check the indentation, the colons and the quotes there and in the line before"
    return f", line {mark.line + 1}, column {mark.column + 1}: is not valid YAML: {problem}; {remedy}"


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`; mappings merge, everything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


def read_dotenv(path: Path) -> dict[str, str | None]:
    """The variables in a `.env` file, {} without one. Raises `SettingsError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read as UTF-8 text; check its permissions and encoding"]) from error
    bindings = list(parse_stream(StringIO(text)))
    if bad := [f"{path}, line {each.original.line}: write NAME=value" for each in bindings if each.error]:
        raise SettingsError(bad)
    return {each.key: each.value for each in bindings if each.key}


@dataclass(slots=True)
class Given:
    """What the environment gives: the values as a tree, each leaf's variable, and what could not be used."""

    values: dict[str, Any] = field(default_factory=dict)
    variables: dict[tuple[str, ...], str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_environment(variables: Mapping[str, str | None]) -> Given:
    """The settings that `QUARTERDECK_A__B=value` give; a value that is a YAML list or mapping is read as such."""
    given = Given()
    for name, text in sorted(variables.items()):
        if name.startswith(PREFIX) and (text is None or text.strip()):
            given.problems += _put(given, name, text)
    return given


def _put(given: Given, name: str, text: str | None) -> Iterator[str]:
    path = tuple(name.removeprefix(PREFIX).lower().split("__"))
    if text is None:
        yield f"{name}: has no value; write {name}=value"
    elif not all(path):
        yield f"{name}: is not the name of a setting; sections are joined by two underscores, like A__B"
    else:
        yield from _put_value(given, path, name, text.strip())


def _put_value(given: Given, path: tuple[str, ...], name: str, text: str) -> Iterator[str]:
    node = given.values
    for part in path[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            yield f"{name}: another variable sets {part} as a whole; use one or the other"
            return
    try:
        node[path[-1]] = yaml.load(text, Loader=_ExactLoader) if text[0] in "[{" else text  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError):
        yield f"{name}: begins like a YAML list or mapping but is none; check brackets and quotes"
    given.variables[path] = name

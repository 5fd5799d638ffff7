"""Let the models of Binance's official SDKs read what the venue server said. Runs in `.venv-witness`, which has only the SDKs.

    .venv-witness/bin/python tests/venues/witness/validate.py JOURNAL [--shapes FILE]

A finding is an answer or event that a model refuses (a wrong type), that has a field which the model has not, or that
lacks one which it has. `--shapes` writes the fields of all models that are used, for the same check without the SDKs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

sys.path.insert(0, str(Path(__file__).parent))
import catalogue


def model_of(name: str) -> type[BaseModel]:
    """A model by SDK:MODULE:MODEL."""
    sdk, module, model = name.split(":")
    found = getattr(importlib.import_module(f"{sdk}.{module}.models"), model)
    assert isinstance(found, type)
    return found


def spoken(journal: Path) -> Iterator[tuple[str, str, Any]]:
    """What was said: (where, the model's name, the payload), one list item at a time."""
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        if entry["kind"] == "answer" and entry["status"] == 200 and entry["route"] not in catalogue.NOBODY:
            route, body = entry["route"], json.loads(entry["body"])
            if isinstance(body, list):
                yield from ((route, catalogue.EACH.get(route, ""), item) for item in body)
            else:
                yield route, catalogue.ONE.get(route, ""), body
        elif entry["kind"] == "event" and isinstance(entry["event"], dict):
            where = f"{entry['channel']} {entry['event'].get('e', '')}"
            yield where, catalogue.EVENTS.get(where, ""), entry["event"]


def findings(name: str, payload: Any) -> Iterator[str]:
    """What is wrong with one payload."""
    model = model_of(name)
    try:
        read = (
            model.model_validate(payload, by_alias=True)
            if not hasattr(model, "from_dict")
            else model.from_dict(payload)
        )
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return
    if read is None:
        yield "is not read"
        return
    yield from unknown(read)
    yield from _missing(model, payload, "")


def unknown(read: Any, path: str = "") -> Iterator[str]:
    """The fields of something read that its model has not."""
    if isinstance(read, list):
        for item in read:
            yield from unknown(item, path)
    elif isinstance(read, BaseModel):
        for name in read.model_dump().get("additional_properties", {}) or getattr(read, "additional_properties", {}):
            if name not in catalogue.EXTRA.get(type(read).__name__, {}) and not (name == "e" and not path):
                yield f"{type(read).__name__}{path}.{name}: the model has no such field"
        for name in type(read).model_fields:
            if name != "additional_properties":
                yield from unknown(getattr(read, name), f"{path}.{name}")


def _missing(model: type[BaseModel], payload: Any, path: str) -> Iterator[str]:
    if _is_choice(model):
        return
    for python_name, field in model.model_fields.items():
        name = field.alias or python_name
        if name == "additional_properties":
            continue
        if name not in payload:
            if name not in catalogue.ABSENT.get(model.__name__, {}):
                yield f"{model.__name__}{path}.{name}: is not there"
            continue
        inner = _inner(field.annotation)
        values = payload[name] if isinstance(payload[name], list) else [payload[name]]
        if inner is not None:
            for value in values:
                if isinstance(value, dict):
                    yield from _missing(inner, value, f"{path}.{name}")


def _is_choice(model: type[BaseModel]) -> bool:
    """Whether it stands for one of several things (filters): then no field must be there."""
    return "actual_instance" in model.model_fields or model.__name__.endswith("FiltersInner")


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Optional[List[Model]]` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _inner(each)) is not None), None)


def shape(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a model: names and, for the wire, kinds."""
    fields = ((each.alias or name, each.annotation) for name, each in model.model_fields.items())
    return {name: _kind(annotation) for name, annotation in fields if name != "additional_properties"}


def _kind(annotation: Any) -> Any:
    inner = _inner(annotation)
    is_list = "List" in str(annotation) or "list" in str(annotation)
    if inner is not None:
        known = "any" if _is_choice(inner) else shape(inner)
        return [known] if is_list else known
    text = str(annotation)
    if is_list:
        return "list"
    kinds = [
        kind
        for kind, word in (("str", "str"), ("int", "int"), ("float", "float"), ("bool", "bool"))
        if word in text.lower()
    ]
    return "|".join(kinds) or "any"


def _shapes(names: set[str]) -> dict[str, Any]:
    packages = sorted({name.split(":")[0].replace("_", "-") for name in names})
    source = {package: metadata.version(package) for package in packages}
    note = (
        "Names and kinds of fields, read off the models of Binance's official SDKs (MIT). Made by witness/validate.py."
    )
    return {"note": note, "from": source, "shapes": {name: shape(model_of(name)) for name in sorted(names)}}


def main() -> int:
    """Print what was found; 1 when there is anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--shapes", type=Path)
    arguments = parser.parse_args()
    found: dict[str, int] = {}
    read = 0
    for where, name, payload in spoken(arguments.journal):
        read += 1
        for finding in findings(name, payload) if name else ["no model is known for it"]:
            found[f"{where}: {finding}"] = found.get(f"{where}: {finding}", 0) + 1
    for finding, count in sorted(found.items()):
        print(f"{finding} ({count}x)")
    print(f"{read} answers and events read by the SDKs' models, {len(found)} findings")
    if arguments.shapes:
        names = {*catalogue.ONE.values(), *catalogue.EACH.values(), *catalogue.EVENTS.values()}
        arguments.shapes.write_text(json.dumps(_shapes(names), separators=(",", ":")) + "\n")
    return 1 if found or not read else 0


if __name__ == "__main__":
    sys.exit(main())

"""Reads and changes the file; errors name it, the line and the field."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from include.settings.deployment import Settings
from include.settings.part import SettingsError
from include.settings.place import settings_file

EXAMPLE = """\
# What this deployment trains on. docs/settings.md describes every field.
# store: gs://bucket/prefix   # a folder or a bucket; without it, a folder beside Airflow's state
namespace: lanner  # prefix of job names; two deployments in one account use two
collections: {}
"""


def load(file: Path | None = None) -> Settings:
    """Read and validate the settings; a missing file means the defaults (no collection yet).

    Raises:
        SettingsError: with one line per fault, each as ``file:line: field: what is wrong``.
    """
    file = file or settings_file()
    if not file.exists():
        return Settings()
    tree = _parse(file)
    try:
        return Settings.model_validate(_plain(tree))
    except ValidationError as invalid:
        faults = [f"{file}:{_line(tree, e['loc'])}: {_field(e['loc'])}: {_complaint(e)}" for e in invalid.errors()]
        raise SettingsError("\n".join(faults) + "\nEvery field is described in docs/settings.md.") from invalid


def put_collection(name: str, fields: Mapping[str, Any], file: Path | None = None) -> bool:
    """Add a collection to the file or change fields of one, keeping comments and order. True if anything changed.

    The result is validated before it replaces the file, so that a bad argument leaves the file as it was.
    """
    file = file or settings_file()
    existed = file.exists()
    tree = _parse(file) if existed else YAML().load(EXAMPLE)
    collections = tree.setdefault("collections", CommentedMap())
    collections.fa.set_block_style()
    entry = collections.setdefault(name, CommentedMap())
    before = _plain(entry)
    _merge(entry, fields)
    if existed and _plain(entry) == before:
        return False
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with temporary.open("w") as sink:
            YAML().dump(tree, sink)
        load(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _parse(file: Path) -> CommentedMap:
    try:
        tree = YAML().load(file)
    except MarkedYAMLError as broken:
        line = broken.problem_mark.line + 1 if broken.problem_mark else 1
        raise SettingsError(f"{file}:{line}: this is no valid YAML: {broken.problem}.") from broken
    if not isinstance(tree, CommentedMap):
        raise SettingsError(f"{file}:1: expected fields such as 'store:' and 'collections:'.")
    return tree


def _plain(node: Any) -> Any:
    """ruamel's commented nodes as plain dicts and lists."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node


def _merge(entry: CommentedMap, fields: Mapping[str, Any]) -> None:
    for key, value in fields.items():
        if isinstance(value, Mapping) and isinstance(entry.get(key), CommentedMap):
            _merge(entry[key], value)
        else:
            entry[key] = value


def _line(tree: Any, location: tuple[int | str, ...]) -> int:
    """The line (from 1) of the deepest part of a field's path that stands in the file."""
    line, node = 1, tree
    for part in location:
        try:
            position = node.lc.key(part) if isinstance(node, CommentedMap) else node.lc.item(part)
            node = node[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            continue  # e.g. the name of a branch of a union, which pydantic adds to the path
        line = position[0] + 1
    return line


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the whole file"


def _complaint(error: Any) -> str:
    got = f" (got {error['input']!r})" if isinstance(error.get("input"), str | int | float) else ""
    return error["msg"].removeprefix("Value error, ") + got

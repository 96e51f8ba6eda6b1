"""Public image sets that ``make run DATA=<name>`` knows by name: ``catalog.yaml``, beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints
from ruamel.yaml import YAML

FILE = Path(__file__).with_name("catalog.yaml")

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Entry(BaseModel):
    """One public set: where it is, what it is, and under which terms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: HttpUrl  # of an archive that never changes: of a commit, not of a branch
    sha256: Sha256 | None  # of the archive; None: nobody has recorded it yet, see docs/data.md
    folder: str = ""  # the set's folder in the archive
    licence: str
    about: str
    classes: tuple[str, ...]
    images: int = Field(gt=0)
    megabytes: float | None = None  # of the archive


@cache
def load_catalog(file: Path = FILE) -> dict[str, Entry]:
    """The catalogue's entries by name. A fault in it is pydantic's ``ValidationError``."""
    return {name: Entry.model_validate(fields) for name, fields in YAML(typ="safe").load(file).items()}


def describe(entries: dict[str, Entry]) -> str:
    """The catalogue for people, an entry per paragraph."""
    told = []
    for name, entry in entries.items():
        size = f"{entry.megabytes:g} MB" if entry.megabytes else "size unknown"
        verified = f"sha256 {entry.sha256}" if entry.sha256 else "no hash yet: the first download is trusted"
        classes = f"{len(entry.classes)} classes: " if len(entry.classes) > 1 else "class "
        told.append(
            f"{name}: {entry.about}\n  {entry.images} images, {size}, {classes}{', '.join(entry.classes)}\n"
            f"  licence: {entry.licence}\n  {entry.url}\n  {verified}"
        )
    return "\n".join(told)

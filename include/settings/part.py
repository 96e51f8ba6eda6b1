"""What every part of the settings is, and the forms of names in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")]  # in a bucket
PollSeconds = Annotated[float, Field(gt=0, le=600)]  # between two looks at the jobs that are waited for


class SettingsError(ValueError):
    """lanner.yaml is missing, is no YAML, or says something that cannot be."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

"""Who can suggest boxes, by the name that ``labelling.labeller`` in lanner.yaml has. A new one: a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING

from include.settings import Settings, SettingsError, settings_file

if TYPE_CHECKING:
    from include.labelling.labeller import Labeller

    Opener = Callable[[Settings, str, str], AbstractContextManager[Labeller]]


NOBODY = "nobody"  # as the labeller that suggests nothing is called in documents, too


def _registry(settings: Settings, collection: str, batch: str) -> AbstractContextManager[Labeller]:
    from include.labelling.own_model import newest_registered

    return newest_registered(settings.open_store(), settings.mlflow_uri, collection)


def _custom_vision(settings: Settings, collection: str, batch: str) -> AbstractContextManager[Labeller]:
    from labelling_jobs.custom_vision_labeller import open_custom_vision

    return open_custom_vision(settings, collection, batch)


def _nobody(settings: Settings, collection: str, batch: str) -> AbstractContextManager[Labeller]:
    from include.labelling.labeller import Nobody

    return nullcontext(Nobody())


LABELLERS: Mapping[str, Opener] = MappingProxyType(
    {"registry": _registry, "custom_vision": _custom_vision, NOBODY: _nobody}
)


def open_labeller(settings: Settings, collection: str, batch: str) -> AbstractContextManager[Labeller]:
    """The labeller that a collection asks for, to be used in a ``with``; ``SettingsError`` if there is none such.

    Args:
        batch: that it is asked for.
    """
    name = settings.collection(collection).labelling.labeller
    if name not in LABELLERS:
        raise SettingsError(
            f"{settings_file()}: collections.{collection}.labelling.labeller: got {name!r}; there are "
            f"{', '.join(sorted(LABELLERS))} (docs/labelling.md)."
        )
    return LABELLERS[name](settings, collection, batch)

"""What a job costs: machines x replicas x seconds, from ``prices.yaml`` beside this file and the user's own prices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator
from ruamel.yaml import YAML

from include.settings import HourlyPrice, Settings

FILE = Path(__file__).with_name("prices.yaml")
MILLIONTH = Decimal("0.000001")  # amounts are rounded up to a millionth of a dollar
HOUR = 3600  # seconds


class UnknownPrice(ValueError):
    """No price is known for a machine or accelerator, in its region, as on-demand or spot."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Part):
    """Where figures were found, and when."""

    page: HttpUrl
    date: date
    about: str


class Figure(HourlyPrice):
    """A price in one region."""

    source: str = ""  # a name in `sources`; empty: the item's
    confirmed: bool = False  # compared with the service's own price page


class Item(_Part):
    """A machine type or a kind of accelerator, and its price in each region."""

    source: str
    carries: dict[str, int] = {}  # accelerators that a machine always has, charged on top of it
    regions: dict[str, Figure]

    @model_validator(mode="before")
    @classmethod
    def _regions_beside(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """In the file the regions stand beside the other fields, which saves a level."""
        own = {name: value for name, value in fields.items() if name in ("source", "carries")}
        return {**own, "regions": {name: value for name, value in fields.items() if name not in own}}


class Unit(_Part):
    """A price of something that is counted, not timed."""

    dollars: float = Field(ge=0)
    per: int = Field(ge=1)  # so many of it
    what: str
    source: str


class CloudPrices(_Part):
    """One cloud's training service."""

    service: str
    date: date
    fee: float = Field(ge=0)  # the service's own, as a share of the on-demand price
    minimum_seconds: int = Field(ge=0)  # billed at least for each replica that was started
    sources: dict[str, Source]
    machines: dict[str, Item]
    accelerators: dict[str, Item]
    units: dict[str, Unit] = {}

    @model_validator(mode="after")
    def _sources_exist(self) -> CloudPrices:
        for name, unit in self.units.items():
            if unit.source not in self.sources:
                raise ValueError(f"{name}: there is no source {unit.source!r}; there are {', '.join(self.sources)}")
        for name, item in {**self.machines, **self.accelerators}.items():
            for source in (item.source, *(figure.source for figure in item.regions.values() if figure.source)):
                if source not in self.sources:
                    raise ValueError(f"{name}: there is no source {source!r}; there are {', '.join(self.sources)}")
            if missing := set(item.carries) - set(self.accelerators):
                raise ValueError(f"{name} carries {', '.join(missing)}, which has no price")
        return self


@dataclass(frozen=True)
class WorkerPool:
    """Machines that are alike. ``accelerators`` is their number in each machine.

    Accelerators that a machine type always has (an L4 in g2-standard-8) need not be named and are not counted twice.
    """

    machine: str
    replicas: int = 1
    accelerator: str | None = None
    accelerators: int = 0

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise ValueError(f"WorkerPool: replicas is {self.replicas}; it must be 1 or more.")
        if bool(self.accelerator) != (self.accelerators > 0):
            raise ValueError(
                f"WorkerPool: got accelerator {self.accelerator!r} and {self.accelerators} of them; "
                "name the kind and a number of 1 or more, or neither."
            )


@cache
def load_prices(file: Path = FILE) -> dict[str, CloudPrices]:
    """The table by cloud. A fault in it is pydantic's ``ValidationError``."""
    return {cloud: CloudPrices.model_validate(fields) for cloud, fields in YAML(typ="safe").load(file).items()}


class PriceList:
    """The table of one cloud with the user's own prices in front of it.

    Args:
        cloud: "google", "aws", "azure" or "custom_vision".
        own: machine or accelerator → region → price an hour with everything in it, as ``prices:`` of lanner.yaml has
            it; the service's fee is not added. What the table does not know may be in it.
    """

    def __init__(self, cloud: str, own: Mapping[str, Mapping[str, HourlyPrice]] | None = None) -> None:
        table = load_prices()
        if cloud not in table:
            raise UnknownPrice(f"There are no prices for the cloud {cloud!r}; there are some for {', '.join(table)}.")
        self.cloud = cloud
        self.table = table[cloud]
        self.own = own or {}

    @classmethod
    def of(cls, settings: Settings, cloud: str) -> PriceList:
        """With the prices of a deployment."""
        return cls(cloud, settings.prices.get(cloud))

    def hourly(self, pools: Sequence[WorkerPool], region: str, *, spot: bool = False) -> Decimal:
        """US dollars for an hour of all the machines together.

        Raises:
            UnknownPrice: something of it has no price; the message shows the lines that would add it to lanner.yaml.
        """
        return sum((pool.replicas * self._machine(pool, region, spot) for pool in pools), Decimal(0))

    def job(self, pools: Sequence[WorkerPool], seconds: float, region: str, *, spot: bool = False) -> Decimal:
        """US dollars for so many seconds, rounded up to a millionth.

        Seconds that were begun count, and at least ``minimum_seconds`` of the service; 0 means never started, which
        is free. ``UnknownPrice`` as for ``hourly``.
        """
        if seconds < 0:
            raise ValueError(f"Got {seconds} as a job's seconds; expected 0 or more.")
        hourly = self.hourly(pools, region, spot=spot)
        billed = max(math.ceil(seconds), self.table.minimum_seconds) if seconds else 0
        return (hourly * billed / HOUR).quantize(MILLIONTH, ROUND_CEILING)

    def units(self, name: str, count: int) -> Decimal:
        """US dollars for so many of what is counted, rounded up to a millionth; ``UnknownPrice`` if it has none."""
        if name not in self.table.units:
            known = ", ".join(self.table.units) or "nothing"
            raise UnknownPrice(f"There is no price for {name!r} of {self.table.service}; what is counted is {known}.")
        unit = self.table.units[name]
        return (_exact(unit.dollars) * count / unit.per).quantize(MILLIONTH, ROUND_CEILING)

    def unconfirmed(self, pools: Sequence[WorkerPool], region: str) -> list[str]:
        """What of these machines has a figure that nobody compared with the service's own page."""
        names = {name for pool in pools for name in (pool.machine, *self._accelerators(pool))}
        return sorted(
            name
            for name in names
            if region not in self.own.get(name, {})
            and (item := self._item(name)) is not None
            and (figure := item.regions.get(region)) is not None
            and not figure.confirmed
        )

    def _item(self, name: str) -> Item | None:
        return self.table.machines.get(name) or self.table.accelerators.get(name)

    def _accelerators(self, pool: WorkerPool) -> dict[str, int]:
        """Kind and number in each machine of a pool: those that it always has and those that were asked for."""
        item = self.table.machines.get(pool.machine)
        carried = item.carries if item else {}
        asked = {pool.accelerator: pool.accelerators} if pool.accelerator else {}
        if carried and asked and asked != carried:
            always = ", ".join(f"{number} x {kind}" for kind, number in carried.items())
            raise ValueError(
                f"{pool.machine} always has {always}, got {pool.accelerators} x {pool.accelerator}. Ask for what it "
                "has, or for another machine."
            )
        return dict(carried or asked)

    def _machine(self, pool: WorkerPool, region: str, spot: bool) -> Decimal:
        parts = self._accelerators(pool)
        return self._one(pool.machine, region, spot) + sum(
            (number * self._one(kind, region, spot) for kind, number in parts.items()), Decimal(0)
        )

    def _one(self, name: str, region: str, spot: bool) -> Decimal:
        own = self.own.get(name, {}).get(region)
        item = self._item(name)
        price = own or (item.regions.get(region) if item else None)
        if price is None or (spot and price.spot is None):
            raise UnknownPrice(self._how_to_add(name, region, spot))
        fee = 0 if own else Decimal(str(self.table.fee)) * _exact(price.on_demand)
        return _exact(price.spot if spot else price.on_demand) + fee

    def _how_to_add(self, name: str, region: str, spot: bool) -> str:
        item = self._item(name)
        if item is None:
            known = ", ".join([*self.table.machines, *self.table.accelerators])
            missing = f"There is no price for {name!r} of {self.table.service}. Known are {known}."
        elif region not in item.regions:
            missing = f"There is no price for {name} in {region}, only in {', '.join(item.regions)}."
        else:
            missing = f"There is no {'spot ' if spot else ''}price for {name} in {region}."
        return (
            f"{missing} If the name is right, add what you are charged for it, in US dollars an hour, to lanner.yaml:\n"
            f"prices:\n  {self.cloud}:\n    {name}:\n      {region}: {{on_demand: 1.23, spot: 0.45}}"
        )


def _exact(dollars: float | None) -> Decimal:
    return Decimal(str(dollars or 0))

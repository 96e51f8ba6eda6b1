"""What suggestions of Custom Vision may cost and have cost: in the collection's ledger, and within its month.

A quick training and what is then looked at is promised before it is asked for. What was spent is entered by iteration,
so that whoever comes after an interruption enters what the one before did not.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from include.costs.budget import dollars, reserve
from include.costs.ledger import NOTHING, Entry, Kind, Ledger, month_of
from include.costs.prices import PriceList, WorkerPool
from include.store import Store
from training_services.custom_vision.answering import PREDICTION
from training_services.custom_vision.service import ANYWHERE, COMPUTE_HOUR
from training_services.custom_vision.states import seconds_of

TARGET = "custom_vision"


class LabellingBill:
    """The money side of one collection's suggestions.

    Args:
        name: with which the entries begin.
        prices: None: they cost nothing (tier F0).
        monthly: US dollars for all that the collection asks for in a month; None: no limit.
    """

    def __init__(
        self, store: Store, collection: str, name: str, prices: PriceList | None, monthly: float | None
    ) -> None:
        self.ledger, self.name, self.prices = Ledger(store, collection), name, prices
        self.monthly = None if monthly is None else Decimal(str(monthly))

    def promise(self, seconds: float, looks: int) -> None:
        """Write down what a training of so many seconds and what looks at so many images can cost at most.

        Raises:
            OverBudget: more than what is left of the collection's month.
        """
        if self.prices is None:
            return
        most = self._training(seconds) + self.prices.units(PREDICTION, looks)
        note = f"a quick training of at most {seconds / 3600:g} h, looks at {looks} images"
        reserve(self.ledger, self._entry(self.name, Kind.ESTIMATED, most, note), self.monthly)
        print(f"Suggestions of Custom Vision can cost {dollars(most)} at most ({note}).")

    def settle(self, iterations: Iterable[Any]) -> None:
        """Enter what trainings came to that have ended. The same again counts once.

        Args:
            iterations: the SDK's, all that have ended.
        """
        if self.prices is None:
            return
        known = self.ledger.accounts()
        for each in iterations:
            name = f"{self.name}-{each.id[:8]}"
            if name not in known:
                spent = self._training(seconds_of(each) or 0.0)
                self.ledger.append(self._entry(name, Kind.FINAL, spent, f"quick training {each.name}"))
                print(f"{each.name} of Custom Vision cost {dollars(spent)}.")

    def looked(self, iteration: str, images: int) -> None:
        """Enter what all looks of an iteration came to."""
        if self.prices is not None and images:
            spent = self.prices.units(PREDICTION, images)
            self.ledger.append(self._entry(f"{self.name}-{iteration[:8]}-looks", Kind.FINAL, spent, f"{images} looks"))

    def close(self) -> None:
        """Take the promise back: what was spent of it stands with the iterations."""
        account = self.ledger.accounts().get(self.name)
        if account is not None and not account.ended:
            self.ledger.append(self._entry(self.name, Kind.CANCELLED, NOTHING, "entered by iteration"))

    def _training(self, seconds: float) -> Decimal:
        assert self.prices is not None
        return self.prices.job([WorkerPool(COMPUTE_HOUR)], seconds, ANYWHERE)

    def _entry(self, job: str, kind: Kind, amount: Decimal, note: str) -> Entry:
        now = datetime.now(UTC)
        return Entry(
            collection=self.ledger.collection,
            job=job,
            month=month_of(now),
            kind=kind,
            dollars=amount,
            at=now,
            target=TARGET,
            note=note,
        )

"""Wait for the person who reviews a round."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

GO_ON = "Take what is decided, and go on"
STOP = "Take what is decided, and stop"  # the page has both texts, too (finishing.js)
DAYS = 30


class ReviewRound(HITLOperator):
    """Asks for a round's review and waits in state ``awaiting_input``, at no cost of a worker slot or trigger.

    It is answered by the labelling page, or in Airflow's list of required actions. After ``DAYS`` without an answer
    what is decided is taken, and labelling stops.

    Args:
        round_: of ``open_next``, with the question's ``subject`` and ``body``.

    Returns:
        ``{"by": who answered, or "", "stop": bool}``
    """

    template_fields: Sequence[str] = ("round_", "subject", "body")

    def __init__(self, *, round_: Any, **kwargs: Any) -> None:
        super().__init__(
            subject="Label images",
            options=[GO_ON, STOP],
            defaults=STOP,
            response_timeout=timedelta(days=DAYS),
            **kwargs,
        )
        self.round_ = round_

    def execute(self, context: Context) -> Any:
        # Not as templates: what stands in them is data, and some of it was chosen by others.
        self.subject, self.body = self.round_["subject"], self.round_["body"]
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        answer = super().execute_complete(context, event)
        user = answer["responded_by_user"]
        return {"by": user["name"] if user else "", "stop": STOP in answer["chosen_options"]}

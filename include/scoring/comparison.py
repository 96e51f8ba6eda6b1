"""All results of one plan side by side, and which of them is proposed."""

from __future__ import annotations

from include.documents import ComparisonDocument, ComparisonRow, PlanDocument, ResultDocument, State
from include.store import Store


def compare_results(store: Store, plan: PlanDocument) -> ComparisonDocument:
    """Read the results that are there, propose the best, and put the comparison into the store."""
    rows = []
    for entry in plan.targets:
        found = store.newest(ResultDocument, plan.collection, f"{plan.key}/{entry.target}")
        rows.append(
            _row(entry.target, *found) if found else ComparisonRow(target=entry.target, state=None, result=None)
        )
    proposal, why = propose(rows)
    comparison = ComparisonDocument(
        collection=plan.collection, key=plan.key, plan=plan.path, rows=tuple(rows), proposal=proposal, why=why
    )
    store.put(comparison)
    return comparison


def propose(rows: list[ComparisonRow]) -> tuple[str | None, str]:
    """The target with the best mAP among those with a model that may be shipped, and why; ties go to the cheaper."""
    fit = [row for row in rows if row.mAP is not None]
    if not fit:
        return None, "no target has a model that passed the gate"
    best = max(fit, key=lambda row: (row.mAP or 0.0, -row.cost))
    return best.target, f"mAP {best.mAP:.3f} on the hold-out, the best of {len(fit)} of {len(rows)} targets"


def _row(target: str, path: str, result: ResultDocument) -> ComparisonRow:
    """A row with figures only if the export on which targets are compared passed the gate."""
    row = ComparisonRow(target=target, state=result.state, result=path, cost=result.cost)
    model = result.reference
    if result.state is not State.SUCCEEDED or model is None or model.refused:
        return row
    return row.model_copy(update={"mAP": model.metrics.mAP, "mAP50": model.metrics.mAP50})

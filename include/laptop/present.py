"""What `make run` shows: progress while it works, and the table of what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from include.documents import BatchDocument, ComparisonDocument, DatasetDocument, ExportResult, ResultDocument
from include.laptop.cascade import Look
from include.store import Store
from include.training_program import other_models

PLAIN_INTERVAL = 10.0  # seconds between two progress lines where there is no terminal

console = Console()


def say(line: str) -> None:
    """One line for the person at the terminal; paths in it stay whole."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """What went wrong, in red."""
    console.print(text, style="red", highlight=False, markup=False, soft_wrap=True)


def show_progress(looks: Iterable[Look], console: Console) -> None:
    """Show a cascade until it ends: a bar in a terminal, plain lines elsewhere."""
    began = time.monotonic()
    spoke = 0.0
    with _bar(console) as bar:
        for look in looks:
            for change in look.changes:
                console.print(f"{_clock(began)}  {change}", highlight=False, markup=False)
            if bar is not None:
                bar(look)
            elif look.trainings and time.monotonic() - spoke > PLAIN_INTERVAL:
                spoke = time.monotonic()
                for target, said in look.trainings.items():
                    console.print(f"{_clock(began)}  {describe(target, said)}", highlight=False)


def describe(target: str, said: dict[str, Any]) -> str:
    """One line about a training: step, loss, time left."""
    progress = f"step {said['step']} of {said['steps']}, loss {said['loss']:.3f}"
    return f"training {target}: {progress}, {said['seconds_left'] / 60:.1f} min left"


@contextmanager
def _bar(console: Console) -> Iterator[Any]:
    if not console.is_terminal:
        yield None
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as progress:
        bars = {"": progress.add_task("starting", total=None)}  # by target; the first is for all else

        def update(look: Look) -> None:
            doing = ", ".join(look.active) or "scheduling"
            progress.update(bars[""], description=doing, visible=not look.trainings)
            for target, said in look.trainings.items():
                if target not in bars:
                    bars[target] = progress.add_task("")
                far = {"total": said["steps"], "completed": said["step"]}
                progress.update(bars[target], description=describe(target, said), visible=True, **far)
            for target in bars.keys() - look.trainings.keys() - {""}:
                progress.update(bars[target], visible=False)

        yield update


def _clock(began: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    return f"{minutes:02d}:{seconds:02d}"


def show_results(console: Console, store: Store, collection: str, batch: str, results: list[ResultDocument]) -> None:
    """The tables at the end: images, scores, exports, and where everything lies."""
    found = store.newest(BatchDocument, collection, batch)
    if found:
        console.print(_images(found[1]))
    built = store.newest(DatasetDocument, collection, batch)
    if built:
        console.print(_sides(built[1]))
    for result in results:
        if not result.exports:
            console.print(f"Target {result.target}: {result.state} ({result.reason})")
            continue
        console.print(_exports(result))
        if result.reference:
            console.print(_classes(result.reference))
        for warning in result.training.warnings if result.training else ():
            console.print(f"[yellow]Note:[/yellow] {escape(warning)}", highlight=False)
        places = {"Report": result.report, "Model": result.model, "Result": result.path}
        for label, path in places.items():
            if path:
                console.print(f"{label:<9}{store.path(path)}", highlight=False, soft_wrap=True)
        if result.model_version:
            console.print(f"{'Registry':<9}{result.model_version}", highlight=False)


def show_comparison(console: Console, comparison: ComparisonDocument, results: list[ResultDocument]) -> None:
    """All targets of a plan side by side, scored on the same hold-out."""
    by_target = {result.target: result for result in results}
    table = Table(title="Comparison on the hold-out", title_justify="left")
    for column in ("target", "state", "mAP", "mAP50", "training", "cost"):
        table.add_column(column, justify="left" if column in {"target", "state"} else "right")
    for row in comparison.rows:
        result = by_target.get(row.target)
        reason = f" ({result.reason})" if result and result.reason else ""
        scores = ("–" if value is None else f"{value:.3f}" for value in (row.mAP, row.mAP50))
        took = f"{result.seconds / 60:.1f} min" if result and result.seconds else "–"
        table.add_row(row.target, f"{row.state or 'no report'}{reason}", *scores, took, f"${row.cost:.2f}")
    console.print(table)
    for line in other_models(row.target for row in comparison.rows):
        console.print(line, highlight=False)
    console.print(f"Proposal: {comparison.proposal or 'none'} ({comparison.why})", highlight=False)


def _images(batch: BatchDocument) -> Table:
    table = Table(title=f"Batch {batch.collection}:{batch.key}", title_justify="left")
    for column in ("", "found", "used", "quarantined"):
        table.add_column(column, justify="left" if not column else "right")
    for name, count in (("images", batch.images), ("boxes", batch.boxes)):
        table.add_row(name, str(count.found), str(count.used), str(count.quarantined))
    for code, number in sorted(batch.faults.items()):
        table.add_row(f"  {code}", "", "", str(number))
    return table


def _sides(dataset: DatasetDocument) -> Table:
    table = Table(title=f"Dataset {dataset.id[:8]}", title_justify="left")
    for column in ("side", "images", "boxes", "shards"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for side, content in dataset.sides.items():
        table.add_row(side, str(content.images), str(content.boxes), str(len(content.shards)))
    return table


def _exports(result: ResultDocument) -> Table:
    took = f", {result.seconds / 60:.1f} min of training" if result.seconds else ""
    table = Table(title=f"Target {result.target}: {result.state}{took}", title_justify="left")
    for column in ("export", "size", "latency", "mAP", "mAP50", "gate"):
        table.add_column(column, justify="left" if column in {"export", "gate"} else "right")
    for export in result.exports:
        table.add_row(
            export.format,
            f"{export.bytes / 1e6:.1f} MB",
            "–" if export.latency_ms is None else f"{export.latency_ms:.1f} ms",
            f"{export.metrics.mAP:.3f}",
            f"{export.metrics.mAP50:.3f}",
            "; ".join(export.refused) or "passed",
        )
    return table


def _classes(export: ExportResult) -> Table:
    table = Table(title="Hold-out, per class", title_justify="left")
    for column in ("class", "AP", "AP50"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for name, precision in export.metrics.per_class.items():
        at_half = export.metrics.per_class50[name]
        table.add_row(escape(name), *("–" if value is None else f"{value:.3f}" for value in (precision, at_half)))
    return table

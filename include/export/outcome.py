"""From evaluated exports to the lines of ``result.json``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from include.documents import ExportFormat, ExportResult
from include.export.gate import TOLERANCE, gate
from include.scoring.evaluation import Evaluation
from include.store import sha256_of


def export_results(
    evaluations: Mapping[ExportFormat, Evaluation],
    locations: Mapping[ExportFormat, str],
    tolerance: Mapping[ExportFormat, float] = TOLERANCE,
) -> tuple[ExportResult, ...]:
    """Pass every export through the gate and describe it.

    Args:
        locations: where each export lies in the store.
        tolerance: the mAP that each export may lose against the SavedModel.
    """
    refusals = gate(evaluations, tolerance)
    return tuple(
        ExportResult(
            format=format_,
            path=locations[format_],
            sha256=content_hash(evaluation.path),
            bytes=sum(file.stat().st_size for file in _files(evaluation.path)),
            metrics=evaluation.score.metrics,
            latency_ms=None if evaluation.latency_ms is None else round(evaluation.latency_ms, 3),
            refused=refusals[format_],
        )
        for format_, evaluation in evaluations.items()
    )


def content_hash(path: Path) -> str:
    """SHA-256, in hex, of a file; of a folder, that of its files' sorted "<sha256>  <relative path>" lines."""
    if path.is_file():
        return sha256_of(path)
    lines = [f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in _files(path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())

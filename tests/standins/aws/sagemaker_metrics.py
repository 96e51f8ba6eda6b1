"""Metrics that the service finds in a job's lines by regular expressions; Describe tells the last value of each.

https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

from __future__ import annotations

import re
import time
from typing import Any

DETECTION = (
    ("train:cross_entropy", r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train cross_entropy <loss>=\((\S+)\)"),
    ("train:smooth_l1", r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train smooth_l1 <loss>=\((\S+)\)"),
    ("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"),
    ("validation:mAP", r"#quality_metric: host=\S+, epoch=\S+, validation mAP <score>=\((\S+)\)"),
)  # of the built-in object detection, as it tells them itself


class Metrics:
    """Collects the last value of each metric.

    Args:
        definitions: (name, regular expression whose group is the value).
    """

    def __init__(self, definitions: tuple[tuple[str, str], ...]) -> None:
        self._patterns = [(name, re.compile(pattern)) for name, pattern in definitions]
        self._last: dict[str, dict[str, Any]] = {}

    def read(self, line: str) -> None:
        for name, pattern in self._patterns:
            found = pattern.search(line)
            if found and (value := _number(found[1])) is not None:
                self._last[name] = {"MetricName": name, "Value": value, "Timestamp": time.time()}

    def final(self) -> list[dict[str, Any]]:
        return list(self._last.values())


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

"""Custom Vision on this machine as a deployment meets it; see ``tests.standins.clouds``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tests.standins.azure.custom_vision_client import (
    PREDICTION_KEY,
    PREDICTION_RESOURCE,
    TRAINING_KEY,
    custom_vision_standin,
)
from tests.standins.clouds import Cloud
from tests.standins.proxy_client import proxy_standin


@contextlib.contextmanager
def custom_vision(state: Path, *options: str) -> Iterator[Cloud]:
    """One resource for training and prediction. Projects that were there before in the folder are there again.

    Args:
        options: of ``python -m tests.standins.azure.custom_vision``.
    """
    sent = state / "custom_vision-sent"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(custom_vision_standin(state / "custom_vision", "--sent", str(sent), *options))
        before = stack.enter_context(proxy_standin(state / "custom_vision-proxy", server.url))
        extra = {"prediction_api_key": PREDICTION_KEY, "prediction_resource_id": PREDICTION_RESOURCE}
        connection = {"conn_type": "generic", "host": before.url, "password": TRAINING_KEY, "extra": extra}
        yield Cloud(
            connections={"AIRFLOW_CONN_CUSTOM_VISION_DEFAULT": json.dumps(connection)},
            settings={"custom_vision": {"poll_seconds": 2}},
            standins={"custom_vision": server},
            proxies={"custom_vision": before.url},
            bucket=sent,
            machines=[],
            workers=({}, ""),
            submission={"path": r"/train(\?|$)"},
            permission="ForbiddenUser",
        )

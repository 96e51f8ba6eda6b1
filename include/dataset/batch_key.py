"""What can be the key of a batch."""

from __future__ import annotations

import re

BATCH_KEY = re.compile(r"[A-Za-z0-9_.~+-]{1,200}")  # what Airflow's run ids and a folder's name both bear


def require_batch_key(batch: str) -> None:
    """``ValueError`` unless this can be the key of a batch."""
    if not BATCH_KEY.fullmatch(batch):
        raise ValueError(f"Got {batch!r} as batch key, expected 1 to 200 of A-Z a-z 0-9 _ . ~ + -, such as 2026-11-20.")

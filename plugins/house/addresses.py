"""Where our pages are in Airflow's UI."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow.sdk.configuration import conf


def base_path() -> str:
    """What stands before every address of this Airflow (``/airflow`` behind a proxy), without a slash at its end."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")


def framed(route: str, address: str) -> str:
    """A page of ours inside Airflow's frame, menu and all: the route of its view, then its own address."""
    return f"{base_path()}/plugin/{route}{base_path()}{address}"

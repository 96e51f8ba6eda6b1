"""This project's pages in Airflow's UI. Every component of Airflow reads this file; apps are made when asked for."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from house.addresses import base_path


class LannerPages(AirflowPlugin):
    """The labelling page; later ones join it here."""

    name = "lanner_pages"
    external_views = [  # noqa: RUF012 -- Airflow's base class declares a list of the instance
        {"name": "Labelling", "href": f"{base_path()}/labelling/", "destination": "nav", "url_route": "labelling"},
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Asked for by the API server alone; FastAPI and Airflow's security cost a second and a half to import."""
        from labelling_page.app import app

        return [{"app": app, "url_prefix": "/labelling", "name": "Labelling"}]

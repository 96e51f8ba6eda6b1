"""One Airflow connection, as clients of the Google services that a training needs: Vertex AI, Logging, Storage.

The connection's extra may name other endpoints, for rehearsals and private networks::

    {"endpoints": {"aiplatform": "http://127.0.0.1:9001", "logging": "…", "storage": "…"}}
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from include.clouds.google_project import GoogleProject


@dataclass(frozen=True)
class GoogleCloud(GoogleProject):
    """The project of an Airflow connection."""

    @classmethod
    def of_connection(cls, connection: str, project: str = "") -> GoogleCloud:
        """From an Airflow connection; its project unless another is named.

        Raises:
            ValueError: neither names a project.
        """
        from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

        hook = GoogleBaseHook(gcp_conn_id=connection)
        credentials, found = hook.get_credentials_and_project_id()
        project = project or found or ""
        if not project:
            raise ValueError(
                f"Connection {connection} names no project. Set it in the connection's extra, or as google.project in "
                "lanner.yaml (docs/google.md)."
            )
        return cls(credentials, project, hook.extras.get("endpoints", {}))

    def custom_jobs(self, region: str) -> Any:
        """``projects.locations.customJobs`` of Vertex AI in a region. Run its requests by ``call``."""
        return self.discovered("aiplatform", "v1", f"{region}-aiplatform").projects().locations().customJobs()

    @cached_property
    def log_entries(self) -> Any:
        """``entries`` of Cloud Logging. Run its requests by ``call``."""
        return self.discovered("logging", "v2").entries()

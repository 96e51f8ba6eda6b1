"""One Airflow connection, as clients of a Custom Vision resource: the provider has no hook for it.

The connection is of any type, since none is meant for it ("generic" is in the UI's list)::

    {"conn_type": "generic", "host": "https://our-vision.cognitiveservices.azure.com/", "password": "<training key>",
     "extra": {"prediction_resource_id": "/subscriptions/…/accounts/our-vision-Prediction",
               "prediction_endpoint": "https://our-vision-prediction.cognitiveservices.azure.com/",
               "prediction_api_key": "<prediction key>"}}

A resource for both needs neither ``prediction_endpoint`` nor ``prediction_api_key``. That name, unlike others, is one
whose value Airflow hides in its UI and its logs. Another ``host`` serves rehearsals.
"""

from __future__ import annotations

from include.clouds.custom_vision_account import PREDICTIONS_PER_SECOND, CustomVisionAccount, CustomVisionCallFailed
from include.settings import CustomVisionSettings

__all__ = ["CustomVisionCallFailed", "CustomVisionCloud"]


class CustomVisionCloud(CustomVisionAccount):
    """The resource of an Airflow connection."""

    @classmethod
    def of_connection(cls, settings: CustomVisionSettings) -> CustomVisionCloud:
        """From the connection that the settings name, at the pace that they and the resource's tier allow.

        Raises:
            ValueError: it names no endpoint or no key.
        """
        from airflow.sdk import BaseHook

        described = BaseHook.get_connection(settings.connection)
        extra = described.extra_dejson
        if not (described.host and described.password):
            raise ValueError(
                f"Connection {settings.connection} needs the endpoint of a Custom Vision resource as its host and a "
                "training key as its password (docs/custom_vision.md)."
            )
        return cls(
            endpoint=_with_scheme(described.host, described.schema, described.port),
            training_key=described.password,
            prediction_resource=extra.get("prediction_resource_id", ""),
            prediction_endpoint=extra.get("prediction_endpoint", ""),
            prediction_key=extra.get("prediction_api_key", ""),
            calls_per_second=settings.calls_per_second,
            predictions_per_second=PREDICTIONS_PER_SECOND[settings.tier],
        )


def _with_scheme(host: str, schema: str | None, port: int | None) -> str:
    """An endpoint however a connection has it: whole in its host, or in the parts of a URI."""
    if "://" in host:
        return host.rstrip("/")
    return f"{schema or 'https'}://{host}{f':{port}' if port else ''}"

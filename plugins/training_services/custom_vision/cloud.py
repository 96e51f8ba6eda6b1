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

from include.clouds.custom_vision_account import CustomVisionAccount, with_scheme
from include.settings import CustomVisionSettings


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
        if not (described.host and described.password):
            raise ValueError(
                f"Connection {settings.connection} needs the endpoint of a Custom Vision resource as its host and a "
                "training key as its password (docs/custom_vision.md)."
            )
        return cls.described(
            with_scheme(described.host, described.schema, described.port),
            described.password,
            described.extra_dejson,
            tier=settings.tier,
            calls_per_second=settings.calls_per_second,
        )

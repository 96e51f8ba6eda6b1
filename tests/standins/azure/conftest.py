"""Stand-ins of Azure for the tests here."""

from __future__ import annotations

from tests.standins.azure.azure_ml_fixtures import azure_ml, azure_ml_client, azure_ml_job, azurite_url  # noqa: F401
from tests.standins.azure.custom_vision_fixtures import (  # noqa: F401
    custom_vision,
    custom_vision_bill,
    custom_vision_client,
    custom_vision_state,
    custom_vision_url,
    cv_project,
)

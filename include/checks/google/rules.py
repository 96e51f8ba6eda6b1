"""What makes a training on Vertex AI fail although nothing in its data is wrong."""

from __future__ import annotations

from collections.abc import Iterable

from include.checks.google import access as google_access
from include.checks.google import capacity as google_capacity
from include.checks.google import storage as google_storage
from include.checks.google.facts import GoogleFacts
from include.checks.rule import Fault, Rule

__all__ = ["APIS", "RULES", "GoogleFacts"]

APIS = ("aiplatform.googleapis.com", "storage.googleapis.com", "logging.googleapis.com")


def _apis(facts: GoogleFacts) -> Iterable[Fault]:
    for api in sorted(facts.missing_apis or ()):
        yield Fault(
            f"{api} is not enabled in project {facts.project}.",
            f"Enable it: gcloud services enable {api} --project={facts.project}",
            f'resource "google_project_service" "{api.partition(".")[0]}" {{\n  project = "{facts.project}"\n'
            f'  service = "{api}"\n  disable_on_destroy = false\n}}',
        )


RULES: tuple[Rule[GoogleFacts], ...] = (
    Rule("API_DISABLED", "https://cloud.google.com/vertex-ai/docs/start/cloud-environment", _apis),
    *google_storage.RULES,
    *google_access.RULES,
    *google_capacity.RULES,
)

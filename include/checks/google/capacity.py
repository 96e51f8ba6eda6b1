"""Rules about what a region has for us: the machines themselves, and our share of them."""

from __future__ import annotations

from collections.abc import Iterable

from include.checks.google.facts import GoogleFacts
from include.checks.google.machines import PRESETS
from include.checks.rule import Fault, Rule

VERTEX = "aiplatform.googleapis.com"


def _not_offered(facts: GoogleFacts) -> Iterable[Fault]:
    for region, name in dict.fromkeys(
        (asked.region, name) for asked in facts.machines for name in asked.in_compute_engine
    ):
        if facts.offered.get((region, name)) is False:
            asked = {preset for each in facts.machines for preset in each.presets}
            presets = sorted(preset for preset in asked if name in PRESETS[preset].in_compute_engine)
            yield Fault(
                f"Compute Engine has no {name} in {region}: Vertex AI has no {', '.join(presets)} there.",
                f"Look where there is one: gcloud compute {_listing(name)} list --filter=name={name} "
                f"--project={facts.project}. Then change google.region, or the target's machines, in lanner.yaml.",
            )


def _quota(facts: GoogleFacts) -> Iterable[Fault]:
    told: set[tuple[str, str, int]] = set()
    for asked in facts.machines:
        for metric, amount in asked.quota_use().items():
            limit = facts.limits.get((asked.region, metric), -1)
            if 0 <= limit < amount and (asked.region, metric, amount) not in told:
                told.add((asked.region, metric, amount))
                yield Fault(
                    f"{asked} takes {amount} of {metric} in {asked.region}; the quota of {facts.project} is {limit}.",
                    f"Ask for more; it may take days: {_preference(facts, metric, asked.region, amount)} (or by hand: "
                    f"https://console.cloud.google.com/iam-admin/quotas?project={facts.project}). Or name another "
                    "machine or region in lanner.yaml.",
                    _terraform(facts, metric, asked.region, amount),
                )


def _listing(name: str) -> str:
    return "accelerator-types" if name.startswith("nvidia-") else "machine-types"


def _preference(facts: GoogleFacts, metric: str, region: str, amount: int) -> str:
    """The command that asks for a quota. It goes by an id of its own, which another command finds by the metric."""
    found = (
        f"gcloud beta quotas info list --service={VERTEX} --project={facts.project} --filter=metric={metric} "
        "--format='value(quotaId)'"
    )
    return (
        f'gcloud beta quotas preferences create --service={VERTEX} --project={facts.project} --quota-id="$({found})" '
        f"--preferred-value={amount} --dimensions=region={region}"
    )


def _terraform(facts: GoogleFacts, metric: str, region: str, amount: int) -> str:
    name = f"{metric.rpartition('/')[2]}_{region.replace('-', '_')}"
    return f"""\
data "google_cloud_quotas_quota_infos" "{name}" {{
  parent  = "projects/{facts.project}"
  service = "{VERTEX}"
}}

resource "google_cloud_quotas_quota_preference" "{name}" {{
  parent     = "projects/{facts.project}"
  service    = "{VERTEX}"
  dimensions = {{ region = "{region}" }}
  quota_id = one([
    for info in data.google_cloud_quotas_quota_infos.{name}.quota_infos : info.quota_id if info.metric == "{metric}"
  ])
  quota_config {{
    preferred_value = {amount}
  }}
}}"""


RULES: tuple[Rule[GoogleFacts], ...] = (
    Rule("MACHINE_NOT_OFFERED", "https://cloud.google.com/vertex-ai/docs/general/locations", _not_offered),
    Rule("QUOTA", "https://cloud.google.com/vertex-ai/docs/quotas", _quota),
)

"""What is known of a Google Cloud project before a job is submitted. ``google_gathering`` finds it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from include.checks.google_machines import AskedMachine


@dataclass(frozen=True)
class GoogleFacts:
    """What the rules are asked about. None, or no entry: it could not be learned, and is not judged.

    Attributes:
        bucket: its name.
        caller: the service account that submits; empty: it is not known who that is, such as a person.
        regions: in which jobs may run, in the order of the settings.
        machines: on which they may run.
        service_account: that jobs run as; empty: Vertex AI's own, which has what it needs.
        bucket_location: of the bucket, as the service writes it ("US-CENTRAL1"); "" where there is no such bucket.
        missing_apis: that are not enabled.
        missing_permissions: of the caller, on the project, the bucket and the service account.
        limits: quotas by region and metric; below 0: unlimited. What is in use at this moment is not in them.
        offered: by region and Compute Engine's name of a machine type or accelerator: does the region have it?
        account_exists: the service account.
        account_uses_bucket: may it read, write and overwrite there?
        agent: the account by which Vertex AI starts jobs in this project.
        agent_acts: may it run jobs as the service account?
        unknown: what could not be learned, each with the reason.
    """

    project: str
    bucket: str
    caller: str
    regions: tuple[str, ...]
    machines: tuple[AskedMachine, ...] = ()
    service_account: str = ""
    bucket_location: str | None = None
    missing_apis: frozenset[str] | None = None
    missing_permissions: frozenset[str] | None = None
    limits: Mapping[tuple[str, str], int] = field(default_factory=dict)
    offered: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    account_exists: bool | None = None
    account_uses_bucket: bool | None = None
    agent: str = ""
    agent_acts: bool | None = None
    unknown: tuple[str, ...] = ()

    @property
    def anything_known(self) -> bool:
        """Was anything learned at all? If not, the credentials or the network are at fault, and no rule has spoken."""
        looked = (self.bucket_location, self.missing_apis, self.missing_permissions, self.account_exists)
        return any(each is not None for each in looked) or bool(self.limits or self.offered)

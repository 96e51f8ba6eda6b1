"""What is known of a Google Cloud project before a job is submitted. ``gathering`` finds it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from include.checks.google.machines import AskedMachine


@dataclass(frozen=True)
class BucketFacts:
    """A bucket of a deployment, and what is known of it. None: it could not be learned, and is not judged.

    Attributes:
        regions: whose jobs use it, by the settings.
        location: as the service writes it ("US-CENTRAL1"); "" where there is no such bucket.
        missing_permissions: of the caller, on it.
        account_uses_it: may the jobs' service account read, write and overwrite there?
    """

    name: str
    regions: tuple[str, ...]
    location: str | None = None
    missing_permissions: frozenset[str] | None = None
    account_uses_it: bool | None = None

    @property
    def region(self) -> str:
        """In which it is to lie."""
        return self.regions[0]


@dataclass(frozen=True)
class GoogleFacts:
    """What the rules are asked about. None, or no entry: it could not be learned, and is not judged.

    Attributes:
        buckets: of the deployment; the first is that of its own region, where jobs are claimed.
        caller: the service account that submits; empty: it is not known who that is, such as a person.
        regions: in which jobs may run, in the order of the settings.
        machines: on which they may run.
        service_account: that jobs run as; empty: Vertex AI's own, which has what it needs.
        missing_apis: that are not enabled.
        missing_permissions: of the caller, on the project and the service account.
        limits: quotas by region and metric; below 0: unlimited. What is in use at this moment is not in them.
        offered: by region and Compute Engine's name of a machine type or accelerator: does the region have it?
        account_exists: the service account.
        agent: the account by which Vertex AI starts jobs in this project.
        agent_acts: may it run jobs as the service account?
        unknown: what could not be learned, each with the reason.
    """

    project: str
    buckets: tuple[BucketFacts, ...]
    caller: str
    regions: tuple[str, ...]
    machines: tuple[AskedMachine, ...] = ()
    service_account: str = ""
    missing_apis: frozenset[str] | None = None
    missing_permissions: frozenset[str] | None = None
    limits: Mapping[tuple[str, str], int] = field(default_factory=dict)
    offered: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    account_exists: bool | None = None
    agent: str = ""
    agent_acts: bool | None = None
    unknown: tuple[str, ...] = ()

    @property
    def home(self) -> BucketFacts:
        """The bucket of the deployment's own region."""
        return self.buckets[0]

    @property
    def anything_known(self) -> bool:
        """Was anything learned at all? If not, the credentials or the network are at fault, and no rule has spoken."""
        looked: list[object] = [self.missing_apis, self.missing_permissions, self.account_exists]
        looked += [known for bucket in self.buckets for known in (bucket.location, bucket.missing_permissions)]
        return any(each is not None for each in looked) or bool(self.limits or self.offered)

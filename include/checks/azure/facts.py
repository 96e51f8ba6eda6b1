"""What is known of a workspace of Azure Machine Learning before a job is submitted. ``gathering`` finds it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from include.checks.azure.machines import Machine


@dataclass(frozen=True)
class AskedCluster:
    """A compute cluster that jobs may be sent to, as lanner.yaml has it.

    Attributes:
        preset: of the machines that it must have.
    """

    name: str
    preset: str
    machine: Machine
    spot: bool = False

    def __str__(self) -> str:
        return f"{self.preset}{', spot,' if self.spot else ''} on {self.name}"

    @property
    def cores(self) -> int:
        """That one job takes of a quota."""
        return self.machine.cores * self.machine.workers

    @property
    def tier(self) -> str:
        """As the Azure CLI calls it."""
        return "low_priority" if self.spot else "dedicated"


@dataclass(frozen=True)
class Cluster:
    """A compute cluster as the workspace has it.

    Attributes:
        kind: "AmlCompute"; all else cannot run our jobs; "" where there is none.
        low_priority: may its machines be taken away?
        least, most: machines that it keeps, and that it grows to.
    """

    kind: str
    vm_size: str = ""
    low_priority: bool = False
    least: int = 0
    most: int = 0


@dataclass(frozen=True)
class VmSize:
    """A size of machine that Azure Machine Learning has in a region.

    Attributes:
        family: whose cores it takes, as quotas name it.
    """

    family: str
    low_priority: bool = True


@dataclass(frozen=True)
class Quota:
    """Cores of a region. ``limit`` below 0: as many as come."""

    limit: int
    used: int = 0


TOTAL = ""  # instead of a family: of all machines of a tier together


@dataclass(frozen=True)
class Datastore:
    """Where a datastore of the workspace is."""

    kind: str  # "AzureBlob"
    account: str = ""
    container: str = ""


@dataclass(frozen=True)
class WorkspaceFacts:
    """What the rules are asked about. None, or no entry: it could not be learned, and is not judged.

    Attributes:
        subscription, resource_group, workspace, region, datastore: as the settings have them.
        asked: clusters that jobs may be sent to.
        caller: whoever submits, as the token names him; "" where Azure refused the credentials, ``refusal`` says why.
        absent: why there is no such workspace, in the service's words; "": there is.
        location: the workspace's region.
        store: of the datastore's name; of kind "" where there is none.
        storage_account: that the storage connection is for.
        cannot: what whoever submits cannot do in the datastore's container: "find", "list", "write".
        clusters: by name.
        sizes: of machines, in the region, by name in small letters.
        quotas: of the region, by whether machines may be taken away and by family in small letters, or ``TOTAL``.
        missing: actions on the workspace that whoever submits lacks.
        unknown: what could not be learned, each with the reason.
    """

    subscription: str
    resource_group: str
    workspace: str
    region: str
    datastore: str
    asked: tuple[AskedCluster, ...] = ()
    caller: str | None = None
    refusal: str = ""
    absent: str | None = None
    location: str = ""
    store: Datastore | None = None
    storage_account: str = ""
    cannot: frozenset[str] | None = None
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    sizes: Mapping[str, VmSize] = field(default_factory=dict)
    quotas: Mapping[tuple[bool, str], Quota] = field(default_factory=dict)
    missing: frozenset[str] | None = None
    unknown: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The workspace as Azure's resources name it."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"

    @property
    def in_workspace(self) -> str:
        """Options of the Azure CLI that name it."""
        return f"--workspace-name {self.workspace} --resource-group {self.resource_group}"

    def family(self, asked: AskedCluster) -> str:
        """Whose cores a machine takes: as the service says, else as our table has it; in small letters."""
        size = self.sizes.get(asked.machine.vm_size.lower())
        return (size.family if size else asked.machine.family).lower()

    @property
    def anything_known(self) -> bool:
        """Was anything learned at all? If not, the credentials or the network are at fault, and no rule has spoken."""
        looked = (self.absent, self.store, self.cannot, self.missing)
        return any(each is not None for each in looked) or bool(self.clusters or self.sizes or self.quotas)

"""The machines that are asked for as the rules see them, and where SageMaker has its own detector.

The types that SageMaker knows by name are those of the SDK's description of the service, which is as new as the SDK.
What they are for is called as Service Quotas calls it, which counts each use apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

TRAINING, TRANSFORM, ENDPOINT = "training job", "transform job", "endpoint"
SHAPES: Mapping[str, str] = MappingProxyType(
    {
        TRAINING: "TrainingInstanceType",
        TRANSFORM: "TransformInstanceType",
        ENDPOINT: "ProductionVariantInstanceType",
    }
)

# Of the built-in "Object Detection - MXNet", which does not train on CPUs.
# p2, p3: https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html, in the copy
# https://github.com/awsdocs/amazon-sagemaker-developer-guide/blob/040a957/doc_source/object-detection.md (2026-11-25).
# g4dn, g5: added to that page later, as to those of the other built-in algorithms; from memory, the page was not read.
BUILTIN_FAMILIES = ("ml.p2", "ml.p3", "ml.g4dn", "ml.g5")

# Whose registry holds the image, by region, of version 1, the only one. Read 2026-11-25:
# https://github.com/aws/sagemaker-python-sdk/blob/5bf7105/src/sagemaker/image_uri_config/object-detection.json
BUILTIN_REGISTRIES: Mapping[str, str] = MappingProxyType(
    {
        "af-south-1": "455444449433",
        "ap-east-1": "286214385809",
        "ap-northeast-1": "501404015308",
        "ap-northeast-2": "306986355934",
        "ap-northeast-3": "364406365360",
        "ap-south-1": "991648021394",
        "ap-southeast-1": "475088953585",
        "ap-southeast-2": "544295431143",
        "ca-central-1": "469771592824",
        "cn-north-1": "390948362332",
        "cn-northwest-1": "387376663083",
        "eu-central-1": "813361260812",
        "eu-north-1": "669576153137",
        "eu-south-1": "257386234256",
        "eu-west-1": "685385470294",
        "eu-west-2": "644912444149",
        "eu-west-3": "749696950732",
        "me-south-1": "249704162688",
        "sa-east-1": "855470959533",
        "us-east-1": "811284229777",
        "us-east-2": "825641698319",
        "us-gov-west-1": "226302683700",
        "us-west-1": "632365934929",
        "us-west-2": "433757028032",
    }
)


@dataclass(frozen=True)
class AskedInstance:
    """Machines as lanner.yaml or a command line asks for them.

    Attributes:
        type: SageMaker's name, "ml.g5.xlarge".
        spot: are they taken away when others need them?
        count: that train together.
        builtin: is it AWS's own detector that trains on them?
        use: what they are for.
    """

    type: str
    spot: bool = False
    count: int = 1
    builtin: bool = False
    use: str = TRAINING

    @property
    def quota(self) -> str:
        """The quota that bounds them, by its name in Service Quotas.

        >>> AskedInstance("ml.g5.xlarge", spot=True).quota
        'ml.g5.xlarge for spot training job usage'
        """
        return quota_name(self.type, spot=self.spot, use=self.use)

    @property
    def in_ec2(self) -> str:
        """EC2's name of the machine."""
        return self.type.removeprefix("ml.")

    def __str__(self) -> str:
        return f"{f'{self.count} x ' if self.count > 1 else ''}{self.type}{' (spot)' if self.spot else ''}"


# On which the built-in detector answers for the hold-out. A CPU takes well under a second for an image.
ANSWERING = AskedInstance("ml.m5.2xlarge", use=TRANSFORM)
# On which it may answer online; those that have a price. The first is AWS's own for trying, with free hours at first.
SERVING = ("ml.m5.xlarge", "ml.m5.2xlarge", "ml.g4dn.xlarge", "ml.g5.xlarge")


def quota_name(instance_type: str, *, spot: bool, use: str = TRAINING) -> str:
    return f"{instance_type} for {'spot ' if spot else ''}{use} usage"


def builtin_image(region: str) -> str:
    """The image of the built-in detector; ``KeyError`` where a region has none.

    >>> builtin_image("us-east-1")
    '811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1'
    """
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{BUILTIN_REGISTRIES[region]}.dkr.ecr.{region}.{domain}/object-detection:1"


@cache
def known_types(use: str = TRAINING) -> frozenset[str]:
    """Every instance type that SageMaker has for a use."""
    from botocore.session import get_session

    model = get_session().get_service_model("sagemaker")
    return frozenset(model.shape_for(SHAPES[use]).enum)

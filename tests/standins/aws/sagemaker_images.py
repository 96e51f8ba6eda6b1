"""The two containers that the stand-in knows: AWS's TensorFlow for training, and the built-in object detection.

https://github.com/aws/deep-learning-containers/blob/master/available_images.md,
https://docs.aws.amazon.com/sagemaker/latest/dg-ecr-paths/sagemaker-algo-docker-registry-paths.html
"""

from __future__ import annotations

import re

DEEP_LEARNING_ACCOUNT = "763104351884"
OBJECT_DETECTION_ACCOUNTS = {
    "us-east-1": "811284229777",
    "us-east-2": "825641698319",
    "us-west-1": "632365934929",
    "us-west-2": "433757028032",
    "ca-central-1": "469771592824",
    "eu-central-1": "813361260812",
    "eu-west-1": "685385470294",
    "eu-west-2": "644912444149",
    "ap-northeast-1": "501404015308",
    "ap-northeast-2": "306986355934",
    "ap-south-1": "991648021394",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "544295431143",
}
SCRIPT, OBJECT_DETECTION = "script", "object-detection"
CANNOT_PULL = (
    "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect."
)
_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([a-z0-9-]+):([\w.-]+)")
_TENSORFLOW_TAG = re.compile(r"2\.\d{1,2}(\.\d+)?-(cpu|gpu)-py3\d+(-cu\d+)?(-ubuntu\d+\.\d+)?(-sagemaker)?(-v[\d.]+)?")


def kind_of(image: str, region: str) -> str | None:
    """Which container an image of a region is; None: it cannot be pulled."""
    found = _IMAGE.fullmatch(image)
    if not found or found[2] != region:
        return None
    account, _, name, tag = found.groups()
    if name == "object-detection" and account == OBJECT_DETECTION_ACCOUNTS.get(region) and tag in {"1", "latest"}:
        return OBJECT_DETECTION
    if name == "tensorflow-training" and account == DEEP_LEARNING_ACCOUNT and _TENSORFLOW_TAG.fullmatch(tag):
        return SCRIPT
    return None

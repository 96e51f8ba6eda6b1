"""SageMaker Runtime: an endpoint is asked, and its container answers.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html. The words for an endpoint
that is not there: https://github.com/aws/amazon-sagemaker-examples/issues/293; the others are from memory.
"""

from __future__ import annotations

import urllib.error
import urllib.request

from tests.standins.aws.errors import Refusal
from tests.standins.aws.sagemaker_endpoints import Endpoints

LARGEST = 6 << 20  # bytes of a request
SECONDS = 60.0  # that a container may take


class Runtime:
    """Answers for the endpoints of an account."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints

    def invoke(self, region: str, name: str, content_type: str, body: bytes) -> bytes:
        """What an endpoint's model says to a request.

        Raises:
            Refusal: there is no such endpoint in service, the request is too large, or the model refuses it.
        """
        if len(body) > LARGEST:
            raise Refusal(
                "ValidationError",
                "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length "
                f"less than or equal to {LARGEST}",
            )
        container = self.endpoints.container(region, name)
        if container is None:
            raise Refusal("ValidationError", f"Endpoint {name} of account {self.endpoints.account.id} not found.")
        headers = {"Content-Type": content_type}
        try:
            request = urllib.request.Request(f"{container}/invocations", body, headers)
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            whose = "client" if error.code < 500 else "server"
            said = error.read().decode(errors="replace")
            raise Refusal(
                "ModelError", f'Received {whose} error ({error.code}) from primary with message "{said}".', 424
            ) from error
        except OSError as error:
            raise Refusal("ModelError", "Received server error (0) from primary.", 424) from error

"""A model of the built-in detector online, for as long as it takes to try it.

An endpoint bills from its creation until it is deleted, asked or not, and has no limit of its own. One that is being
created cannot be deleted, which may take a failing one half an hour.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from include.checks.aws.machines import Machine
from include.clouds.aws_account import AwsAccount, translated
from include.clouds.failures import CallFailed
from include.dataset.sagemaker_json import CONTENT_TYPE
from include.settings import AwsSettings
from training_services.sagemaker.answers import PredictionFailed, rows_of
from training_services.sagemaker.model import create_model, delete_model

VARIANT = "AllTraffic"
LARGEST_IMAGE = LARGEST_ANSWER = 6 << 20  # bytes, the most that an endpoint takes and gives
CREATING, IN_SERVICE, DELETING = "Creating", "InService", "Deleting"
END_SECONDS = 3600.0  # that the service may take until one can be deleted, and to delete it
LATE_SECONDS = 60.0  # in which a task that was ended may still have made one
MOST_PAUSE = 5.0  # seconds between two looks
LOG_GROUP, LOG_LINES = "/aws/sagemaker/Endpoints/", 5


class Endpoint:
    """The endpoint of one job's model, with its configuration and model; all three have its name.

    Args:
        job: the training job's name.
        image: that serves the model.
        artifacts: URI of model.tar.gz.
    """

    def __init__(self, account: AwsAccount, settings: AwsSettings, job: str, image: str, artifacts: str) -> None:
        self.account, self.settings, self.image, self.artifacts = account, settings, image, artifacts
        self.name = f"{job}-live"

    def create(self, machine: str) -> None:
        """Begin it; what is there already stays.

        Args:
            machine: instance type, "ml.m5.xlarge".

        Raises:
            QuotaExceeded: the account may have no such machine; nothing is billed.
            ValueError: there is no model.tar.gz.
        """
        create_model(self.account, self.settings, self.name, self.image, self.artifacts)
        variant = {
            "VariantName": VARIANT,
            "ModelName": self.name,
            "InstanceType": machine,
            "InitialInstanceCount": 1,
        }
        config: dict[str, Any] = {"EndpointConfigName": self.name, "ProductionVariants": [variant]}
        if self.settings.kms_key and not Machine(machine).has_own_disk:
            config["KmsKeyId"] = self.settings.kms_key
        with contextlib.suppress(FileExistsError):  # the answer to the call before was lost
            self.account.call("sagemaker", "create_endpoint_config", **config)
        with contextlib.suppress(FileExistsError):
            self.account.call("sagemaker", "create_endpoint", EndpointName=self.name, EndpointConfigName=self.name)

    def is_in_service(self) -> bool:
        """Does it answer yet?

        Raises:
            PredictionFailed: it never will.
        """
        found = _describe(self.account, self.name) or {"EndpointStatus": "gone"}
        if found["EndpointStatus"] in {CREATING, IN_SERVICE}:
            return bool(found["EndpointStatus"] == IN_SERVICE)
        why = found.get("FailureReason", "no reason is given")
        raise PredictionFailed(f"The endpoint {self.name} is {found['EndpointStatus']}: {why}{self._last_lines()}")

    def ask(self, image: bytes) -> list[list[float]]:
        """For an image: class from 0, score, xmin, ymin, xmax, ymax as fractions.

        Raises:
            PredictionFailed: that is no answer.
        """
        answer = self.account.call(
            "sagemaker-runtime", "invoke_endpoint", EndpointName=self.name, ContentType=CONTENT_TYPE, Body=image
        )
        with translated("sagemaker-runtime.invoke_endpoint"):
            return rows_of(answer["Body"].read(LARGEST_ANSWER), self.name)

    def delete(self, billed: Callable[[float], None], *, made: bool) -> None:
        """See to it that nothing is left of it, neither of its configuration nor of its model.

        Args:
            billed: told for how many seconds it is billed; the last time counts.
            made: it is known that ``create`` ran to its end. Otherwise it may have been ended in the midst of a call,
                and one that comes late is waited for.

        Raises:
            PredictionFailed: the service does not let go of it.
        """
        pause = min(self.settings.poll_seconds, MOST_PAUSE)
        end_endpoint(self.account, self.name, pause, billed)
        late = time.monotonic() + (0.0 if made else LATE_SECONDS)
        while time.monotonic() < late:
            time.sleep(pause)
            end_endpoint(self.account, self.name, pause, billed)
        delete_config(self.account, self.name)
        delete_model(self.account, self.name)

    def _last_lines(self) -> str:
        """The end of its log, where the container says what was wrong."""
        with contextlib.suppress(FileNotFoundError, PermissionError, CallFailed):
            events = self.account.call("logs", "filter_log_events", logGroupName=f"{LOG_GROUP}{self.name}")
            return "".join(f"\n  {each['message'].rstrip()}" for each in events.get("events", ())[-LOG_LINES:])
        return ""


def end_endpoint(
    account: AwsAccount, name: str, pause: float = MOST_PAUSE, billed: Callable[[float], None] = lambda _: None
) -> None:
    """Delete an endpoint as soon as that can be done, and wait until it is gone; none is fine.

    Args:
        pause: seconds between two looks.
        billed: as of ``Endpoint.delete``.

    Raises:
        PredictionFailed: the service does not let go of it.
    """
    begun, deadline = None, time.monotonic() + END_SECONDS
    while found := _describe(account, name):
        if begun is None:
            begun = found["CreationTime"]
            billed(_seconds_since(begun))  # what is known if this task dies before it is gone
        if time.monotonic() > deadline:
            raise PredictionFailed(
                f"The endpoint {name} cannot be deleted, it is {found['EndpointStatus']} since an hour, and bills. "
                f"Try again: aws sagemaker delete-endpoint --endpoint-name {name}"
            )
        if found["EndpointStatus"] not in {CREATING, DELETING}:
            with contextlib.suppress(ValueError, FileNotFoundError):  # another was faster
                account.call("sagemaker", "delete_endpoint", EndpointName=name)
        time.sleep(pause)
    if begun is not None:
        billed(_seconds_since(begun))


def delete_config(account: AwsAccount, name: str) -> None:
    """Delete an endpoint's configuration; one that is not there is fine."""
    with contextlib.suppress(FileNotFoundError):
        account.call("sagemaker", "delete_endpoint_config", EndpointConfigName=name)


def _describe(account: AwsAccount, name: str) -> dict[str, Any] | None:
    try:
        return account.call("sagemaker", "describe_endpoint", EndpointName=name)
    except FileNotFoundError:
        return None


def _seconds_since(moment: datetime) -> float:
    return max((datetime.now(UTC) - moment).total_seconds(), 0.0)

"""Clients of one AWS account in one region, by the credentials of whoever asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from include.clouds.failures import CallFailed, QuotaExceeded

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.exceptions import ClientError

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60  # seconds
TRIES = 4  # of one call, by botocore: after a 429, a 5xx or a broken connection
CONNECTIONS = 16  # of one client, at the same time
ALL_SERVICES = ""  # key of an endpoint that serves all that have none of their own

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html, and those of S3 and CloudWatch Logs
DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
ABSENT = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound", "ResourceNotFound", "ResourceNotFoundException"})
EMPTY = "InvalidRange"  # the end of an object was asked for that has no byte
THERE = frozenset({"412", "PreconditionFailed", "ResourceInUse"})
# What SageMaker calls a ValidationException, and its runtime a ValidationError, all the same: of jobs; of models,
# endpoints and their configurations, as Terraform's provider looks for it; of an endpoint that is to answer.
ABSENT_IN_WORDS = re.compile(
    r'Requested resource not found|Could not find (model|endpoint|endpoint configuration) "'
    r"|Endpoint \S+ of account \d+ not found"
)
THERE_IN_WORDS = re.compile(r"Cannot create already existing (model|endpoint|endpoint configuration) ")
WRONG = frozenset(
    {
        "400",
        "AuthorizationHeaderMalformed",
        "InvalidArgument",
        "InvalidBucketName",
        "InvalidParameterException",
        "InvalidRequest",
        "MalformedXML",
        "PermanentRedirect",
        "ValidationError",
        "ValidationException",
    }
)
OVER_QUOTA = "ResourceLimitExceeded"


@dataclass(frozen=True)
class AwsAccount:
    """Clients of one account and region, made when they are first needed. Safe to use from several threads.

    Args:
        session: with the caller's credentials.
        region: of everything that is asked.
        endpoints: URL by service ("sagemaker", "s3" …; "" for all others), where they are not AWS's own: for
            rehearsals and private networks. Where there are any, a service without one is not asked.
        config: of botocore, where it differs from what is usual here.
    """

    session: Session
    region: str
    endpoints: Mapping[str, str] = field(default_factory=dict)
    config: Config | None = None
    verify: bool | str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _making: Lock = field(default_factory=Lock, repr=False, compare=False)

    @classmethod
    def of_environment(cls, region: str, endpoints: Mapping[str, str] | None = None) -> AwsAccount:
        """By the SDK's own credentials (``aws configure``, variables of the environment, the machine's role).

        Raises:
            ValueError: a profile is named that there is not.
        """
        from boto3.session import Session
        from botocore.exceptions import ProfileNotFound

        try:
            return cls(Session(region_name=region), region, endpoints or {})
        except ProfileNotFound as error:
            raise ValueError(
                f"{error}. AWS_PROFILE names it; `aws configure list-profiles` lists those there are."
            ) from error

    def client(self, service: str) -> Any:
        """boto3's client of a service.

        Raises:
            LookupError: other endpoints are named, and none for this service: a rehearsal must not ask AWS.
        """
        with self._making:  # sessions are not safe for threads, clients are
            if service not in self._clients:
                self._clients[service] = self._made(service)
            return self._clients[service]

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation of a service, such as ``call("sagemaker", "stop_training_job", TrainingJobName=…)``.

        Raises:
            as ``translated``.
        """
        with translated(f"{service}.{operation}"):
            return getattr(self.client(service), operation)(**arguments)

    @cached_property
    def caller(self) -> str:
        """ARN of whoever asks."""
        return str(self.call("sts", "get_caller_identity")["Arn"])

    def _made(self, service: str) -> Any:
        from botocore.config import Config

        endpoint = self.endpoints.get(service) or self.endpoints.get(ALL_SERVICES)
        if self.endpoints and endpoint is None:
            raise LookupError(f"other endpoints than AWS's are named, and none for {service}")
        usual = Config(
            retries={"mode": "standard", "total_max_attempts": TRIES},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=CONNECTIONS,
        )
        return self.session.client(
            service,
            region_name=self.region,
            endpoint_url=endpoint,
            config=usual.merge(self.config) if self.config else usual,
            verify=self.verify,
        )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """boto3's errors in words that all clouds share.

    Args:
        what: is asked, for the message.

    Raises:
        PermissionError: the credentials may not do this, or there are none; the service's words name what is missing.
        ValueError: the service finds the request wrong.
        FileNotFoundError: there is no such thing.
        FileExistsError: there is one of this name.
        QuotaExceeded: the account has no more of it.
        CallFailed: anything that may go better next time.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
    )
    from s3transfer.exceptions import RetriesExceededError

    try:
        yield
    except ClientError as error:
        raise _explained(what, error) from error
    except ParamValidationError as error:
        raise ValueError(f"{what}: {error}") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise PermissionError(
            f"{what}: {error}. Put credentials into the Airflow connection, or log in with `aws configure` "
            "(docs/aws.md)."
        ) from error
    except (BotoCoreError, Boto3Error, RetriesExceededError) as error:
        raise CallFailed(f"{what} could not be asked: {error!r}") from error


def _explained(what: str, error: ClientError) -> Exception:
    """What a service's refusal means for whoever asked."""
    said = error.response.get("Error", {})
    code, message = said.get("Code", ""), said.get("Message") or str(error)
    words = f"{what} answered {code}: {message}"
    if code in ABSENT or code == EMPTY or ABSENT_IN_WORDS.search(message):
        return FileNotFoundError(words)
    if code in DENIED:
        return PermissionError(words)
    if code in THERE or THERE_IN_WORDS.search(message):
        return FileExistsError(words)
    if code in WRONG:
        return ValueError(words)
    return (QuotaExceeded if code == OVER_QUOTA else CallFailed)(words)

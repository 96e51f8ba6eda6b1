"""Clients of one Custom Vision resource of Azure's, by the keys of whoever asks.

The service's SDK does the talking, and none of the waiting: it sends no POST again after a 429, whatever the answer's
Retry-After says, and knows of no rate. Both are done here, for all calls alike.
https://learn.microsoft.com/azure/ai-services/custom-vision-service/limits-and-quotas
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from include.clouds.failures import CallFailed, QuotaExceeded

if TYPE_CHECKING:
    from typing import Self

    from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient

T = TypeVar("T")
TIMEOUT = 100  # seconds without an answer; a batch of images takes some
TRIES = 4  # of a call that may be made again, after a 5xx or a broken connection
PAUSE = 1.0  # seconds before the second, doubled with each
WAITS = 20  # after a 429, which did nothing, whatever the call
LONGEST_WAIT = 60.0  # seconds, whatever Retry-After says
LARGEST_EXPORT = 1 << 30  # bytes; the largest model of a compact domain is a twentieth of it
CALLS_PER_SECOND = 10.0
PREDICTIONS_PER_SECOND = MappingProxyType({"F0": 2.0, "S0": 20.0})  # of images that are not stored
# https://learn.microsoft.com/rest/api/customvision/projects/create?tabs=HTTP#customvisionerrorcodes
OVER_QUOTA = frozenset(
    {
        "BadRequestExceedProjectLimit",
        "BadRequestExceedIterationPerProjectLimit",
        "BadRequestExceededQuota",
        "BadRequestImageExceededCount",
    }
)


class CustomVisionRefused(ValueError):
    """The service finds the request wrong.

    Args:
        code: the service's: "BadRequestTrainingNotNeeded".
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Pace:
    """No more than so many calls a second, of all threads together, evenly spaced."""

    def __init__(self, per_second: float) -> None:
        self._apart = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._apart
        time.sleep(turn - now)


@dataclass(frozen=True)
class CustomVisionAccount:
    """Clients of one resource, made when they are first needed. Safe to use from several threads.

    Args:
        endpoint: of the training resource, "https://our-vision.cognitiveservices.azure.com/".
        training_key: one of its two.
        prediction_resource: Azure's id of the resource that models are published to, "/subscriptions/…"; empty: none
            was named, so no model can be asked.
        prediction_endpoint, prediction_key: of that resource; empty: those of training, as a resource for both has.
        calls_per_second: of this process, but for predictions.
        predictions_per_second: of this process.
    """

    endpoint: str
    training_key: str = field(repr=False)
    prediction_resource: str = ""
    prediction_endpoint: str = ""
    prediction_key: str = field(default="", repr=False)
    calls_per_second: float = CALLS_PER_SECOND
    predictions_per_second: float = PREDICTIONS_PER_SECOND["S0"]
    _calls: Pace = field(init=False, repr=False, compare=False)
    _predictions: Pace = field(init=False, repr=False, compare=False)

    @classmethod
    def described(
        cls, endpoint: str, key: str, extra: Mapping[str, Any], *, tier: str, calls_per_second: float
    ) -> Self:
        """As a connection describes it: its host, its password and its extra; at the pace that the tier allows."""
        return cls(
            endpoint=endpoint,
            training_key=key,
            prediction_resource=str(extra.get("prediction_resource_id", "")),
            prediction_endpoint=str(extra.get("prediction_endpoint", "")),
            prediction_key=str(extra.get("prediction_api_key", "")),
            calls_per_second=calls_per_second,
            predictions_per_second=PREDICTIONS_PER_SECOND[tier],
        )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_calls", Pace(self.calls_per_second))
        object.__setattr__(self, "_predictions", Pace(self.predictions_per_second))

    @cached_property
    def trainer(self) -> CustomVisionTrainingClient:
        from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
        from msrest.authentication import ApiKeyCredentials

        credentials = ApiKeyCredentials(in_headers={"Training-key": self.training_key})
        return _without_own_will(CustomVisionTrainingClient(self.endpoint, credentials))

    @cached_property
    def predictor(self) -> CustomVisionPredictionClient:
        from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
        from msrest.authentication import ApiKeyCredentials

        credentials = ApiKeyCredentials(in_headers={"Prediction-key": self.prediction_key or self.training_key})
        return _without_own_will(CustomVisionPredictionClient(self.prediction_endpoint or self.endpoint, credentials))

    def call(self, operation: str, *arguments: Any, repeatable: bool = True, **named: Any) -> Any:
        """Call an operation of training, such as ``call("delete_project", project_id)``.

        Args:
            repeatable: it may be made again where nobody knows whether it was done.

        Raises:
            as ``translated``.
        """
        asked = getattr(self.trainer, operation)
        return _patiently(operation, lambda: asked(*arguments, **named), self._calls, TRIES if repeatable else 1)

    def detect(self, project: str, published: str, image: bytes) -> list[Any]:
        """What a published model finds in an image, which is not stored: the SDK's ``Prediction`` objects.

        Raises:
            as ``translated``.
        """
        asked = self.predictor.detect_image_with_no_store
        answer = _patiently("detect_image", lambda: asked(project, published, image), self._predictions, TRIES)
        return list(answer.predictions or ())

    def download(self, uri: str, into: Path, say: Callable[[str], None] = print) -> str:
        """Fetch an exported model into a file. Returns its SHA-256. No key is sent along: the URI is signed.

        Raises:
            ValueError: the URI leads elsewhere than to https (or, in a rehearsal, to the endpoint itself).
            CallFailed: it did not arrive.
        """
        from include.dataset.fetch import PAUSE as FETCH_PAUSE
        from include.dataset.fetch import FetchError, Part, fetch_whole

        ours, theirs = urlsplit(self.endpoint), urlsplit(uri)
        if theirs.scheme != "https" and (theirs.scheme, theirs.netloc) != (ours.scheme, ours.netloc):
            raise ValueError(
                f"The service says that the model is at {theirs.scheme}://{theirs.hostname}…; expected https://. "
                "A resource inside a virtual network hands its models over in another way, which is not supported."
            )
        part = Part(into.with_name(f"{into.name}.part"), into.with_name(f"{into.name}.part.json"))
        try:
            found = fetch_whole(uri, part, None, LARGEST_EXPORT, FETCH_PAUSE, say)
        except FetchError as error:
            raise CallFailed(f"The exported model could not be fetched: {error}") from error
        part.file.replace(into)
        part.forget()
        return found


def with_scheme(host: str, schema: str | None = None, port: int | None = None) -> str:
    """An endpoint however a connection has it: whole in its host, or in the parts of a URI."""
    if "://" in host:
        return host.rstrip("/")
    return f"{schema or 'https'}://{host}{f':{port}' if port else ''}"


def _without_own_will(client: T) -> T:
    """A client of the SDK that sends each call once, and its key nowhere else."""
    configuration: Any = client.config  # type: ignore[attr-defined]
    configuration.retry_policy.retries = 0
    configuration.retry_policy.policy.status_forcelist = ()  # else a 5xx is "too many retries", without its words
    configuration.redirect_policy.allow = False
    configuration.connection.timeout = TIMEOUT
    return client


def _patiently(what: str, ask: Callable[[], Any], pace: Pace, tries: int) -> Any:
    """Make a call, at its pace, again where that helps."""
    failures = waits = 0
    while True:
        pace.wait()
        try:
            with translated(what):
                return ask()
        except _Throttled as throttled:
            waits += 1
            if waits > WAITS:
                raise CallFailed(str(throttled)) from throttled
            time.sleep(throttled.seconds)
        except QuotaExceeded:
            raise
        except CallFailed:
            failures += 1
            if failures >= tries:
                raise
            time.sleep(PAUSE * 2 ** (failures - 1))


class _Throttled(CallFailed):
    """A 429: nothing was done, and it may be asked again after some seconds."""

    def __init__(self, seconds: float, message: str) -> None:
        super().__init__(message)
        self.seconds = seconds


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The SDK's errors in words that all clouds share.

    Raises:
        PermissionError: the key may not do this, or is none.
        CustomVisionRefused: the service finds the request wrong; a ``ValueError``.
        FileNotFoundError: there is no such thing.
        QuotaExceeded: the resource has no more of it.
        CallFailed: anything that may go better next time.
    """
    from msrest.exceptions import ClientException, HttpOperationError

    try:
        yield
    except HttpOperationError as error:
        raise _explained(what, error) from error
    except ClientException as error:
        raise CallFailed(f"{what} could not be asked: {error}") from error
    except (TypeError, ValueError) as error:  # so the SDK trips over an answer that is empty, or no JSON
        raise CallFailed(f"{what} was answered with what is no answer: {error}") from error


def _explained(what: str, error: Any) -> Exception:
    """What the service's refusal means for whoever asked."""
    status = int(error.response.status_code)
    code, message = _said(error)
    words = f"{what} answered {status} {code}: {message}"
    if status == 429:
        return _Throttled(_wait(error.response.headers.get("Retry-After")), words)
    if status in {401, 403}:
        return PermissionError(f"{words} Look at the keys in the Airflow connection (docs/custom_vision.md).")
    if status == 404:
        return FileNotFoundError(words)
    if code in OVER_QUOTA:
        return QuotaExceeded(words, code)
    if status in {400, 413, 415}:
        return CustomVisionRefused(code, words)
    return CallFailed(words)


def _said(error: Any) -> tuple[str, str]:
    """Code and words of an answer: the service's own, or those of the gateway before it, which has another form."""
    try:
        said = json.loads(error.response.text)
        said = said.get("error", said)
        return str(said["code"]), str(said["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", str(error)


def _wait(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or PAUSE), 0.0), LONGEST_WAIT)
    except ValueError:  # a date, which the service has never been seen to send
        return PAUSE

"""The few calls to S3, IAM and CloudWatch Logs that the SageMaker stand-in and its jobs need, over plain HTTP.

Not boto3: it costs a CPU second at import, and one process for each job would pay it. Nothing is signed: the emulator
only looks at which service and region a signature would be for.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar
from xml.etree import ElementTree

T = TypeVar("T")

TRIES = 6
PASSING = frozenset({408, 429, 500, 502, 503, 504})
SECONDS = 60.0
_S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_IAM = "{https://iam.amazonaws.com/doc/2010-05-08/}"


@dataclass(frozen=True)
class S3Object:
    """An object as a list has it."""

    key: str
    size: int  # bytes
    etag: str


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key (or prefix) of an ``s3://`` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class Aws:
    """S3, IAM and CloudWatch Logs of one region. A reset, a 429 or a 5xx is tried again.

    Args:
        endpoint: such as ``http://127.0.0.1:18860``.
    """

    def __init__(self, endpoint: str, region: str) -> None:
        self.endpoint, self.region = endpoint.rstrip("/"), region

    # --- S3

    def bucket_region(self, bucket: str) -> str | None:
        """Where a bucket is; None: there is none of this name."""
        try:
            return self._call(
                "HEAD", "s3", f"/{bucket}", lambda answer: _header(answer, "x-amz-bucket-region") or self.region
            )
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def list(self, bucket: str, prefix: str, limit: int = 0) -> Iterator[S3Object]:
        """Objects whose keys begin with a prefix, in their order; folders' placeholders are left out.

        Args:
            limit: after so many it stops; 0: never.
        """
        token, found = "", 0
        while True:
            query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
            path = f"/{bucket}?{urllib.parse.urlencode(query)}"
            page = ElementTree.fromstring(self._call("GET", "s3", path, lambda answer: answer.read()))
            for each in page.iter(f"{_S3}Contents"):
                key = each.findtext(f"{_S3}Key", "")
                if not key.endswith("/"):
                    yield S3Object(key, int(each.findtext(f"{_S3}Size", "0")), each.findtext(f"{_S3}ETag", ""))
                    found += 1
                if found == limit > 0:
                    return
            token = page.findtext(f"{_S3}NextContinuationToken", "")
            if not token:
                return

    def download(self, bucket: str, key: str, to: Path) -> None:
        """An object into a file. Raises urllib.error.HTTPError if there is none."""
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f".{to.name}.download")

        def save(answer: IO[bytes]) -> None:
            with part.open("wb") as file:
                shutil.copyfileobj(answer, file)

        self._call("GET", "s3", _object(bucket, key), save)
        part.replace(to)

    def upload(self, bucket: str, key: str, file: Path) -> None:
        self._call("PUT", "s3", _object(bucket, key), lambda answer: answer.read(), file=file)

    # --- IAM

    def trust_policy(self, role: str) -> dict[str, Any] | None:
        """Who may assume a role; None: there is no such role."""
        form = urllib.parse.urlencode({"Action": "GetRole", "Version": "2010-05-08", "RoleName": role}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = self._call("POST", "iam", "/", lambda answer: answer.read(), body=form, headers=headers)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        text = ElementTree.fromstring(answer).findtext(f".//{_IAM}AssumeRolePolicyDocument", "{}")
        return json.loads(urllib.parse.unquote(text))

    # --- CloudWatch Logs

    def logs(self, operation: str, **request: Any) -> dict[str, Any]:
        """A call of CloudWatch Logs.

        Raises:
            urllib.error.HTTPError: it is refused.
        """
        headers = {"X-Amz-Target": f"Logs_20140328.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        body = json.dumps(request).encode()
        return json.loads(
            self._call("POST", "logs", "/", lambda answer: answer.read(), body=body, headers=headers) or b"{}"
        )

    def _call(
        self,
        method: str,
        service: str,
        path: str,
        take: Callable[[Any], T],
        *,
        body: bytes | None = None,
        file: Path | None = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        """What ``take`` makes of the answer to a call; a file is sent as it is read."""
        scope = f"rehearsal/20260101/{self.region}/{service}/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
        for attempt in range(TRIES):
            try:
                with contextlib.ExitStack() as stack:
                    content: Any = body if file is None else stack.enter_context(file.open("rb"))
                    request = urllib.request.Request(self.endpoint + path, content, signed | (headers or {}))
                    request.method = method
                    if file is not None:
                        request.add_header("Content-Type", "application/octet-stream")
                        request.add_header("Content-Length", str(file.stat().st_size))
                    return take(stack.enter_context(urllib.request.urlopen(request, timeout=SECONDS)))
            except (OSError, http.client.HTTPException) as error:  # HTTPError is an OSError, too
                lasting = isinstance(error, urllib.error.HTTPError) and error.code not in PASSING
                if lasting or isinstance(error, FileNotFoundError) or attempt == TRIES - 1:
                    raise
                time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")


def _object(bucket: str, key: str) -> str:
    return f"/{bucket}/{urllib.parse.quote(key)}"


def _header(answer: http.client.HTTPResponse, name: str) -> str:
    return answer.headers.get(name, "")

"""The few calls to Cloud Storage that the stand-ins' own jobs need, over its JSON API.

Not google-cloud-storage: it costs half a CPU second at import, and one process for each job would pay it.
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
from pathlib import Path
from typing import IO, Any, TypeVar

T = TypeVar("T")

TRIES = 6
PASSING = frozenset({408, 429, 500, 502, 503, 504})
SECONDS = 60.0


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and object (or prefix) of a ``gs://`` URI."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return bucket, name


class Objects:
    """Buckets and objects at an endpoint. A reset, a 429 or a 5xx is tried again.

    Args:
        endpoint: such as ``http://127.0.0.1:18800``.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/")

    def bucket(self, name: str) -> dict[str, Any] | None:
        return self._json("GET", f"/storage/v1/b/{_quoted(name)}")

    def get(self, bucket: str, name: str) -> dict[str, Any] | None:
        """An object's metadata; None if there is no such object."""
        return self._json("GET", f"/storage/v1/b/{_quoted(bucket)}/o/{_quoted(name)}")

    def list(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Metadata of all objects whose names begin with a prefix; none if the bucket does not exist."""
        token = ""
        while True:
            query = urllib.parse.urlencode({"prefix": prefix, "pageToken": token})
            page = self._json("GET", f"/storage/v1/b/{_quoted(bucket)}/o?{query}") or {}
            yield from page.get("items", [])
            token = page.get("nextPageToken", "")
            if not token:
                return

    def download(self, bucket: str, name: str, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f".{to.name}.download")
        path = f"/storage/v1/b/{_quoted(bucket)}/o/{_quoted(name)}?alt=media"

        def save(answer: IO[bytes]) -> None:
            with part.open("wb") as file:
                shutil.copyfileobj(answer, file)

        self._call("GET", path, save)
        part.replace(to)

    def upload(self, bucket: str, name: str, file: Path) -> None:
        query = urllib.parse.urlencode({"uploadType": "media", "name": name})
        self._call("POST", f"/upload/storage/v1/b/{_quoted(bucket)}/o?{query}", lambda answer: answer.read(), file)

    def delete(self, bucket: str, name: str) -> None:
        """Delete an object; one that is gone is fine."""
        self._json("DELETE", f"/storage/v1/b/{_quoted(bucket)}/o/{_quoted(name)}")

    def _json(self, method: str, path: str) -> dict[str, Any] | None:
        try:
            return json.loads(self._call(method, path, lambda answer: answer.read()) or b"{}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def _call(self, method: str, path: str, take: Callable[[IO[bytes]], T], file: Path | None = None) -> T:
        """What ``take`` makes of the answer to a call; a file is sent as it is read."""
        for attempt in range(TRIES):
            try:
                with contextlib.ExitStack() as stack:
                    body = None if file is None else stack.enter_context(file.open("rb"))
                    request = urllib.request.Request(self.endpoint + path, body, method=method)
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


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")

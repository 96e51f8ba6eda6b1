"""Downloads from a real server that breaks off, forgets, changes and lies."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from include.dataset.fetch import FetchError, download
from tests.dataset.http_server import BadServer, serving

DATA, OTHER = os.urandom(3 << 20), os.urandom(3 << 20)
HALF = len(DATA) // 2


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadServer]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(DATA) as server:
        yield server


def fetch(server: BadServer, folder: Path, said: list[str] | None = None, **options: object) -> Path:
    say = [].append if said is None else said.append
    return download(f"{server.url}/pets.zip", folder, pause=0.01, say=say, **options)  # type: ignore[arg-type]


def ranges(server: BadServer) -> list[str | None]:
    return [request.get("Range") for request in server.requests]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".part" in path.name]


def test_downloaded_once(server: BadServer, tmp_path: Path) -> None:
    said: list[str] = []
    file = fetch(server, tmp_path, said, sha256=sha(DATA))
    assert file.read_bytes() == DATA and file.name.endswith("-pets.zip") and leftovers(tmp_path) == []
    assert json.loads(file.with_name(f"{file.name}.json").read_text())["sha256"] == sha(DATA)
    assert fetch(server, tmp_path, sha256=sha(DATA)) == file
    assert len(server.requests) == 1
    assert not any("not verified" in line for line in said)


@pytest.mark.parametrize("validator", ["etag", "last_modified"])
def test_a_break_is_continued_where_it_was(server: BadServer, tmp_path: Path, validator: str) -> None:
    server.etag, server.last_modified = ('"1"', "") if validator == "etag" else ("W/1", "Mon, 02 Nov 2026 00:00:00 GMT")
    server.breaks = [HALF, 5, 0]
    assert fetch(server, tmp_path).read_bytes() == DATA
    assert ranges(server) == [None, f"bytes={HALF}-", f"bytes={HALF + 5}-", f"bytes={HALF + 5}-"]
    assert server.requests[1]["If-Range"] == (server.etag if validator == "etag" else server.last_modified)


def test_a_break_of_the_whole_process_is_continued_too(server: BadServer, tmp_path: Path) -> None:
    server.breaks, server.statuses = [HALF], []
    fails = [503] * 20

    def then_fail(line: str) -> None:
        if "interrupted" in line:
            server.statuses = fails

    with pytest.raises(FetchError, match=r"HTTP 503\. Check the network .* 1 MiB are kept"):
        download(f"{server.url}/pets.zip", tmp_path, pause=0.001, say=then_fail)
    server.statuses = []
    server.requests.clear()
    assert fetch(server, tmp_path).read_bytes() == DATA
    assert ranges(server) == [f"bytes={HALF}-"]


def test_a_server_that_ignores_ranges_is_asked_for_the_whole(server: BadServer, tmp_path: Path) -> None:
    server.breaks, server.ignores_range = [HALF], True
    assert fetch(server, tmp_path, sha256=sha(DATA)).read_bytes() == DATA


def test_without_a_version_nothing_is_continued(server: BadServer, tmp_path: Path) -> None:
    server.breaks, server.etag = [HALF], ""
    assert fetch(server, tmp_path).read_bytes() == DATA
    assert ranges(server) == [None, None]


@pytest.mark.parametrize("ignores_if_range", [False, True])
def test_halves_of_two_versions_are_never_joined(server: BadServer, tmp_path: Path, ignores_if_range: bool) -> None:
    server.breaks, server.versions, server.ignores_if_range = [HALF], [OTHER], ignores_if_range
    assert fetch(server, tmp_path).read_bytes() == OTHER


def test_a_server_that_hides_a_new_version_is_found_by_the_hash(server: BadServer, tmp_path: Path) -> None:
    server.breaks, server.versions, server.hides_versions = [HALF], [OTHER], True
    said: list[str] = []
    assert fetch(server, tmp_path, said, sha256=sha(OTHER)).read_bytes() == OTHER
    assert "What was continued does not add up; downloading it from the start." in said
    assert ranges(server) == [None, f"bytes={HALF}-", None]


def test_a_wrong_hash_is_thrown_away(server: BadServer, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=rf"has the SHA-256 {sha(DATA)}, expected {'0' * 64}\. It was altered"):
        fetch(server, tmp_path, sha256="0" * 64)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    with pytest.raises(FetchError, match="expected 1111"):
        download(f"{server.url}/pets.zip#sha256={'1' * 64}", tmp_path, say=print)


def test_without_a_hash_the_first_one_seen_counts(server: BadServer, tmp_path: Path) -> None:
    said: list[str] = []
    fetch(server, tmp_path, said, pinned=True).unlink()
    assert f"not verified: no hash is known for {server.url}/pets.zip; seen sha256 {sha(DATA)}" in said
    assert fetch(server, tmp_path, pinned=True).read_bytes() == DATA
    fetch(server, tmp_path, pinned=True).unlink()
    server.data = OTHER
    with pytest.raises(FetchError, match="It came with another hash before"):
        fetch(server, tmp_path, pinned=True)
    assert fetch(server, tmp_path).read_bytes() == OTHER  # an address that promises nothing may change


@pytest.mark.parametrize(
    ("status", "match"), [(404, "is not there"), (403, "not open to us"), (400, "expected 200"), (503, "HTTP 503")]
)
def test_refusals(server: BadServer, tmp_path: Path, status: int, match: str) -> None:
    server.statuses = [status] * 10
    with pytest.raises(FetchError, match=match):
        fetch(server, tmp_path)
    assert len(server.requests) == (6 if status == 503 else 1)


def test_passing_trouble_passes(server: BadServer, tmp_path: Path) -> None:
    server.statuses = [503, 429, 500]
    assert fetch(server, tmp_path).read_bytes() == DATA


def test_no_network(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/a.zip"
        with pytest.raises(FetchError, match=r"could not be downloaded: .*Check the network"):
            download(url, tmp_path, pause=0.001, say=print)


@pytest.mark.parametrize("tells_no_length", [False, True])
def test_too_large(server: BadServer, tmp_path: Path, tells_no_length: bool) -> None:
    server.tells_no_length = tells_no_length
    with pytest.raises(FetchError, match="Give a smaller one"):
        fetch(server, tmp_path, limit=HALF)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= HALF + 1000


def test_no_space(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=10))
    with pytest.raises(FetchError, match="Make space, or set LANNER_HOME"):
        fetch(server, tmp_path)


def test_redirects_only_to_http(server: BadServer, tmp_path: Path) -> None:
    server.redirect = f"{server.url}/elsewhere"
    assert fetch(server, tmp_path).read_bytes() == DATA
    for elsewhere in ("file:///etc/passwd", "ftp://127.0.0.1/a.zip"):
        server.redirect = elsewhere
        with pytest.raises(FetchError, match="leads elsewhere than to http"):
            fetch(server, tmp_path / "again")


def test_what_opens_a_url_is_neither_told_nor_kept(server: BadServer, tmp_path: Path) -> None:
    said: list[str] = []
    url = server.url.replace("http://", "http://somebody:secret@") + "/pets.zip?X-Amz-Signature=secret"
    file = download(url, tmp_path, pause=0.01, say=said.append)
    assert "secret" not in "".join(said) + file.with_name(f"{file.name}.json").read_text() + file.name
    with pytest.raises(FetchError) as caught:
        download(url, tmp_path / "again", sha256="0" * 64, pause=0.01, say=said.append)
    assert "secret" not in str(caught.value) + "".join(said)

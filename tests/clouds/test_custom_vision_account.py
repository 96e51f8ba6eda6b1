"""How the service is asked: patiently, at its pace, with the key sent nowhere else."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.clouds import custom_vision_account
from include.clouds.custom_vision_account import CustomVisionAccount, CustomVisionRefused, Pace
from include.clouds.failures import CallFailed, QuotaExceeded

KEY = "a-key-that-nobody-may-see"


class Answers:
    """A server that answers as it is told, in turn, and remembers what it was asked."""

    def __init__(self) -> None:
        self.next: list[tuple[int, Any, dict[str, str]]] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        answers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answers.asked.append((self.command, self.path, dict(self.headers)))
                status, body, headers = answers.next.pop(0) if answers.next else (200, [], {})
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _answer

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def say(self, status: int, body: Any, **headers: str) -> None:
        self.next.append((status, body, {name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers()
    yield made
    made.server.shutdown()


@pytest.fixture
def account(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> CustomVisionAccount:
    monkeypatch.setattr(custom_vision_account, "PAUSE", 0.01)
    return CustomVisionAccount(answers.url, KEY, calls_per_second=1000.0, predictions_per_second=1000.0)


def gateway(code: int) -> dict[str, Any]:
    """As the gateway before the service says it."""
    return {
        "error": {"code": str(code), "message": "Requests … have exceeded rate limit. Please retry after 1 second."}
    }


def test_a_post_is_asked_again_after_the_time_that_the_answer_says(
    answers: Answers, account: CustomVisionAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(custom_vision_account.time, "sleep", lambda seconds: slept.append(seconds))
    answers.say(429, gateway(429), Retry_After="7")
    answers.say(429, gateway(429), Retry_After="3600")
    answers.say(200, {"id": "1", "name": "a tag", "imageCount": 0})
    assert account.call("create_tag", "project", "a tag", repeatable=False).id == "1"
    assert [seconds for seconds in slept if seconds >= 1] == [7.0, custom_vision_account.LONGEST_WAIT]
    assert [method for method, _, _ in answers.asked] == ["POST"] * 3


def test_what_was_never_done_is_asked_no_more_than_so_often(
    answers: Answers, account: CustomVisionAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_vision_account, "WAITS", 2)
    for _ in range(3):
        answers.say(429, gateway(429), Retry_After="0")
    with pytest.raises(CallFailed, match="answered 429 429: Requests … have exceeded rate limit"):
        account.call("get_projects")


def test_what_may_have_been_done_is_asked_once_where_it_must_not_be_done_twice(
    answers: Answers, account: CustomVisionAccount
) -> None:
    answers.say(503, {"code": "ErrorUnknown", "message": "unavailable"})
    with pytest.raises(CallFailed, match="answered 503 ErrorUnknown: unavailable"):
        account.call("create_project", "ours", repeatable=False)
    assert len(answers.asked) == 1
    answers.say(503, {"code": "ErrorUnknown", "message": "unavailable"})
    assert account.call("get_projects") == []
    assert len(answers.asked) == 3, "a call that changes nothing is asked again"


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            400,
            {"code": "BadRequestTagName", "message": "Invalid"},
            CustomVisionRefused,
            "400 BadRequestTagName: Invalid",
        ),
        (400, {"code": "BadRequestExceedProjectLimit", "message": "2"}, QuotaExceeded, "BadRequestExceedProjectLimit"),
        (401, gateway(401), PermissionError, "Look at the keys in the Airflow connection"),
        (403, {"code": "ForbiddenUser", "message": "no"}, PermissionError, "ForbiddenUser: no"),
        (404, {"code": "NotFoundProject", "message": "none"}, FileNotFoundError, "NotFoundProject: none"),
        (409, {"code": "Conflict", "message": "twice"}, CallFailed, "409 Conflict: twice"),
        (502, b"<html>bad gateway</html>", CallFailed, "answered 502"),
        (200, b"{no json", CallFailed, "get_projects"),
    ],
)
def test_refusals_in_words_that_all_clouds_share(
    answers: Answers, account: CustomVisionAccount, status: int, body: Any, kind: type[Exception], words: str
) -> None:
    answers.say(status, body)
    with pytest.raises(kind, match=words) as refusal:
        account.call("get_projects", repeatable=False)
    assert KEY not in f"{refusal.value!r} {account!r}"
    if isinstance(refusal.value, CustomVisionRefused):
        assert isinstance(refusal.value, ValueError)
        assert refusal.value.code == "BadRequestTagName"


def test_the_key_follows_no_redirection(answers: Answers, account: CustomVisionAccount) -> None:
    elsewhere = Answers()
    answers.say(302, b"", Location=f"{elsewhere.url}/collect")
    with pytest.raises(CallFailed):
        account.call("get_projects", repeatable=False)
    assert answers.asked[0][2]["Training-key"] == KEY
    assert elsewhere.asked == []


def test_a_model_is_fetched_without_the_key(answers: Answers, account: CustomVisionAccount, tmp_path: Path) -> None:
    answers.say(200, b"the model", Content_Type="application/zip")
    account.download(f"{answers.url}/exports/1.zip?signature=secret", tmp_path / "model.zip", lambda _: None)
    assert (tmp_path / "model.zip").read_bytes() == b"the model"
    assert KEY not in str(answers.asked)
    assert [file.name for file in tmp_path.iterdir()] == ["model.zip"]


@pytest.mark.parametrize("uri", ["http://169.254.169.254/latest", "file:///etc/passwd", "artifacts/1.zip"])
def test_a_model_is_fetched_from_nowhere_else(account: CustomVisionAccount, tmp_path: Path, uri: str) -> None:
    with pytest.raises(ValueError, match="expected https://"):
        account.download(uri, tmp_path / "model.zip")


def test_the_pace_is_that_of_all_threads_together() -> None:
    pace, begun = Pace(200.0), time.monotonic()
    threads = [threading.Thread(target=lambda: [pace.wait() for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun >= 39 / 200

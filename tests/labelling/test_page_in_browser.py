"""The labelling page in a real browser: a box drawn by mouse, another by keyboard, accepted by keyboard."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from include.labelling.answers import read_answers
from include.labelling.documents import RoundDocument
from include.labelling.labeller import Proposal
from include.settings import load
from tests.labelling.browser import CHROMIUM, SECONDS, Page, browser
from tests.labelling.conftest import Bench, Oracle

EVIL = "<img src=x onerror=document.title='taken'>"
PIXEL = 2.0  # of the screen may make so many of the image


@pytest.fixture
def round_(lanner: Path) -> RoundDocument:
    (lanner / "lanner.yaml").write_text(f"collections: {{pets: {{source: '{lanner}/pictures'}}}}")
    bench = Bench(lanner / "pictures", load().open_store())
    first, second = bench.put("first.jpg", 1), bench.put("second.jpg", 2)
    suggestion = Proposal(EVIL, 0.9, 50, 40, 70, 55)
    opened = bench.open(Oracle({first: [suggestion], second: [suggestion]}), classes=("cat", EVIL), any_class=True)
    assert opened is not None
    return opened


@pytest.fixture
def address(round_: RoundDocument) -> Iterator[str]:
    """The page on a free port. Its login is tested in test_page.py; here everybody is ada."""
    from airflow.api_fastapi.core_api.security import get_user

    from labelling_page.app import app, may_answer, may_read

    class Ada:
        def get_name(self) -> str:
            return "ada"

    for guard in (*app.router.dependencies, *may_read, may_answer[0]):
        app.dependency_overrides[guard.dependency] = lambda: None
    app.dependency_overrides[get_user] = Ada
    airflow = FastAPI()
    airflow.mount("/labelling", app)
    server = uvicorn.Server(uvicorn.Config(airflow, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + SECONDS
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/labelling/?round=pets%3Ab1%3A1"
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        app.dependency_overrides.clear()


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the image is in the window."""
    left, top, width = page.evaluate(
        "(({left, top, width}) => [left, top, width])(document.getElementById('boxes').getBoundingClientRect())"
    )
    return left + x * width / 80, top + y * width / 80


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (make test installs it where it may)")
def test_boxes_by_mouse_and_by_keyboard(address: str, round_: RoundDocument, tmp_path: Path) -> None:
    store = load().open_store()
    with browser(tmp_path / "profile") as page:
        page.open(address)
        page.wait_for("document.querySelectorAll('.box').length === 1 && document.getElementById('image').complete")

        page.drag(place(page, 4, 5), place(page, 30, 35))  # draws
        page.wait_for("document.querySelectorAll('.box').length === 2")
        page.drag(place(page, 60, 47), place(page, 55, 42))  # moves the suggestion
        page.wait_for("document.querySelectorAll('.box.suggested').length === 0")
        page.press("Enter")
        page.wait_for("document.getElementById('message').textContent.startsWith('Image 1 saved')")
        first = read_answers(store, round_)[0]
        moved, drawn = first.boxes
        assert (first.by, first.decision, moved.suggestion, drawn.suggestion) == ("ada", "labelled", 0, None)
        assert drawn.label == "cat"
        for found, wanted in zip(drawn.box[1:5], (4, 5, 30, 35), strict=True):
            assert abs(found - wanted) <= PIXEL
        for found, wanted in zip(moved.box[1:5], (45, 35, 65, 50), strict=True):
            assert abs(found - wanted) <= PIXEL

        page.wait_for("document.getElementById('file').textContent === 'second.jpg'")
        page.press("j")  # selects the suggestion
        page.press("Delete")
        page.press("n")  # a new one in the middle, 20 x 15 pixels
        page.press("ArrowRight")
        page.press("ArrowDown", shift=True)
        page.press("2")
        page.press("Enter")
        page.wait_for("document.getElementById('finish').open")
        second = read_answers(store, round_)[1]
        assert [tuple(box.box[:5]) for box in second.boxes] == [(EVIL, 31, 23, 51, 39)]

        assert page.evaluate("document.title") == "Labelling", "a class's name became markup"
        complaints = [each for each in page.complaints if "favicon" not in each]
        assert complaints == []

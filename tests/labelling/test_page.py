"""The labelling page's API, behind Airflow's own login and permissions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import Mount

from include.labelling.answers import read_answers
from include.labelling.closing import close_round
from include.labelling.documents import RoundDocument
from include.labelling.rounds import open_round
from include.settings import LabellingSettings, load
from include.store import Store
from tests.labelling.conftest import CAT, Bench, Oracle, proposal
from tests.labelling.reviewer import Reviewer

PLUGIN = Path(__file__).resolve().parents[2] / "plugins" / "lanner_pages.py"
ROUND = "/labelling/rounds/pets/b1:1"
OURS = {"X-Lanner-Page": "1", "Sec-Fetch-Site": "same-origin"}
BOX = {"label": "cat", "xmin": 4, "ymin": 5, "xmax": 30, "ymax": 40}
LABELLED = {"revision": 1, "decision": "labelled", "boxes": [BOX]}


@pytest.fixture(scope="module")
def airflow() -> Iterator[FastAPI]:
    """Airflow's login and database, with the plugin mounted as the API server does it."""
    from airflow.api_fastapi.app import init_auth_manager, init_plugins
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.settings import engine

    import_all_models()
    Base.metadata.create_all(engine)
    server = FastAPI()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0123456789abcdef" * 4)
        init_auth_manager(server)
        init_plugins(server)
        yield server


@pytest.fixture
def round_(lanner: Path) -> RoundDocument:
    (lanner / "lanner.yaml").write_text(f"collections: {{pets: {{source: '{lanner}/pictures'}}, other: {{source: x}}}}")
    bench = Bench(lanner / "pictures", load().open_store())
    hashes = [bench.put(f"<b>{seed}.jpg", seed) for seed in range(3)]
    opened = bench.open(Oracle(dict.fromkeys(hashes, (proposal(CAT, 0.9),))))
    assert opened is not None
    return opened


@pytest.fixture
def store(round_: RoundDocument) -> Store:
    return load().open_store()


def client(airflow: FastAPI, role: str | None) -> TestClient:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    made = TestClient(airflow)
    if role is not None:
        token = airflow.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username="ada", role=role))
        made.cookies.set("_token", token)
    return made


@pytest.fixture
def ada(airflow: FastAPI, round_: RoundDocument) -> TestClient:
    """Somebody who may answer."""
    return client(airflow, "user")


@pytest.mark.parametrize(
    "path", ["/labelling/", "/labelling/static/page.js", "/labelling/rounds", ROUND, f"{ROUND}/images/0"]
)
def test_nothing_is_shown_to_the_anonymous(airflow: FastAPI, round_: RoundDocument, path: str) -> None:
    anonymous = client(airflow, None)
    assert anonymous.get(path).status_code == 401
    anonymous.cookies.set("_token", "forged")
    assert anonymous.get(path).status_code == 403
    assert client(airflow, "viewer").get(path).status_code == 200


def test_who_may_only_look_cannot_answer(airflow: FastAPI, round_: RoundDocument, store: Store) -> None:
    put = {"url": f"{ROUND}/answers/0", "json": LABELLED, "headers": OURS}
    assert client(airflow, None).put(**put).status_code == 401
    assert client(airflow, "viewer").put(**put).status_code == 403
    assert read_answers(store, round_) == {}
    assert client(airflow, "user").put(**put).status_code == 200


def test_an_answer_carries_the_name_of_the_login(ada: TestClient, store: Store, round_: RoundDocument) -> None:
    said = ada.put(f"{ROUND}/answers/1", json=LABELLED, headers=OURS)
    assert said.json()["by"] == "ada"
    answer = read_answers(store, round_)[1]
    assert (answer.by, answer.decision, answer.boxes[0].box) == ("ada", "labelled", CAT)
    shown = ada.get(ROUND).json()["images"]
    assert [image["answer"] and image["answer"]["revision"] for image in shown] == [None, 1, None]
    assert ada.put(f"{ROUND}/answers/1", json=LABELLED | {"by": "grace"}, headers=OURS).status_code == 422


@pytest.mark.parametrize(
    "headers",
    [
        {},  # another site's form
        {"Sec-Fetch-Site": "same-origin"},
        {"X-Lanner-Page": "1", "Sec-Fetch-Site": "cross-site"},
        {"X-Lanner-Page": "1", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_cannot_answer_in_somebodys_name(
    ada: TestClient, store: Store, round_: RoundDocument, headers: dict[str, str]
) -> None:
    assert ada.put(f"{ROUND}/answers/0", json=LABELLED, headers=headers).status_code == 403
    assert read_answers(store, round_) == {}


def test_too_large_a_body_is_refused_before_it_is_read(ada: TestClient) -> None:
    answer = ada.put(f"{ROUND}/answers/0", content=b" " * (2 << 20), headers=OURS)
    assert answer.status_code == 413


def test_conflicts_and_nonsense_are_told_in_words(ada: TestClient, store: Store, round_: RoundDocument) -> None:
    def put(index: int, **fields: object) -> tuple[int, str]:
        answer = ada.put(f"{ROUND}/answers/{index}", json=LABELLED | fields, headers=OURS)
        return answer.status_code, answer.json().get("detail", "")

    assert put(0)[0] == 200
    assert put(0) == (409, "ada has answered for image 1 meanwhile. Load the page again to see what was said.")
    assert put(9)[0] == 422
    assert put(1, boxes=[BOX | {"label": "ufo"}])[0] == 422
    assert put(1, boxes=[BOX | {"xmin": 0.5}])[0] == 422
    assert put(1, revision=10**7)[0] == 422
    close_round(store, round_, by="ada", stop=False)
    assert put(1)[0] == 409
    assert ada.get(ROUND).json()["closed"] is True
    assert ada.get("/labelling/rounds").json() == []


def test_images_are_those_of_the_round_byte_for_byte(ada: TestClient, store: Store, round_: RoundDocument) -> None:
    for index, image in enumerate(round_.images):
        answer = ada.get(f"{ROUND}/images/{index}")
        assert answer.content == store.read(image.stored("pets"))
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        f"{ROUND}/images/3",
        f"{ROUND}/images/-1",
        f"{ROUND}/images/..%2F..%2Fstate.json",
        "/labelling/rounds/pets/b1:2",
        "/labelling/rounds/pets/..%2F..%2Fb1:1",
        "/labelling/rounds/other/b1:1",
        "/labelling/rounds/nobodys/b1:1",
        "/labelling/rounds/..%2Fpets/b1:1",
        "/labelling/static/..%2Fapp.py",
        "/labelling/static/app.py",
        "/labelling/static/%2Fetc%2Fpasswd",
    ],
)
def test_no_address_leads_elsewhere(ada: TestClient, path: str) -> None:
    assert ada.get(path).status_code in {404, 422}


def test_the_list_says_how_far_each_round_is(ada: TestClient) -> None:
    ada.put(f"{ROUND}/answers/0", json=LABELLED, headers=OURS)
    (waiting,) = ada.get("/labelling/rounds").json()
    assert (waiting["title"], waiting["decided"], waiting["images"]) == ("pets:b1:1", 1, 3)
    assert waiting["pool"] == {"found": 3, "labelled": 0, "skipped": 0, "set_aside": 0, "left": 3}


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(ada: TestClient) -> None:
    page = ada.get("/labelling/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'self'" in policy
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {file for file in files if file != "./"} == {"static/page.css", "static/review.css", "static/page.js"}
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", page.text)
    for script in (PLUGIN.parent / "labelling_page" / "static").glob("*.js"):
        assert ada.get(f"/labelling/static/{script.name}").text == script.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script.read_text())
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script.read_text())


def test_airflow_finds_the_page_and_other_components_do_not_pay_for_it(airflow: FastAPI) -> None:
    assert "/labelling" in {route.path for route in airflow.routes if isinstance(route, Mount)}
    top = [node for node in ast.parse(PLUGIN.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {node.module for node in top if isinstance(node, ast.ImportFrom)} == {
        "__future__",
        "typing",
        "airflow.plugins_manager",
        "house.addresses",
    }


def test_two_rounds_of_one_batch_never_wait_at_once(store: Store, round_: RoundDocument) -> None:
    again = open_round(
        store,
        Path("/nowhere"),
        Oracle({}),
        collection="pets",
        batch="b1",
        source="x",
        classes=(),
        any_class=True,
        settings=LabellingSettings(),
    )
    assert again == round_


def test_the_simulated_reviewer_does_what_the_page_does(ada: TestClient, round_: RoundDocument, store: Store) -> None:
    """``test_in_airflow`` labels with it."""
    truth = {image.file: (CAT,) for image in round_.images}
    Reviewer(ada, truth).label(round_.title)
    answers = read_answers(store, round_)
    assert len(answers) == len(round_.images)
    assert {(answer.decision, answer.boxes[0].suggestion, answer.by) for answer in answers.values()} == {
        ("labelled", 0, "ada")
    }

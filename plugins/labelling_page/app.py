"""The labelling page and its API: rounds that wait for a person, their images, and what is said about them.

Everything asks for Airflow's login. Reading needs the right to read the DAG ``assist_labelling``, answering the right
to answer its questions. A path of the store is never taken from a request: an image is the n-th of a round.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_authenticated
from fastapi import Depends, FastAPI, HTTPException, Request, Response, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from include import settings
from include.dataset.batch_key import BATCH_KEY
from include.labelling.answers import Overtaken, Refused, read_answers, save_answer
from include.labelling.documents import Answer, Decision, ReviewDocument, ReviewedBox, RoundDocument
from include.labelling.rounds import open_rounds
from include.store import Store
from labelling_jobs.rounds import DAG
from labelling_page.safety import add_headers, require_our_own_page

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
FILES = {file.name: file for file in sorted((Path(__file__).parent / "static").iterdir()) if file.suffix in TYPES}
ROUND_KEY = re.compile(rf"{BATCH_KEY.pattern}:[1-9][0-9]{{0,5}}")

app = FastAPI(
    title="Labelling",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(requires_authenticated())],
)
app.middleware("http")(add_headers)
may_read = [Depends(requires_access_dag("GET", param_dag_id=DAG))]
may_answer = [
    Depends(requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL, param_dag_id=DAG)),
    Depends(require_our_own_page),
]


class Said(BaseModel):
    """The body of an answer."""

    model_config = ConfigDict(extra="forbid")

    revision: int = Field(ge=1, le=999_999)
    decision: Decision
    boxes: tuple[ReviewedBox, ...] = Field(default=(), max_length=1000)


def our_store() -> Store:
    return settings.load().open_store()


def known_round(collection: str, key: str, store: Annotated[Store, Depends(our_store)]) -> RoundDocument:
    """The round that an address names, of a collection that the settings have."""
    if collection in settings.load().collections and ROUND_KEY.fullmatch(key):
        found = store.newest(RoundDocument, collection, key)
        if found is not None:
            return found[1]
    raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such round.")


OurStore = Annotated[Store, Depends(our_store)]
KnownRound = Annotated[RoundDocument, Depends(known_round)]


@app.get("/", dependencies=may_read)
def page() -> Response:
    return _file("page.html")


@app.get("/static/{name}", dependencies=may_read)
def static(name: str) -> Response:
    return _file(name)


@app.get("/rounds", dependencies=may_read)
def rounds(store: OurStore) -> list[dict[str, Any]]:
    """The rounds that wait, with how far they are."""
    waiting = [each for collection in settings.load().collections for each in open_rounds(store, collection)]
    return [_heading(each) | {"decided": len(_decided(store, each)), "images": len(each.images)} for each in waiting]


@app.get("/rounds/{collection}/{key}", dependencies=may_read)
def one_round(round_: KnownRound, store: OurStore) -> dict[str, Any]:
    """A round with its images, suggestions and the answers so far."""
    answers = read_answers(store, round_)
    return _heading(round_) | {
        "classes": round_.classes,
        "any_class": round_.any_class,
        "closed": store.exists(ReviewDocument.pointer_for(round_.collection, round_.key)),
        "images": [
            image.model_dump(include={"file", "width", "height", "uncertainty", "suggestions"})
            | {"answer": answers[index].model_dump() if index in answers else None}
            for index, image in enumerate(round_.images)
        ],
    }


@app.get("/rounds/{collection}/{key}/images/{index}", dependencies=may_read)
def image(round_: KnownRound, index: int, store: OurStore) -> Response:
    """The n-th image of a round, as it is stored; the page ignores its EXIF orientation, as training does."""
    if not 0 <= index < len(round_.images):
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such image.")
    chosen = round_.images[index]
    data = store.read(chosen.stored(round_.collection))
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(data, media_type=f"image/{chosen.format}", headers=headers)


@app.put("/rounds/{collection}/{key}/answers/{index}", dependencies=may_answer)
def answer(round_: KnownRound, index: int, said: Said, user: GetUserDep, store: OurStore) -> dict[str, Any]:
    """Keep what a person says about the n-th image of a round."""
    kept = Answer(image=index, by=user.get_name(), **dict(said))
    save_answer(store, round_, kept)
    return kept.model_dump()


@app.exception_handler(Refused)
def refused(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status.HTTP_422_UNPROCESSABLE_CONTENT)


@app.exception_handler(Overtaken)
def overtaken(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status.HTTP_409_CONFLICT)


def _heading(round_: RoundDocument) -> dict[str, Any]:
    return {
        "title": round_.title,
        "collection": round_.collection,
        "key": round_.key,
        "labeller": round_.labeller,
        "pool": round_.pool.model_dump(),
    }


def _decided(store: Store, round_: RoundDocument) -> list[Answer]:
    return [answer for answer in read_answers(store, round_).values() if answer.decision != "undecided"]


def _file(name: str) -> Response:
    """One of the page's own files, which are listed once."""
    file = FILES.get(name)
    if file is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such file.")
    return Response(file.read_bytes(), media_type=TYPES[file.suffix], headers={"Cache-Control": "no-cache"})

"""A simulated reviewer who does what a person does on the labelling page, by the calls that the page makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from include.dataset.annotation import Box
from include.labelling.documents import RoundImage
from include.labelling.simulated import reviewed
from include.laptop.api import Api
from labelling_jobs.operators import GO_ON
from labelling_page.safety import MARK

QUESTIONS = "/dags/assist_labelling/dagRuns/~/hitlDetails"


class Reviewer:
    """Labels what waits.

    Args:
        truth: the boxes of each image, by its file.

    Attributes:
        done: titles of the rounds that were finished.
    """

    def __init__(self, api: Api, truth: Mapping[str, Sequence[Box]]) -> None:
        self.api, self.truth = api, truth
        self.done: set[str] = set()

    def look(self) -> None:
        """Answer every round that waits, and the question that its run has put."""
        waiting = self.api.get(QUESTIONS, response_received=False, limit=100)["hitl_details"]
        for question in waiting:
            title = question["subject"].rpartition(": ")[2]
            if question["task_instance"]["state"] == "awaiting_input" and title not in self.done:
                self._label(title)
                self._finish(question["task_instance"])
                self.done.add(title)

    def _label(self, title: str) -> None:
        collection, _, key = title.partition(":")
        path = f"/labelling/rounds/{collection}/{quote(key, safe='')}"
        for index, image in enumerate(self._page("GET", path)["images"]):
            shown = RoundImage(sha256="", format="jpeg", **{name: image[name] for name in image if name != "answer"})
            boxes = [box.model_dump() for box in reviewed(shown, self.truth[image["file"]])]
            said = {"revision": 1, "decision": "labelled", "boxes": boxes}
            self._page("PUT", f"{path}/answers/{index}", json=said)

    def _finish(self, at: dict[str, Any]) -> None:
        place = [at["dag_id"], "dagRuns", at["dag_run_id"], "taskInstances", at["task_id"], str(at["map_index"])]
        path = "/api/v2/dags/" + "/".join(quote(part, safe="") for part in place) + "/hitlDetails"
        self._page("PATCH", path, json={"chosen_options": [GO_ON], "params_input": {}})

    def _page(self, method: str, path: str, **arguments: Any) -> Any:
        """A call of the page's, as whoever the API client is."""
        headers = {**self.api._client.headers, MARK: "1", "Sec-Fetch-Site": "same-origin"}
        answer = httpx.request(method, self.api.url + path, headers=headers, timeout=60, **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

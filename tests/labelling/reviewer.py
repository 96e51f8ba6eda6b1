"""A simulated reviewer who does what a person does on the labelling page, by the calls that the page makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from include.dataset.annotation import Box
from include.labelling.documents import RoundImage
from include.labelling.simulated import reviewed
from labelling_jobs.operators import GO_ON
from labelling_page.safety import MARK

QUESTIONS = "/api/v2/dags/assist_labelling/dagRuns/~/hitlDetails"


class Reviewer:
    """Labels what waits.

    Args:
        client: of Airflow's API server, logged in.
        truth: the boxes of each image, by its file.

    Attributes:
        done: titles of the rounds that were finished.
    """

    def __init__(self, client: httpx.Client, truth: Mapping[str, Sequence[Box]]) -> None:
        self.client, self.truth = client, truth
        self.done: set[str] = set()

    def look(self) -> None:
        """Answer every round that waits, and the question that its run has put."""
        for question in self._ask("GET", f"{QUESTIONS}?response_received=false&limit=100")["hitl_details"]:
            title = question["subject"].rpartition(": ")[2]
            if question["task_instance"]["state"] == "awaiting_input" and title not in self.done:
                self.label(title)
                self._finish(question["task_instance"])
                self.done.add(title)

    def label(self, title: str) -> None:
        """Answer for every image of a round."""
        collection, _, key = title.partition(":")
        path = f"/labelling/rounds/{collection}/{quote(key, safe='')}"
        for index, image in enumerate(self._ask("GET", path)["images"]):
            shown = RoundImage(sha256="", format="jpeg", **{name: image[name] for name in image if name != "answer"})
            boxes = [box.model_dump() for box in reviewed(shown, self.truth[image["file"]])]
            said = {"revision": 1, "decision": "labelled", "boxes": boxes}
            self._ask("PUT", f"{path}/answers/{index}", json=said)

    def _finish(self, at: dict[str, Any]) -> None:
        place = [at["dag_id"], "dagRuns", at["dag_run_id"], "taskInstances", at["task_id"], str(at["map_index"])]
        path = "/api/v2/dags/" + "/".join(quote(part, safe="") for part in place) + "/hitlDetails"
        self._ask("PATCH", path, json={"chosen_options": [GO_ON], "params_input": {}})

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        """A call of the page's."""
        headers = {MARK: "1", "Sec-Fetch-Site": "same-origin"}
        answer = self.client.request(method, path, headers=headers, **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

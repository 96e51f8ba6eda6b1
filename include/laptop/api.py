"""The few calls of Airflow's REST API that following a cascade needs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

LAST_LINES = 12
PATIENCE = 120.0  # seconds that the API server may be away: it is started again when it ends
UNFINISHED = frozenset({"queued", "running"})


@dataclass(frozen=True)
class Run:
    """A DAG run as the API tells it."""

    dag: str
    id: str
    state: str
    partition: str | None
    created: datetime

    @property
    def unfinished(self) -> bool:
        return self.state in UNFINISHED


@dataclass(frozen=True)
class TaskInstance:
    task: str
    map_index: int
    state: str | None
    tries: int


class Api:
    """A client with a token that is renewed when it has run out.

    Args:
        url: of the API server, ``http://127.0.0.1:8080``.
        user, password: of Airflow's simple auth manager.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=60, transport=httpx.HTTPTransport(retries=3))
        self._login = {"username": user, "password": password}

    def get(self, path: str, **parameters: Any) -> Any:
        return self._call("GET", path, params=parameters)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        """What the API answers, as plain values. A server that is down, or whose database is locked, is waited for."""
        deadline = time.monotonic() + PATIENCE
        while True:
            trouble = None
            try:
                answer = self._asked(method, path, **arguments)
                if not answer.is_error:
                    return answer.json()
                trouble = f"{answer.status_code}: {answer.text[:500]}"
                if not answer.is_server_error:
                    break
            except httpx.TransportError as silence:
                trouble = repr(silence)
            if time.monotonic() > deadline:
                break
            time.sleep(1)
        raise RuntimeError(
            f"Airflow at {self.url} refused {method} {path}: {trouble}\n"
            "If it is down, its logs say why; the same command again goes on where this one stopped."
        )

    def _asked(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        answer = self._client.request(method, f"/api/v2{path}", **arguments)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            login = self._client.post("/auth/token", json=self._login)
            if login.is_server_error:
                return login
            if login.is_error:
                raise RuntimeError(
                    f"What answers at {self.url} does not know our login: another Airflow? Stop it, or set PORT=…"
                )
            self._client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
            answer = self._client.request(method, f"/api/v2{path}", **arguments)
        return answer

    def dags(self) -> set[str]:
        """Names of the DAGs that are ready to run."""
        return {dag["dag_id"] for dag in self.get("/dags", limit=100)["dags"]}

    def import_errors(self) -> list[str]:
        return [f"{e['filename']}:\n{e['stack_trace']}" for e in self.get("/importErrors")["import_errors"]]

    def unhealthy(self) -> list[str]:
        """Components that do not answer yet, or no more."""
        health = self.get("/monitor/health")
        return [name for name, component in health.items() if component["status"] != "healthy"]

    def trigger(self, dag: str, parameters: dict[str, Any]) -> Run:
        return _run(self.post(f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": parameters}))

    def run(self, dag: str, run_id: str) -> Run:
        return _run(self.get(f"/dags/{dag}/dagRuns/{run_id}"))

    def runs(self, partition_prefix: str) -> list[Run]:
        """All runs whose partition key begins so, the oldest first."""
        found = self.get("/dags/~/dagRuns", partition_key_prefix_pattern=partition_prefix, limit=100, order_by="-id")
        return sorted(map(_run, found["dag_runs"]), key=lambda run: run.created)

    def tasks(self, run: Run) -> list[TaskInstance]:
        found = self.get(f"/dags/{run.dag}/dagRuns/{run.id}/taskInstances", limit=200)["task_instances"]
        return [TaskInstance(t["task_id"], t["map_index"], t["state"], t["try_number"]) for t in found]

    def returned(self, run: Run, task: str) -> Any:
        """What a task that has succeeded returned."""
        path = f"/dags/{run.dag}/dagRuns/{run.id}/taskInstances/{task}/xcomEntries/return_value"
        return self.get(path, deserialize=True)["value"]

    def complaints(self, run: Run, instance: TaskInstance) -> list[str]:
        """The errors in the log of a task's last try, with their exceptions; without any, its last lines."""
        events = self._log(run, instance)
        errors = [event for event in events if event.get("level") in {"error", "critical"}]
        return [_line(event) for event in errors or events[-LAST_LINES:]]

    def said(self, run: Run, instance: TaskInstance) -> list[str]:
        """The lines in the log of a task's last try, also while it waits."""
        return [str(event.get("event", "")) for event in self._log(run, instance)]

    def _log(self, run: Run, instance: TaskInstance) -> list[dict[str, Any]]:
        path = f"/dags/{run.dag}/dagRuns/{run.id}/taskInstances/{instance.task}/logs/{instance.tries}"
        content = self.get(path, map_index=instance.map_index)["content"]
        return [event for event in content if isinstance(event, dict)]


def _run(found: dict[str, Any]) -> Run:
    created = datetime.fromisoformat(found["run_after"])
    return Run(found["dag_id"], found["dag_run_id"], found["state"], found["partition_key"], created.astimezone(UTC))


def _line(event: dict[str, Any]) -> str:
    exceptions = [f"{e['exc_type']}: {e['exc_value']}" for e in event.get("error_detail") or []]
    return "\n".join([*exceptions] or [str(event.get("event", ""))])

"""Many training jobs that are only pretended, as Vertex AI and Cloud Logging tell of them: over REST and over gRPC.

Not the strict stand-in of the tests, which runs every job: nothing runs here, a job ends at the moment that it was told
to. It answers ``customJobs.list`` in pages of at most 100, ``customJobs.get`` (gRPC, too) and ``entries:list`` in pages
of at most 1,000, as the services do, knows the filters that we send, and counts its calls.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import grpc
from aiohttp import web
from google.protobuf import json_format

PROJECT, REGION, NAMESPACE = "lanner-rehearsal", "us-central1", "bench"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
PAGE, LOG_PAGE = 100, 1000
SECONDS_PER_LINE = 60.0  # each job prints a line of its training so often
ACTIVE, ENDED = "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"
FIRST_NUMBER = 4_000_000_000_000_000_000  # the service's numbers are this long
GET = "/google.cloud.aiplatform.v1.JobService/GetCustomJob"


def name_of(number: int) -> str:
    return f"{NAMESPACE}-vertex-{number:08x}-22222222-g1-a1"


def resource_of(number: int) -> str:
    return f"{PARENT}/customJobs/{FIRST_NUMBER + number}"


class Jobs:
    """Jobs that run since now and end when they are told to.

    Attributes:
        calls: how often each method was asked.
        seen: jobs of which somebody was told at least once.
        ends: moment by number, of those that end.
    """

    def __init__(self, count: int) -> None:
        self.count, self.begun = count, time.time()
        self.ends: dict[int, float] = {}
        self.calls = {"list": 0, "get": 0, "entries": 0}
        self.seen: set[int] = set()
        self._by_prefix = {name_of(number).rpartition("-a")[0]: number for number in range(count)}

    def ended(self, number: int) -> bool:
        return self.ends.get(number, float("inf")) <= time.time()

    def job(self, number: int) -> dict[str, Any]:
        """As the service describes it."""
        self.seen.add(number)
        name = name_of(number)
        output = f"gs://our-bucket/lanner/jobs/{name}/output"
        task = {
            "executorImageUri": "us-docker.pkg.dev/vertex-ai/training/tf-gpu.2-17.py310:latest",
            "packageUris": ["gs://our-bucket/lanner/trainer/0123456789abcdef/lanner_trainer-0.2.1.tar.gz"],
            "pythonModule": "detector_trainer",
            "args": ["--config", output.replace("output", "configuration.json"), "--data", output, "--output", output],
            "env": [{"name": "LANNER_OWNER", "value": "scheduled__2026-11-20T00:00:00+00:00"}],
        }
        machine = {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1}
        pool = {"machineSpec": machine, "replicaCount": "1", "pythonPackageSpec": task}
        described = {
            "name": resource_of(number),
            "displayName": name,
            "jobSpec": {
                "workerPoolSpecs": [pool],
                "scheduling": {"timeout": "21600s"},
                "baseOutputDirectory": {"outputUriPrefix": output},
            },
            "state": ENDED if self.ended(number) else ACTIVE,
            "createTime": moment(self.begun),
            "startTime": moment(self.begun),
            "updateTime": moment(self.begun),
            "labels": {"lanner_job": name, "lanner_prefix": name.rpartition("-a")[0], "lanner_namespace": NAMESPACE},
        }
        return described | ({"endTime": moment(self.ends[number])} if self.ended(number) else {})

    def get(self, number: int) -> dict[str, Any]:
        self.calls["get"] += 1
        return self.job(number)

    def list(self, query: dict[str, str]) -> dict[str, Any]:
        self.calls["list"] += 1
        wanted = query["filter"]
        if prefixes := re.findall(r'labels\.lanner_prefix="([^"]+)"', wanted):
            found = [self._by_prefix[prefix] for prefix in prefixes if prefix in self._by_prefix]
        else:
            found = list(range(self.count))
        if ENDED in re.findall(r'state!="([^"]+)"', wanted):
            found = [number for number in found if not self.ended(number)]
        after = int(query.get("pageToken", "-1"))
        start = bisect_right(found, after)
        page = found[start : start + min(int(query.get("pageSize", PAGE)), PAGE)]
        more = {"nextPageToken": str(page[-1])} if start + len(page) < len(found) else {}
        return {"customJobs": [self.job(number) for number in page], **more}

    def entries(self, request: dict[str, Any]) -> dict[str, Any]:
        """A job prints a line of its own moment in each minute."""
        self.calls["entries"] += 1
        lines = sorted(self._lines(request["filter"]))
        start = int(request.get("pageToken", 0))
        end = start + min(request["pageSize"], LOG_PAGE)
        more = {"nextPageToken": str(end)} if len(lines) > end else {}
        return more | {
            "entries": [
                {
                    "insertId": f"{number}-{at}",
                    "jsonPayload": {"message": f"step {at:.0f} loss 0.123 0.5 s a step", "levelname": "INFO"},
                    "resource": {
                        "type": "ml_job",
                        "labels": {"project_id": PROJECT, "job_id": str(FIRST_NUMBER + number)},
                    },
                    "timestamp": moment(at),
                }
                for at, number in lines[start:end]
            ]
        }

    def _lines(self, wanted: str) -> Iterator[tuple[float, int]]:
        now = time.time()
        numbers: list[int] = []
        for id, after in re.findall(r'"(\d{19})"|timestamp>"([^"]+)"', wanted):
            if id:
                numbers.append(int(id) - FIRST_NUMBER)
                continue
            since = max(datetime.fromisoformat(after).timestamp(), self.begun)
            for number in numbers:
                phase = number % SECONDS_PER_LINE
                at = (since - phase) // SECONDS_PER_LINE * SECONDS_PER_LINE + phase + SECONDS_PER_LINE
                while at <= min(now, self.ends.get(number, now)):
                    yield at, number
                    at += SECONDS_PER_LINE
            numbers = []


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Service:
    """The jobs, served on 127.0.0.1 by a thread of this process.

    Attributes:
        url: for REST.
        address: host and port for gRPC.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Service:
        self._thread.start()
        self.url, self.address = self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, awaitable: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(awaitable, self._loop)
        return future.result(timeout=30)

    async def _start(self) -> tuple[str, str]:
        application = web.Application()
        application.router.add_get(f"/v1/{PARENT}/customJobs", self._list)
        application.router.add_get(f"/v1/{PARENT}/customJobs/{{id}}", self._get)
        application.router.add_post("/v2/entries:list", self._entries)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._grpc = grpc.aio.server()
        self._grpc.add_generic_rpc_handlers((_OverGrpc(self.jobs),))
        grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        await self._grpc.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}", f"127.0.0.1:{grpc_port}"

    async def _stop(self) -> None:
        await self._grpc.stop(None)
        await self._runner.cleanup()

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response(self.jobs.list(dict(request.query)))

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self.jobs.get(int(request.match_info["id"]) - FIRST_NUMBER))

    async def _entries(self, request: web.Request) -> web.Response:
        return web.json_response(self.jobs.entries(await request.json()))


class _OverGrpc(grpc.GenericRpcHandler):
    """``JobService.GetCustomJob``."""

    def __init__(self, jobs: Jobs) -> None:
        from google.cloud.aiplatform_v1.types import CustomJob, GetCustomJobRequest

        self.jobs, self._job, self._request = jobs, CustomJob.pb(), GetCustomJobRequest.pb()

    def service(self, call: Any) -> Any:
        if call.method != GET:
            return None
        return grpc.unary_unary_rpc_method_handler(self._get, self._request.FromString, self._job.SerializeToString)

    async def _get(self, request: Any, context: Any) -> Any:
        number = int(request.name.rpartition("/")[2]) - FIRST_NUMBER
        return json_format.ParseDict(self.jobs.get(number), self._job())

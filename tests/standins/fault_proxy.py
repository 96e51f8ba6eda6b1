"""A reverse proxy before any stand-in that breaks what it is told to break.

``python -m tests.standins.fault_proxy --port 18840 --upstream http://127.0.0.1:18800``

A rule says which calls it is about and what becomes of them:

================  =========================================================================================
``method``        such as POST; without it, all
``path``          regular expression, searched in path and query; without it, all
``target``        the same for X-Amz-Target, where AWS puts the name of the call
``fault``         ``status``, ``reset``, ``delay``, or ``lost``: the upstream does the work, the client is reset
``quiet``         of ``reset`` and ``lost``: true closes the connection (FIN) instead of resetting it (RST);
                  httplib2 sends a call again after the one and not after the other, also a POST
``status``        of a ``status`` fault, default 503, with ``retry_after`` (seconds) and ``body``
``seconds``       of a ``delay``, after which the call goes on
``count``         how often it strikes; without it, for ever
``probability``   that it strikes, default 1; drawn from ``seed``, so that a run can be repeated
================  =========================================================================================

``/control/rules``: GET all rules with ``struck``, how often each did; POST one more; PUT a list in place of all;
DELETE all. ``/control/counts``: GET the number of calls by method and path; DELETE: from zero. Every other path,
also below /control, is the upstream's. The first rule that strikes decides. An upstream that is down resets the
client.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

FAULTS = frozenset({"status", "reset", "delay", "lost"})
CHUNK = 1 << 16
_OF_THE_CONNECTION = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection", "expect", "host"}
)


@dataclass
class Rule:
    """What becomes of which calls; see the module."""

    fault: str
    method: str | None = None
    path: str = ""
    target: str = ""
    status: int = 503
    retry_after: float | None = None
    body: str = ""
    quiet: bool = False
    seconds: float = 0.0
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    struck: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"fault={self.fault!r}: one of {sorted(FAULTS)}")
        re.compile(self.path)
        re.compile(self.target)
        self._random = random.Random(self.seed)

    def strikes(self, method: str, path: str, target: str) -> bool:
        """Whether this call is hit; counts it if so."""
        about = self.method in {None, method} and re.search(self.path, path) and re.search(self.target, target)
        if not about or (self.count is not None and self.struck >= self.count):
            return False
        if self._random.random() >= self.probability:
            return False
        self.struck += 1
        return True

    def as_dict(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init}


class FaultProxy:
    """The proxy's rules, counts and calls.

    Args:
        upstream: where calls go, without a path.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.rstrip("/")
        self.rules: list[Rule] = []
        self.counts: Counter[str] = Counter()

    def application(self) -> web.Application:
        application = web.Application()
        application.cleanup_ctx.append(self._with_client)
        application.router.add_route("*", "/control/rules", self._control_rules)
        application.router.add_route("*", "/control/counts", self._control_counts)
        application.router.add_route("*", "/{path:.*}", self._call)
        return application

    async def _with_client(self, _: web.Application) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(
            limit=0, force_close=True
        )  # a kept connection may be dead: our fault, not a rule's
        forever = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=forever) as self.client:
            yield

    # --- control

    async def _control_rules(self, request: web.Request) -> web.Response:
        try:
            if request.method == "PUT":
                self.rules = [Rule(**rule) for rule in await request.json()]
            elif request.method == "POST":
                self.rules.append(Rule(**await request.json()))
            elif request.method == "DELETE":
                self.rules = []
        except (TypeError, ValueError, re.error) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response([rule.as_dict() for rule in self.rules])

    async def _control_counts(self, request: web.Request) -> web.Response:
        if request.method == "DELETE":
            self.counts.clear()
        return web.json_response(dict(self.counts))

    # --- calls

    async def _call(self, request: web.Request) -> web.StreamResponse:
        target = request.headers.get("X-Amz-Target", "")
        self.counts[" ".join(filter(None, [request.method, request.path, target]))] += 1
        rule = next((rule for rule in self.rules if rule.strikes(request.method, request.raw_path, target)), None)
        match rule.fault if rule else None:
            case "status":
                assert rule
                return await self._status(request, rule)
            case "reset":
                assert rule
                return self._reset(request, quiet=rule.quiet)
            case "delay":
                assert rule
                await asyncio.sleep(rule.seconds)
        return await self._forward(request, rule if rule and rule.fault == "lost" else None)

    async def _status(self, request: web.Request, rule: Rule) -> web.Response:
        async for _ in request.content.iter_chunked(CHUNK):
            pass  # the client has sent it all before it looks at the answer
        headers = {"Retry-After": f"{rule.retry_after:g}"} if rule.retry_after is not None else {}
        return web.Response(status=rule.status, text=rule.body, headers=headers)

    async def _forward(self, request: web.Request, lost: Rule | None) -> web.StreamResponse:
        body = request.content.iter_chunked(CHUNK) if request.can_read_body else None
        try:
            async with self.client.request(
                request.method,
                URL(self.upstream + request.raw_path, encoded=True),
                headers=_passed_on(request.headers),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                data=body,
                allow_redirects=False,
            ) as answer:
                if lost:
                    await answer.read()
                    return self._reset(request, quiet=lost.quiet)
                return await self._answer(request, answer)
        except (aiohttp.ClientError, OSError):
            return self._reset(request)

    async def _answer(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        own = f"{request.scheme}://{request.host}"
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_passed_on(answer.headers))
        if location := answer.headers.get("Location"):
            response.headers["Location"] = location.replace(self.upstream, own, 1)
        if self._has_links(request, answer):
            body = (await answer.read()).replace(self.upstream.encode(), own.encode())
            response.content_length = len(body)
            await response.prepare(request)
            await response.write(body)
        else:
            await response.prepare(request)
            async for chunk in answer.content.iter_chunked(CHUNK):
                await response.write(chunk)
        await response.write_eof()
        return response

    def _has_links(self, request: web.Request, answer: aiohttp.ClientResponse) -> bool:
        """An API's answer, which may say where to go on; never an object's content."""
        is_content = request.method == "HEAD" or "alt=media" in request.query_string
        return answer.content_type == "application/json" and not is_content and "Content-Encoding" not in answer.headers

    def _reset(self, request: web.Request, *, quiet: bool = False) -> web.Response:
        """Break the connection, by RST as a dying load balancer does, or quietly as one that shuts down."""
        if request.transport is not None and quiet:
            request.transport.close()
        elif request.transport is not None:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
        return web.Response()


def _passed_on(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.standins.fault_proxy")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--upstream", required=True, metavar="URL")
    options = arguments.parse_args(argv)
    application = FaultProxy(options.upstream).application()
    web.run_app(application, host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()

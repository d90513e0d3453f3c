"""A double of the service of Weights & Biases on loopback: what its client asks for sweeps, agents and runs.

It hands out the points of a grid, keeps what the runs send, and shows what an agent was given. It knows the
requests of the real client (GraphQL, the file stream, uploads), and answers others with an error that a test
sees in `unknown`.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

ENTITY = "us"

_REFUSED = ("ArtifactType", "CreateArtifact")
"""Artefacts, of which W&B makes second copies of tables: a service without them, which the client bears."""


@dataclass
class Run:
    """A run as the service knows it.

    Attributes:
        id: In its project.
        about: What the client said last when it made or changed it: group, tags, sweep …
        history: Logged rows, in their order.
        summary: The last summary.
        exit_code: None until it ends.
        times_begun: How often a process has begun it.
    """

    id: str
    about: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    times_begun: int = 0

    @property
    def config(self) -> dict[str, Any]:
        """Its configuration, nested."""
        content = json.loads(self.about.get("config") or "{}")
        return {key: value["value"] for key, value in content.items() if key != "_wandb"}


class Service:
    """One project with one sweep.

    Attributes:
        url: Where it listens.
        runs: Id → run.
        sweep: The sweep's content; None until it is created.
        assigned: Id of a run → point and agent.
        unknown: Requests that it has no answer to.
    """

    def __init__(self) -> None:
        self.url = ""
        self.runs: dict[str, Run] = {}
        self.sweep: dict[str, Any] | None = None
        self.assigned: dict[str, tuple[dict[str, Any], str]] = {}
        self.again: list[str] = []
        self.unknown: list[str] = []
        self._lock = threading.Lock()
        self._agents = itertools.count()

    def environment(self) -> dict[str, str]:
        """Environment variables by which the client finds it, and is logged in."""
        return {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": "0123456789abcdef" * 2 + "01234567",
            "WANDB_MODE": "online",
            "WANDB_ENTITY": ENTITY,
            "WANDB_PROJECT": "aukit",
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_DISABLE_GIT": "true",
        }

    def hand_out_again(self, run: str) -> None:
        """Give a run to the next agent that asks, as the service does with those that were preempted."""
        with self._lock:
            self.again.append(run)

    # ------------------------------------------------------------------ requests

    def graphql(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        """The answer to a query."""
        match = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = match[1] if match else "?"
        answer = getattr(self, f"_{name}", None)
        if answer is None:
            if name not in _REFUSED:
                self.unknown.append(name)
            return {"errors": [{"message": f"unknown request {name}"}]}
        with self._lock:
            return {"data": answer(given)}

    def _Viewer(self, given: dict[str, Any]) -> Any:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        return {
            "viewer": {
                "id": "1",
                "entity": ENTITY,
                "username": ENTITY,
                "email": "us@example.org",
                "admin": False,
                "flags": "{}",
                "teams": teams,
            }
        }

    def _OrganizationCoreWeaveOrganizationID(self, given: dict[str, Any]) -> Any:
        return {"entity": None}

    def _ServerFeaturesQuery(self, given: dict[str, Any]) -> Any:
        return {"serverInfo": {"features": []}}

    def _UpsertSweep(self, given: dict[str, Any]) -> Any:
        self.sweep = yaml.safe_load(given["config"])
        project = {"id": "p", "name": given["projectName"], "entity": {"id": "e", "name": ENTITY}}
        return {
            "upsertSweep": {"sweep": {"name": "sweep1", "project": project}, "configValidationWarnings": []}
        }

    def _SweepWithRuns(self, given: dict[str, Any]) -> Any:
        sweep = {"id": "s", "name": "sweep1", "method": "grid", "state": "RUNNING", "description": None}
        unset = ("createdAt", "heartbeatAt", "updatedAt", "earlyStopJobRunning", "bestLoss", "controller")
        sweep |= dict.fromkeys((*unset, "scheduler"))
        return {"project": {"sweep": {**sweep, "config": yaml.safe_dump(self.sweep), "runs": {"edges": []}}}}

    def _CreateAgent(self, given: dict[str, Any]) -> Any:
        return {"createAgent": {"agent": {"id": f"agent{next(self._agents)}"}}}

    def _Heartbeat(self, given: dict[str, Any]) -> Any:
        commands = [] if json.loads(given["runState"]) else [self._next(given["id"])]
        return {"agentHeartbeat": {"agent": {"id": given["id"]}, "commands": json.dumps(commands)}}

    def _next(self, agent: str) -> dict[str, Any]:
        assert self.sweep is not None
        names = list(self.sweep["parameters"])
        points = list(itertools.product(*(each["values"] for each in self.sweep["parameters"].values())))
        if self.again:
            id, kind = self.again.pop(0), "resume"
            point = self.assigned[id][0]
        elif len(self.assigned) < len(points):
            id, kind = f"point{len(self.assigned)}", "run"
            point = dict(zip(names, points[len(self.assigned)], strict=True))
        else:
            return {"type": "exit"}
        self.assigned[id] = (point, agent)
        arguments = {name: {"value": value} for name, value in point.items()}
        return {"type": kind, "run_id": id, "program": self.sweep.get("program"), "args": arguments}

    def _RunResumeStatus(self, given: dict[str, Any]) -> Any:
        run = self.runs.get(given["name"])
        bucket = None if run is None else {**self._bucket(run), **self._progress(run)}
        return {
            "model": {"id": "p", "name": "aukit", "entity": {"id": "e", "name": ENTITY}, "bucket": bucket}
        }

    def _progress(self, run: Run) -> dict[str, Any]:
        tail = [json.dumps(row) for row in run.history[-1:]]
        lines = {"logLineCount": 0, "historyLineCount": len(run.history), "eventsLineCount": 0}
        texts = {
            "historyTail": json.dumps(tail),
            "eventsTail": "[]",
            "summaryMetrics": json.dumps(run.summary),
        }
        wandb = json.dumps({"t": {"4": "3"}})
        return {**lines, **texts, "tags": [], "notes": "", "wandbConfig": wandb}

    def _UpsertBucket(self, given: dict[str, Any]) -> Any:
        known = given["name"] in self.runs
        run = self.runs.setdefault(given["name"], Run(given["name"]))
        said = {key: value for key, value in given.items() if value is not None}
        run.about.update(said)
        run.times_begun += "host" in said
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": not known}}

    def _bucket(self, run: Run) -> dict[str, Any]:
        return {
            "id": f"id-{run.id}",
            "name": run.id,
            "displayName": run.about.get("displayName"),
            "description": None,
            "config": run.about.get("config", "{}"),
            "sweepName": run.about.get("sweep"),
            "project": {"id": "p", "name": "aukit", "entity": {"id": "e", "name": ENTITY}},
            "historyLineCount": len(run.history),
        }

    def _CreateRunFiles(self, given: dict[str, Any]) -> Any:
        files = [{"name": name, "uploadUrl": f"{self.url}/upload"} for name in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def stream(self, run: str, content: dict[str, Any]) -> dict[str, Any]:
        """Take what a run has logged since it last sent something."""
        with self._lock:
            mine = self.runs.setdefault(run, Run(run))
            for name, part in (content.get("files") or {}).items():
                lines = (
                    [json.loads(line) for line in part["content"]]
                    if name.endswith(("history.jsonl", "summary.json"))
                    else []
                )
                if name == "wandb-history.jsonl":
                    del mine.history[part["offset"] :]
                    mine.history += lines
                elif name == "wandb-summary.json" and lines:
                    mine.summary = lines[-1]
            if content.get("complete"):
                mine.exit_code = content["exitcode"]
        return {}


@contextmanager
def served() -> Iterator[Service]:
    """A service that listens on loopback until the block is left."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            answer: dict[str, Any] = {}
            if self.path == "/graphql":
                asked = json.loads(body)
                answer = service.graphql(asked["query"], asked.get("variables") or {})
            elif match := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
                answer = service.stream(match[1], json.loads(body))
            elif self.path != "/upload" and not self.path.startswith("/sdk/otel/"):
                service.unknown.append(self.path)
            text = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Nothing: the client leaves connections open when it ends."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()

"""One cheap attempt to use a Temporal server."""

from __future__ import annotations

from importlib.util import find_spec

from wflo_testkit import grpc_call
from wflo_testkit.aio import run_apart
from wflo_testkit.model import Server
from wflo_testkit.services.temporal.connection import connect

_SECONDS = 3.0
# `default` exists before the server starts: never look up a name that is yet to be registered,
# since a failed look-up is remembered for a second.
_QUEUE = grpc_call.field(1, b"wflo-probe")
_WORKFLOW_TASKS = 1
_DESCRIBE = "/temporal.api.workflowservice.v1.WorkflowService/DescribeTaskQueue"
_REQUEST = (
    grpc_call.field(1, b"default")
    + grpc_call.field(2, _QUEUE)
    + grpc_call.field(3, _WORKFLOW_TASKS)
)


def probe(server: Server) -> None:
    """Ask about a task queue, which frontend passes on to matching; gRPC's health does not.

    An external server is greeted by the client library instead, since it may want TLS. Raises
    NotReady, OSError, RuntimeError or temporalio.service.RPCError.
    """
    if not server.is_external:
        grpc_call.call(server.host, server.port, _DESCRIBE, _REQUEST)
    elif find_spec("temporalio") is not None:
        run_apart(lambda: connect(f"{server.host}:{server.port}"), timeout=_SECONDS)

"""One cheap attempt to use a Temporal server."""

from __future__ import annotations

import socket
from datetime import timedelta
from importlib.util import find_spec

from wflo_testkit.aio import run_apart
from wflo_testkit.model import Server
from wflo_testkit.services.temporal.link import connect

_SECONDS = 1.0
# HTTP/2 (RFC 9113): 3.4 connection preface, then an empty SETTINGS frame (6.5); a server answers
# with SETTINGS of its own. Frame header: length (3 bytes), type, flags, stream.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
_SETTINGS = 4


class NotReady(ConnectionError):
    """The port is open, but nothing behind it serves yet."""


def probe(server: Server) -> None:
    """Greet in HTTP/2, then call frontend, history and matching.

    The greeting costs 0.2 ms and no import; Docker's proxy accepts connections from the first
    moment on and closes them. Raises NotReady, OSError, RuntimeError or RPCError.
    """
    if not server.is_external:
        _greet(server.host, server.port)
    if find_spec("temporalio") is not None:
        run_apart(lambda: _use(server), timeout=3 * _SECONDS)


def greet(server: Server) -> None:
    """Only greet, without the client library. Raises NotReady or OSError."""
    _greet(server.host, server.port)


def _greet(host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=_SECONDS) as link:
        link.sendall(_PREFACE)
        answer = link.recv(64)
    if len(answer) < 9 or answer[3] != _SETTINGS:
        raise NotReady("no HTTP/2 settings in answer to a greeting: the server is not up yet")


async def _use(server: Server) -> None:
    """Connect; on the kit's own server also ask each part once about the namespace `default`.

    It exists before the server starts: never look up a name that is yet to be registered, since
    a failed look-up is remembered for a second.
    """
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import (
        DescribeTaskQueueRequest,
        DescribeWorkflowExecutionRequest,
    )
    from temporalio.service import RPCError, RPCStatusCode

    service = (await connect(f"{server.host}:{server.port}")).workflow_service
    if server.is_external:
        return
    patience = timedelta(seconds=_SECONDS)
    queue = TaskQueue(name="wflo-probe")
    await service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace="default",
            task_queue=queue,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=patience,
    )
    execution = WorkflowExecution(workflow_id="wflo-probe")
    try:
        await service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace="default", execution=execution),
            timeout=patience,
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # NOT_FOUND is history's own answer
            raise

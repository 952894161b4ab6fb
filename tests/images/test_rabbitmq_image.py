"""The RabbitMQ image's contract: users, virtual host, cookie, configuration, plugins, end."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.images.conftest import Box, archive
from wflo_testkit.wait import wait_until

pytestmark = pytest.mark.slow

Run = Callable[..., Box]
Create = Callable[..., Box]


def greeting(port: int) -> bytes:
    """Return what an AMQP server says to a client's protocol header (AMQP 0-9-1, 4.2.2)."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"AMQP\x00\x00\x09\x01")
        return client.recv(1024)


def answered(box: Box, port: int = 5672) -> Box:
    """Wait until AMQP is spoken on `port`."""

    def exited() -> None:
        box.container.reload()
        assert box.container.status == "running", box.logs()

    wait_until(
        lambda: b"RabbitMQ" in greeting(box.port(port)),
        timeout=60,
        describe="RabbitMQ answers",
        give_up=exited,
    )
    return box


def api(box: Box, path: str, login: str = "guest:guest", body: object = None) -> Any:
    """Call the management plugin's HTTP API, once it is there."""
    request = urllib.request.Request(f"http://127.0.0.1:{box.port(15672)}/api/{path}")
    request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_the_environment_names_user_virtual_host_and_cookie(run: Run) -> None:
    """The data folder is a fresh mount of root's, over the volume that the image declares."""
    box = run(
        "rabbitmq-management",
        ports=(5672, 15672),
        tmpfs={"/var/lib/rabbitmq": "rw"},
        environment={
            "RABBITMQ_DEFAULT_USER": "joe",
            "RABBITMQ_DEFAULT_PASS": "s3cret",
            "RABBITMQ_DEFAULT_VHOST": "shop",
            "RABBITMQ_ERLANG_COOKIE": "ours",
        },
    )
    answered(box)

    assert api(box, "whoami", "joe:s3cret")["tags"] == ["administrator"]
    assert [each["name"] for each in api(box, "vhosts", "joe:s3cret")] == ["shop"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        api(box, "whoami")
    assert box.sh("rabbitmqctl eval 'erlang:get_cookie().'") == "ours"
    assert box.sh("stat -c '%u %g' /proc/1") == "999 999"
    assert box.sh("stat -c %u /var/lib/rabbitmq") == "999"
    assert box.terminate() == 0


def test_guests_may_come_from_anywhere_and_send(run: Run) -> None:
    box = answered(run("rabbitmq-management", ports=(5672, 15672)))
    message = {"properties": {}, "payload": "hello", "payload_encoding": "string"}

    box.sh("rabbitmqadmin declare queue name=jobs")
    sent = api(box, "exchanges/%2F/amq.default/publish", body={"routing_key": "jobs"} | message)
    [got] = api(
        box,
        "queues/%2F/jobs/get",
        body={"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"},
    )

    assert sent == {"routed": True}
    assert got["payload"] == "hello"


def test_the_plain_one_has_metrics_but_no_management(run: Run) -> None:
    box = answered(run("rabbitmq", ports=(5672, 15692)))

    url = f"http://127.0.0.1:{box.port(15692)}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert b"rabbitmq_build_info" in answer.read()
    assert box.sh("rabbitmq-plugins list -q -E -m") == "rabbitmq_prometheus"
    assert box.sh("rabbitmqctl authenticate_user -q guest guest") != ""
    assert "Server startup complete" in box.logs()
    assert box.sh("ls -d /plugins/rabbitmq_management-* /opt/rabbitmq/sbin/rabbitmqctl") != ""


def test_configuration_files_and_a_long_host_name(create: Create) -> None:
    box = create("rabbitmq", ports={"5673/tcp": ("127.0.0.1", None)}, hostname="mq.example.org")
    conf = archive("etc/rabbitmq/conf.d/90-ours.conf", "listeners.tcp.default = 5673\n", 0o644)
    box.container.put_archive("/", conf)
    box.container.start()

    answered(box, 5673)

    assert "rabbit@mq.example.org" in box.logs()


def test_another_user_will_do(run: Run) -> None:
    box = answered(run("rabbitmq", ports=(5672,), user="4711:4711"))

    assert box.sh("stat -c %u /proc/1") == "4711"


def test_variables_that_rabbitmq_has_given_up_are_refused(run: Run) -> None:
    box = run("rabbitmq", environment={"RABBITMQ_VM_MEMORY_HIGH_WATERMARK": "0.5"})

    assert box.exit_code() == 1
    assert "RABBITMQ_VM_MEMORY_HIGH_WATERMARK is set but deprecated" in box.logs()


def test_other_commands_run_as_they_are(run: Run) -> None:
    """RabbitMQ's own as its user."""
    box = run("rabbitmq", ["rabbitmqctl", "version"])
    other = run("rabbitmq", ["id", "-u"])

    assert box.exit_code() == 0
    assert box.logs().startswith("4.0.")
    assert other.exit_code() == 0
    assert other.logs() == "0\n"

"""The nginx image's contract: pages, templates, scripts before the start, signals, logs."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.images.conftest import Box, archive
from wflo_testkit.wait import wait_until

Run = Callable[..., Box]
Create = Callable[..., Box]
CONF = "/etc/nginx/conf.d/default.conf"
TEMPLATES = "/etc/nginx/templates"
SCRIPTS = "/docker-entrypoint.d"


def get(box: Box, path: str = "/") -> tuple[int, str]:
    """Return status and body of a page, once the server answers."""

    def ask() -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", box.port(80), timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    failures = (OSError, http.client.HTTPException)
    return wait_until(ask, timeout=20, describe="nginx answers", catch=failures)


def started(create: Create, *files: tuple[str, str, int], **options: object) -> Box:
    """Start a container that holds `files`: path, text and mode."""
    box = create("nginx", ports={"80/tcp": ("127.0.0.1", None)}, **options)
    for path, text, mode in files:
        box.container.put_archive("/", archive(path.lstrip("/"), text, mode))
    box.container.start()
    return box


def test_it_serves_a_page_and_logs_to_the_console(run: Run) -> None:
    box = run("nginx", ports=(80,))

    status, page = get(box)

    assert status == 200
    assert "Welcome to nginx!" in page
    assert get(box, "/nowhere")[0] == 404
    box.wait_for_log('"GET /nowhere HTTP/1.1" 404')
    assert "/nowhere" in box.container.logs(stdout=False, stderr=True).decode()
    assert box.sh("id -u nginx && id -g nginx").split() == ["101", "101"]
    workers = box.sh("grep -l 'nginx: worker' /proc/[0-9]*/cmdline | cut -d/ -f3").split()
    assert box.sh(f"stat -c %u /proc/1 /proc/{workers[0]}").split() == ["0", "101"]


@pytest.mark.slow
@pytest.mark.parametrize("signal", ["SIGTERM", "SIGQUIT"])
def test_it_stops_at_once(run: Run, signal: str) -> None:
    box = run("nginx", ports=(80,))
    get(box)

    box.container.kill(signal)

    assert box.exit_code() == 0


@pytest.mark.slow
def test_a_request_that_is_being_answered_is_answered_to_its_end(create: Create) -> None:
    box = started(create, (CONF, "server { listen 80; limit_rate 100k; root /srv; }", 0o644))
    box.sh("head -c 200000 /dev/zero | tr '\\0' x > /srv/large")
    assert get(box, "/small")[0] == 404

    with ThreadPoolExecutor() as pool:
        page = pool.submit(get, box, "/large")
        wait_until(lambda: "ESTABLISHED" in connections(box), timeout=10, describe="a request")
        assert box.terminate() == 0

        assert page.result() == (200, "x" * 200_000)


def connections(box: Box) -> str:
    """Return ESTABLISHED if a client is connected to port 80 (proc(5): state 01, port 0x50)."""
    return box.sh(
        'awk \'$2 ~ /:0050$/ && $4 == "01" { print "ESTABLISHED" }\' /proc/net/tcp /proc/net/tcp6'
    )


@pytest.mark.slow
def test_templates_get_the_variables_that_are_set(create: Create) -> None:
    """nginx's own variables, and those that nobody has set, stay as they are."""
    box = started(
        create,
        (f"{TEMPLATES}/default.conf.template", "server { listen 80; include /tmp/on/*; }", 0o644),
        (f"{TEMPLATES}/deep/one.conf.template", "$GREETING ${GREETING} $host ${GREETED}", 0o644),
        (f"{TEMPLATES}/deep/two.conf", "no template", 0o644),
        ("/tmp/on/say", "return 200 'on $host';", 0o644),
        environment={"GREETING": "hello"},
    )

    assert get(box) == (200, "on 127.0.0.1")
    assert box.sh("ls /etc/nginx/conf.d/deep") == "one.conf"
    assert box.sh("cat /etc/nginx/conf.d/deep/one.conf") == "hello hello $host ${GREETED}"


@pytest.mark.slow
def test_the_settings_of_templates(create: Create) -> None:
    box = started(
        create,
        ("/tmp/in/a.txt", "$APP_NAME $OTHER $NGINX_LOCAL_RESOLVERS", 0o644),
        environment={
            "APP_NAME": "shop",
            "OTHER": "x",
            "NGINX_ENVSUBST_TEMPLATE_DIR": "/tmp/in",
            "NGINX_ENVSUBST_TEMPLATE_SUFFIX": ".txt",
            "NGINX_ENVSUBST_OUTPUT_DIR": "/tmp",
            "NGINX_ENVSUBST_FILTER": "^(APP_|NGINX_LOCAL)",
            "NGINX_ENTRYPOINT_LOCAL_RESOLVERS": "1",
        },
    )
    get(box)
    servers = box.sh("awk '$1 == \"nameserver\" { print $2 }' /etc/resolv.conf").split()

    assert box.sh("cat /tmp/a").split() == ["shop", "$OTHER", *servers]


@pytest.mark.slow
def test_scripts_take_their_turn_before_the_start(create: Create) -> None:
    """In the order of their numbers; what one exports reaches the next ones."""
    box = started(
        create,
        (f"{SCRIPTS}/9-first.sh", "#!/bin/sh\necho first >>/tmp/said", 0o755),
        (f"{SCRIPTS}/40-set.envsh", "export SET_BEFORE=yes", 0o755),
        (f"{SCRIPTS}/50-second.sh", "#!/bin/sh\necho second $SET_BEFORE >>/tmp/said", 0o755),
        (f"{SCRIPTS}/60-not.sh", "#!/bin/sh\necho no >>/tmp/said", 0o644),
    )
    assert get(box)[0] == 200

    assert box.sh("cat /tmp/said").splitlines() == ["first", "second yes"]
    assert f"{SCRIPTS}/60-not.sh, not executable" in box.logs()


@pytest.mark.slow
def test_a_script_that_fails_ends_it(create: Create) -> None:
    box = started(create, (f"{SCRIPTS}/50-fail.sh", "#!/bin/sh\nexit 3", 0o755))

    assert box.exit_code() == 3


@pytest.mark.slow
def test_the_entrypoint_can_be_silenced(run: Run) -> None:
    box = run("nginx", ports=(80,), environment={"NGINX_ENTRYPOINT_QUIET_LOGS": "1"})
    get(box)

    assert "docker-entrypoint" not in box.logs()


@pytest.mark.slow
def test_a_configuration_of_ones_own_is_taken_as_it_is(create: Create) -> None:
    mine = "server { listen 80; return 200 mine; }\n"
    box = started(create, (CONF, mine, 0o644))

    assert get(box) == (200, "mine")
    assert box.sh(f"cat {CONF}") == mine.strip()


@pytest.mark.slow
def test_a_changed_configuration_is_read_when_it_is_told_so(create: Create) -> None:
    box = started(create, (CONF, "server { listen 80; return 200 first; }", 0o644))
    assert get(box) == (200, "first")

    box.put(CONF, "server { listen 80; return 200 second; }", 0o644)
    box.sh("nginx -s reload")

    wait_until(lambda: get(box) == (200, "second"), timeout=10, describe="the new configuration")


@pytest.mark.slow
def test_a_wrong_configuration_ends_it_and_is_named(create: Create) -> None:
    box = started(create, (CONF, "server { lisen 80; }", 0o644))

    assert box.exit_code() == 1
    assert 'unknown directive "lisen"' in box.logs()


@pytest.mark.slow
def test_the_default_server_listens_on_ipv6_where_there_is_one(run: Run) -> None:
    box = run("nginx", ports=(80,))
    get(box)
    has_ipv6 = box.sh("test -f /proc/net/if_inet6 && echo yes || echo no") == "yes"

    box.container.restart()
    get(box)

    assert box.sh(f"grep -c 'listen.*::.:80' {CONF} || true") == ("1" if has_ipv6 else "0")


@pytest.mark.slow
def test_other_commands_run_as_they_are(run: Run) -> None:
    box = run("nginx", ["nginx", "-v"])
    other = run("nginx", ["cat", "/etc/nginx/nginx.conf"])

    assert box.exit_code() == 0
    assert "nginx version: nginx/1.26.3" in box.logs()
    assert other.exit_code() == 0
    assert "docker-entrypoint" not in other.logs()
    assert "include /etc/nginx/conf.d/*.conf;" in other.logs()

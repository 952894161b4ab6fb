"""What is run for Temporal follows from the settings; nothing here needs a server."""

from __future__ import annotations

from typing import Any

import pytest

from wflo_testkit.errors import SettingError
from wflo_testkit.services.temporal import SERVICE
from wflo_testkit.services.temporal.workers import Workers

IMAGE = {"image": "temporal:test"}


def command(**settings: Any) -> tuple[str, ...]:
    return SERVICE.spec("temporal", IMAGE | settings).command


def test_the_server_is_headless_listens_everywhere_and_makes_sixty_four_namespaces() -> None:
    words = command()

    assert words[:5] == ("server", "start-dev", "--ip", "0.0.0.0", "--headless")
    assert len([word for word in words if word.startswith("--namespace=")]) == 64
    assert "--dynamic-config-value=worker.perNamespaceWorkerCount=0" in words


def test_the_web_interface_is_a_setting() -> None:
    spec = SERVICE.spec("temporal", IMAGE | {"ui": True})

    assert "--headless" not in spec.command
    assert spec.ports == {"main": 7233, "ui": 8233}


def test_dynamic_configuration_is_written_as_json_and_wins_over_the_kits() -> None:
    given = {
        "history.timerProcessorMaxTimeShift": "1s",
        "limit.maxIDLength": 100,
        "x.enabled": True,
    }

    words = command(dynamic_config=given)

    assert '--dynamic-config-value=history.timerProcessorMaxTimeShift="1s"' in words
    assert "--dynamic-config-value=limit.maxIDLength=100" in words
    assert "--dynamic-config-value=x.enabled=true" in words
    assert not [word for word in words if '"5ms"' in word]


def test_system_workers_are_switched_on_by_leaving_their_number_to_the_server() -> None:
    assert not [word for word in command(system_workers=True) if "perNamespaceWorker" in word]


def test_search_attributes_take_any_case_and_refuse_unknown_types() -> None:
    assert "--search-attribute=Customer=KeywordList" in command(
        search_attributes={"Customer": "keywordlist"}
    )
    with pytest.raises(SettingError, match="'Customer' has an unknown type: 'String'"):
        command(search_attributes={"Customer": "String"})


@pytest.mark.parametrize("address", ["localhost", "http://localhost:7233", ":7233", "host:port"])
def test_an_address_that_is_not_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(SettingError, match="write it as host:port"):
        SERVICE.spec("temporal", {"address": address})


@pytest.mark.parametrize("count", [-1, 1001])
def test_a_number_of_namespaces_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(SettingError, match="from 0 to 1000"):
        command(namespaces=count)


def test_an_external_address_starts_nothing() -> None:
    spec = SERVICE.spec("temporal", {"address": "temporal.test:7233", "namespace": "tests"})
    server = SERVICE.external(spec)

    assert (spec.image, spec.command) == ("", ())
    assert (server.host, server.port, server.is_external) == ("temporal.test", 7233, True)
    assert server.options["namespace"] == "tests"


def test_only_workflows_of_test_modules_are_left_out_of_the_sandbox() -> None:
    from tests.services.temporal_workflows import Echo

    class Mine:
        pass

    workers = Workers.__new__(Workers)
    workers._nodeid = "tests/unit/test_temporal_spec.py::test"

    assert workers._of_tests([Echo, Mine]) == {__name__}

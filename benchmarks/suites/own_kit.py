"""conftest.py of a suite that uses three containers of its own, on the kit."""

import pytest


@pytest.fixture(scope="session")
def addresses(web_server, proxy_server, files_server):  # type: ignore[no-untyped-def]
    return [each.url for each in (web_server, proxy_server, files_server)]

"""`reset()` on somebody else's server: a test's part is new again, and nothing else is touched."""

from __future__ import annotations

import pytest

from tests.contract.test_every_service import CASES
from tests.contract.test_reset import seen
from tests.services.asker import asker, run_of_its_own
from tests.services.external.planted import ALIKE, plant, uproot
from tests.services.external.suites import address
from tests.services.external.witness import LOOKS, left_by
from wflo_testkit.model import Server


@pytest.mark.slow
@pytest.mark.parametrize("server", CASES, indirect=True)
def test_a_part_is_new_again_and_what_is_somebody_elses_stays(server: Server) -> None:
    use, theirs = CASES[server.service].use, plant(server, "20200101t0000_0a0a0a02", ALIKE)
    with run_of_its_own() as broker:
        asked = asker(broker, server.service, **address(server))
        assert asked.server.is_external
        with asked.lease() as handle:
            before = seen(handle)
            for _again in range(3):
                use(handle)
                handle.reset()
            use(handle)
            assert seen(handle) == before
            assert left_by(server, broker._session.run)

    assert LOOKS[server.service](server) >= {*theirs}
    uproot(server, theirs)

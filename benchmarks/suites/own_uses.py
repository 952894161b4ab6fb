"""Tests that ask three containers for their page."""

from urllib.request import urlopen

import pytest


@pytest.mark.parametrize("number", range(40))
def test_pages(addresses, number):  # type: ignore[no-untyped-def]
    for address in addresses:
        assert urlopen(address).status == 200

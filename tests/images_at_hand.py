"""What tests run for an entry of the catalogue, by the policy that WFLO_TEST_IMAGES names."""

from __future__ import annotations

import os
from functools import cache

import docker
import pytest

from wflo_testkit import catalog
from wflo_testkit.runtime import images, provision
from wflo_testkit.runtime.images import ResolvedImage

MAY_BE_BUILT = (pytest.mark.slow, pytest.mark.timeout(600))
"""Marks of what runs another version than the kit pins: its image may have to be built first."""
POLICY = os.environ.get("WFLO_TEST_IMAGES") or "auto"


@cache
def resolved(name: str) -> ResolvedImage:
    """Return the image of the entry `name`.

    `wflo-testkit images pull` brings those of the services only: any other that the daemon has not
    is pulled or built here, which takes a minute.
    """
    client = docker.from_env(timeout=600)
    try:
        if catalog.entries()[name].role != "service":
            provision.provide(client, [name], source=POLICY, report=lambda *_: None)
        return images.resolve(client, catalog.official(name), policy=POLICY)
    finally:
        client.close()


def image_of(name: str) -> str:
    """Return what to run for the entry `name`."""
    return resolved(name).reference

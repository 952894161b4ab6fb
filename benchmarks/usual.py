"""Four services as Testcontainers' documentation has them: one fixture each, one after another."""

from __future__ import annotations

from benchmarks import measured, others, processes, starting


def seconds(services: tuple[str, ...]) -> float:
    """Return the seconds from the start of a pytest process to a test with all, less a bare one."""
    files = starting.files(services) | {"conftest.py": measured.source("usual")}
    with (
        processes.folder(files) as usual,
        processes.folder(starting.files(())) as bare,
        others.environment() as variables,
    ):
        took = processes.pytest(usual, "-p", others.PLUGIN, kit=False, variables=variables)
        return took.reached - processes.pytest(bare, kit=False).reached

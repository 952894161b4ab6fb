"""Print the names of the images that the kit's own tests run, for `wflo-testkit images pull`."""

from wflo_testkit import catalog

print(*(entry.name for entry in catalog.entries().values() if entry.role in ("service", "test")))

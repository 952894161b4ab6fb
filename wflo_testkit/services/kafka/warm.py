"""What a broker does only once: making its internal topics, before a test has to wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflo_testkit.services.kafka.admin import TIMEOUT, Admin
from wflo_testkit.wait import wait_until

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

_NAME = "wflo-warm-up"


def warm_up(admin: Admin) -> None:
    """Have the broker make the topics behind consumer groups and transactions.

    A look for a coordinator makes them, whether or not there is such a group; the coordinator
    is found once they are ready. Raises IsolationFailed.
    """
    admin.ask(
        "could not warm up",
        lambda client: wait_until(
            lambda: client.describe_groups([_NAME]),
            timeout=TIMEOUT,
            poll=0.05,
            describe="coordinator of groups",
        ),
    )
    admin.ask("could not warm up", _find_transaction)


def _find_transaction(client: KafkaAdminClient) -> None:
    from kafka import errors

    passing = (errors.CoordinatorLoadInProgressError, errors.CoordinatorNotAvailableError)

    def found() -> bool:
        try:
            client.describe_transactions([_NAME])
        except errors.KafkaError as error:  # no such transaction: somebody is there to say so
            return not isinstance(error, passing)
        return True

    wait_until(found, timeout=TIMEOUT, poll=0.05, describe="coordinator of transactions", catch=())

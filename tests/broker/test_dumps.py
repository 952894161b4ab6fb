"""A failed test's data is written before anything changes it or its server goes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.broker import desks
from wflo_testkit.broker import dumps
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker, LocalBroker
from wflo_testkit.broker.leases import Held
from wflo_testkit.errors import StartFailed
from wflo_testkit.isolation import Dump, HeldLease
from wflo_testkit.model import Grant
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.printing import TooMuch
from wflo_testkit.wait import wait_until

PATIENCE = 10.0


class DumpedDesks(desks.Desks):
    """Desks whose drawers can be dumped."""

    def dump(self, lease: HeldLease) -> Dump | None:
        if lease.kind != "desk":
            return None
        desk = str(lease.data["desk"])
        return Dump(command=("all", desk), outline=("outline", desk), suffix="txt", opens="{file}")

    def drop_kept(self, lease: HeldLease) -> None:
        self.events.append(f"{lease.data['desk']} dropped")


class FakedPrinter:
    """Stands for the command in a container, which has to be able to take its time."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.begun: list[str] = []
        self.error: Exception | None = None

    def __call__(self, _key: str, command: tuple[str, ...], *_more: Any) -> bytes:
        self.begun.append(command[1])
        assert self.may_go_on.wait(PATIENCE)
        if self.error is not None and command[0] == "all":
            raise self.error
        return " ".join(command).encode()


@dataclasses.dataclass
class Office:
    """A broker of such desks, one process that asks it, and the printer."""

    broker: Broker
    asker: LocalBroker
    printer: FakedPrinter
    root: Path

    def lease(self) -> str:
        spec = desks.spec()
        self.asker.server(spec)
        ask = Ask(key=spec.fingerprint, kind="desk", mode="", params={})
        grant = self.asker.lease(ask)
        assert isinstance(grant, Grant)
        return grant.id

    def fail(self, name: str, *, at_once: bool = False) -> str:
        """Lease a desk for a test of this name, which fails."""
        (self.root / name).mkdir()
        lease_id = self.lease()
        assert self.asker.dump(lease_id, str(self.root / name / "desk"), at_once)
        return lease_id

    @property
    def written(self) -> set[str]:
        return {path.parent.name for path in self.root.glob("*/desk.txt")}

    @property
    def events(self) -> list[str]:
        isolation: Any = self.broker.servers.isolation(desks.spec().fingerprint)
        return isolation.events  # type: ignore[no-any-return]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    service = dataclasses.replace(desks.SERVICE, isolation=DumpedDesks)
    broker = Broker({"desks": service}, DockerSession("0123abcd"))
    printer = FakedPrinter()
    with mock.patch.object(broker.servers, "printed", printer):
        yield Office(broker, broker.owner("main"), printer, tmp_path)
        printer.may_go_on.set()
        broker.close()


@contextmanager
def beside(work: Any) -> Iterator[threading.Event]:
    """Do `work` in a thread; yields what says that it is done."""
    done = threading.Event()
    thread = threading.Thread(target=lambda: (work(), done.set()))
    thread.start()
    yield done
    thread.join(PATIENCE)
    assert done.is_set()


def test_a_dump_comes_behind_the_release_and_then_the_data_goes(office: Office) -> None:
    lease_id = office.fail("a")
    assert office.printer.begun == []

    office.asker.release(lease_id, True)
    wait_until(lambda: office.printer.begun == ["0"], timeout=PATIENCE)
    assert "0 dropped" not in office.events
    office.printer.may_go_on.set()

    office.broker.dumps.close()
    assert (office.root / "a" / "desk.txt").read_text() == "all 0"
    assert (office.root / "a" / "desk.sh").read_text() == "desk.txt"
    assert {path.stat().st_mode & 0o777 for path in (office.root / "a").iterdir()} == {0o600}
    assert office.events[-2:] == ["0 back, kept", "0 dropped"]


def test_what_is_not_kept_is_not_dumped(office: Office) -> None:
    office.asker.release(office.fail("a"), False)
    office.printer.may_go_on.set()
    office.broker.close()

    assert office.written == set()


def called_meanwhile(office: Office) -> bool:
    """Say whether a call gets through, a reset say, while the dump of its lease is under way."""
    lease_id = office.fail("a", at_once=True)
    wait_until(lambda: office.printer.begun == ["0"], timeout=PATIENCE)
    with beside(lambda: office.asker.call(lease_id, "reset", {})) as done:
        is_through = done.wait(0.3)
        office.printer.may_go_on.set()
    return is_through


def test_a_call_waits_for_the_dump_of_a_lease_that_goes_on(office: Office) -> None:
    assert called_meanwhile(office) is False
    assert office.written == {"a"}
    assert "0 dropped" not in office.events


def test_without_the_wait_it_would_get_through(office: Office) -> None:
    """The check above must be able to fail."""
    with mock.patch.object(Held, "await_dump"):
        assert called_meanwhile(office) is True


def ended_meanwhile(office: Office) -> bool:
    """Say whether the broker ends while a dump is under way."""
    office.asker.release(office.fail("a"), True)
    wait_until(lambda: office.printer.begun == ["0"], timeout=PATIENCE)
    with beside(office.broker.close) as done:
        is_over = done.wait(0.3)
        office.printer.may_go_on.set()
    return is_over


def test_the_runs_end_waits_for_dumps(office: Office) -> None:
    assert ended_meanwhile(office) is False
    assert office.written == {"a"}


def test_without_the_wait_the_run_would_end(office: Office) -> None:
    """The check above must be able to fail."""
    with mock.patch.object(dumps.DumpWriter, "close"):
        assert ended_meanwhile(office) is True


def test_a_server_of_one_test_goes_after_the_dump_and_nobody_waits(office: Office) -> None:
    key = desks.spec().fingerprint
    office.asker.release(office.fail("a"), True)
    events = office.events
    wait_until(lambda: office.printer.begun == ["0"], timeout=PATIENCE)

    office.asker.discard(key)

    assert not any(each.startswith("closed") for each in events)
    office.printer.may_go_on.set()
    wait_until(lambda: any(each.startswith("closed") for each in events), timeout=PATIENCE)
    assert office.written == {"a"}


def test_of_many_only_the_newest_five_are_written_and_stay(office: Office) -> None:
    (office.root / "old").mkdir()
    (office.root / "old" / "desk.txt").write_text("of a run before")
    for name in "abcdefgh":
        office.asker.release(office.fail(name), True)
    office.printer.may_go_on.set()
    office.broker.dumps.close()

    assert office.written == set("defgh")
    assert len(office.printer.begun) <= 6
    assert sum(each.endswith("dropped") for each in office.events) == 8


def test_what_is_too_large_is_written_without_its_data_and_the_run_says_so(office: Office) -> None:
    office.printer.error = TooMuch("x")
    office.printer.may_go_on.set()
    office.asker.release(office.fail("a"), True)
    [note] = office.asker.notes()

    text = (office.root / "a" / "desk.txt").read_text()
    assert text == "-- Without its data: with it, it is larger than 20000000 bytes.\noutline 0"
    assert note == "a/desk.txt has no data: with it, it would be larger than 20000000 bytes"


def test_a_dump_that_fails_costs_a_note_and_the_data_stays(office: Office) -> None:
    office.printer.error = StartFailed("all did not come to its end", cause="a lock")
    office.printer.may_go_on.set()
    office.asker.release(office.fail("a"), True)

    assert office.asker.notes() == ["a/desk.txt is missing: all did not come to its end: a lock"]
    assert "0 dropped" not in office.events


def test_of_what_cannot_be_dumped_the_asker_is_told(office: Office) -> None:
    lease_id = office.lease()
    with mock.patch.object(DumpedDesks, "dump", return_value=None):
        assert office.asker.dump(lease_id, "/nowhere", False) is False
    assert office.asker.dump("gone", "/nowhere", False) is False

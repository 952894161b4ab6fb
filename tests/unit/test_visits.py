"""Guests of an external server: who is over, who is believed, and what is left of whom."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit.broker import visits
from wflo_testkit.broker.visits import LEASE, STAYS, Visits, clear_after, is_over
from wflo_testkit.errors import IsolationFailed, ServiceUnavailable
from wflo_testkit.guestbook import Guest
from wflo_testkit.model import MAIN, Server
from wflo_testkit.runtime import labels
from wflo_testkit.service import Service
from wflo_testkit.wait import wait_until

ME = labels.owner()
HOST, PID, STARTED, BOOT = ME.split(" ")
DEAD = f"{HOST} 4194305 1 {BOOT}"  # no Linux gives out this process id (proc(5), pid_max)
REBOOTED = f"{HOST} {PID} {STARTED} 0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
ELSEWHERE = "another/host/1 1 1 1"
NOW = 1000.0


class Place:
    """A server with a guestbook, its own clock, and things that carry runs' ids."""

    def __init__(self) -> None:
        self.time = NOW
        self.entries: dict[str, Guest] = {}
        self.things: dict[str, list[str]] = {}
        self.refuses: set[str] = set()
        self.refused = 0
        self.endless = False
        self.closed = 0

    def sign(self, guest: Guest) -> float:
        if "everybody" in self.refuses:
            self.refused += 1
            raise ServiceUnavailable("no rights")
        self.entries[guest.run] = dataclasses.replace(guest, seen=self.time)
        return self.time

    def guests(self) -> list[Guest]:
        return list(self.entries.values())

    def strike(self, run: str) -> None:
        assert not self.things.get(run), "an entry goes after everything else"
        self.entries.pop(run, None)

    def close(self) -> None:
        self.closed += 1

    def sweep(self, _server: Server, runs: Sequence[str]) -> Iterator[None]:
        for run in runs:
            if run in self.refuses:
                raise IsolationFailed(f"what {run} made resists")
            while self.things.get(run):
                if not self.endless:
                    self.things[run].pop()
                yield

    def put(self, run: str, owner: str, *, seen: float = NOW, things: int = 3) -> None:
        self.entries[run] = Guest(run=run, owner=owner, lease=LEASE, seen=seen)
        self.things[run] = [f"{run}-{number}" for number in range(things)]

    @property
    def runs(self) -> set[str]:
        return set(self.entries)


@pytest.fixture
def place() -> Place:
    return Place()


def service(place: Place) -> Service:
    def unused(*_arguments: Any) -> Any:
        raise NotImplementedError

    return Service(
        name="place",
        spec=unused,
        probe=unused,
        server=Server,
        external=unused,
        isolation=unused,
        leases=(),
        sweep=place.sweep,
        guestbook=lambda _server: place,
    )


def server(port: int = 1) -> Server:
    return Server(service="place", name="place", host="h", ports={MAIN: port}, is_external=True)


def visit(place: Place, run: str = "aa") -> None:
    made = Visits(run).begin(server(), service(place))
    assert made is not None
    made.end()


@pytest.mark.parametrize(
    ("owner", "age", "over"),
    [
        (DEAD, 0, True),
        (REBOOTED, 0, True),
        (ME, 0, False),
        (ME, LEASE * 100, False),  # paused, in a debugger, on a laptop that slept
        (ELSEWHERE, LEASE, False),
        (ELSEWHERE, LEASE + 1, True),
        ("", 0, True),
    ],
    ids=["dead", "before a reboot", "living", "living but silent", "elsewhere", "expired", "ended"],
)
def test_a_guest_is_over_when_its_owner_is_dead_or_elsewhere_its_lease(
    owner: str, age: float, over: bool
) -> None:
    assert is_over(Guest(run="bb", owner=owner, lease=LEASE, seen=NOW - age), NOW) is over


def test_a_visit_is_written_down_before_anything_is_made_and_gone_when_all_is_gone(
    place: Place,
) -> None:
    made = Visits("aa").begin(server(), service(place))
    assert made is not None
    assert place.entries["aa"].owner == ME
    place.things["aa"] = ["one", "two"]

    made.end()

    assert place.runs == set()
    assert place.things["aa"] == []
    assert place.closed == 1


def test_the_next_visit_clears_up_after_the_dead_and_nobody_else(place: Place) -> None:
    place.put("dead", DEAD)
    place.put("expired", ELSEWHERE, seen=NOW - LEASE - 1)
    place.put("living", ME)
    place.put("elsewhere", ELSEWHERE)

    visit(place)

    assert place.runs == {"living", "elsewhere"}
    assert [len(place.things[run]) for run in ("dead", "expired", "living", "elsewhere")] == [
        *(0, 0, 3, 3)
    ]


def test_one_that_resists_does_not_save_the_others(place: Place) -> None:
    place.put("resists", DEAD)
    place.put("yields", DEAD)
    place.refuses = {"resists"}

    visit(place)

    assert place.runs == {"resists"}


def test_a_run_that_cannot_clear_up_leaves_word_that_it_is_over(place: Place) -> None:
    place.refuses = {"aa"}
    visit(place)
    assert place.entries["aa"].owner == ""

    place.refuses = set()
    visit(place, "bb")
    assert place.runs == set()


def test_a_long_clearing_ends_with_the_run_and_the_next_one_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "PATIENCE", 0.01)
    place.put("dead", DEAD)
    place.endless = True
    visit(place)
    assert place.runs == {"dead"}

    place.endless = False
    monkeypatch.undo()
    visit(place)
    assert place.runs == set()


def test_an_entry_is_renewed_while_the_run_lasts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "RENEWAL", 0.01)
    made = Visits("aa").begin(server(), service(place))
    assert made is not None

    place.time += 10 * LEASE
    wait_until(lambda: place.entries["aa"].seen == place.time, timeout=30, describe="renewal")
    made.end()


def test_a_renewal_that_fails_is_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "RENEWAL", 0.01)
    made = Visits("aa").begin(server(), service(place))
    assert made is not None

    place.refuses = {"everybody"}
    wait_until(lambda: place.refused, timeout=30, describe="a renewal that fails")
    place.time += 1
    place.refuses = set()
    wait_until(lambda: place.entries["aa"].seen == place.time, timeout=30, describe="renewal")
    made.end()


def test_who_may_not_sign_in_makes_nothing(place: Place) -> None:
    before = set(threading.enumerate())
    visitor = Visits("aa")
    place.refuses = {"everybody"}
    with pytest.raises(ServiceUnavailable, match="no rights"):
        visitor.begin(server(), service(place))

    place.refuses = set()
    made = visitor.begin(server(), service(place))
    assert made is not None
    assert made.run == "aa"
    made.end()
    assert place.closed == 2
    assert "wflo-visit" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_a_second_server_at_the_same_address_is_a_guest_of_its_own(place: Place) -> None:
    of_the_run = Visits("aa")
    made = [of_the_run.begin(server(port), service(place)) for port in (1, 1, 2)]

    assert [each.run for each in made if each] == ["aa", "aax1", "aa"]

    for each in made:
        assert each is not None
        each.end()


def test_a_service_without_a_guestbook_is_visited_without_a_word(place: Place) -> None:
    quiet = dataclasses.replace(service(place), guestbook=None)

    assert Visits("aa").begin(server(), quiet) is None


def test_clearing_by_hand_names_each_guest_and_leaves_no_entry_of_its_own(place: Place) -> None:
    place.put("dead", DEAD)
    place.put("living", ME)
    place.put("resists", DEAD)
    place.refuses = {"resists"}

    found = {guest.run: said for guest, said in clear_after(server(), service(place))}

    assert found["dead"] == ""
    assert found["living"] == STAYS
    assert found["resists"].startswith("IsolationFailed: what resists made resists")
    assert place.runs == {"living", "resists"}


def test_clearing_by_hand_reaches_every_visit_of_the_chosen_run(place: Place) -> None:
    for run in ("aa", "aax1", "ab"):
        place.put(run, ME)

    chosen = clear_after(server(), service(place), "aa", force=True)

    assert {guest.run for guest, _said in chosen} == {"aa", "aax1"}
    assert place.runs == {"ab"}


@given(
    run=st.text("0123456789abcdefx", min_size=1),
    owner=st.text(),
    lease=st.floats(0, 1e9),
    seen=st.floats(0, 1e12),
)
def test_an_entry_survives_its_text(run: str, owner: str, lease: float, seen: float) -> None:
    guest = Guest(run=run, owner=owner, lease=lease, seen=seen)

    assert Guest.from_text(guest.to_text()) == guest


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "words", "[]", "{}", '{"run": "a b", "owner": "", "lease": 1}'),
        *('{"run": "a", "owner": "", "lease": "x"}', '{"run": 1, "owner": "", "lease": 1}'),
        *(b"\xff", '{"run": "a", "owner": "", "lease": 1, "more": 2}'),
    ],
)
def test_what_is_no_entry_is_nobodys(text: Any) -> None:
    assert Guest.from_text(text) is None

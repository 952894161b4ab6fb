"""Runs are killed in every phase of their lives; nothing is left, and nobody else notices."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.lifecycle.soak import ledger
from tests.lifecycle.soak.kills import Killer
from tests.lifecycle.soak.machine import DEATHS, Machine
from tests.lifecycle.soak.phases import PHASES, hooks
from tests.lifecycle.test_window import NO_GUARD

SEED = 20261121
KILLS = dict.fromkeys(PHASES, 18) | {"any moment": 10}
"""One hundred in all."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_kill_in_each_phase_leaves_nothing_and_hurts_nobody(machine: Machine, api: Any) -> None:
    phases = [phase for phase in PHASES if phase != "any moment"]
    # Of Ryuk's time-out alone this would take 5 s; test_deaths.py has the kills that it answers.
    killer = Killer(machine, api, workers=2, seed=SEED, guards=["broker"])
    killer.kill([hooks(phase, 1)[0] for phase in phases], at_once=len(phases))

    assert not killer.count.findings, "\n".join(killer.count.findings)
    assert killer.count.done == len(phases) == 5


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("death", ["the broker", "both"])
def test_so_does_a_kill_of_the_broker(machine: Machine, api: Any, death: str) -> None:
    phases = [phase for phase in PHASES if phase != "any moment"]
    killer = Killer(machine, api, workers=2, seed=SEED, deaths=[death])
    killer.kill([hooks(phase, 1)[0] for phase in phases], at_once=len(phases))

    assert not killer.count.findings, "\n".join(killer.count.findings)
    assert killer.count.done == len(phases) == 5


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_without_a_guard_the_same_kill_is_counted_as_a_leak(machine: Machine, api: Any) -> None:
    [hook, *_rest] = PHASES["test running"]
    killer = Killer(machine, api, workers=2, seed=SEED, guards=["broker"], deaths=["pytest"])
    killer.kill([dataclasses.replace(hook, text=NO_GUARD + hook.text)], at_once=1)

    assert any(each.startswith("in Docker") for each in killer.count.leaked), killer.count
    assert killer.count.hurt + killer.count.crossed == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("phase", PHASES)
def test_many_kills_in_one_phase_leave_nothing_and_hurt_nobody(
    machine: Machine, api: Any, phase: str
) -> None:
    # There may be no broker yet at any moment.
    deaths = ["pytest"] if phase == "any moment" else DEATHS
    killer = Killer(machine, api, workers=4, seed=SEED, deaths=deaths)
    with ledger.row(f"kill -9, {phase}", killer.count):
        killer.kill(hooks(phase, KILLS[phase]), at_once=6)

    assert not killer.count.findings, "\n".join(killer.count.findings)
    assert killer.count.done == KILLS[phase]

"""Which machine measured, and how busy it was."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path


def describe(docker_version: str, *, quick: bool) -> str:
    """Return one line: date, load now, processor, cores, memory, kernel, Python, Docker."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"load average at start {load}",
        _processor(),
        f"{os.cpu_count()} cores",
        f"{_memory():.0f} GiB",
        f"Linux {platform.release()}" if platform.system() == "Linux" else platform.platform(),
        f"Python {platform.python_version()}",
        f"Docker {docker_version}",
    ]
    if os.getloadavg()[0] > (os.cpu_count() or 1) / 2:
        parts.append("BUSY WITH OTHER WORK: only ratios say anything, and little")
    return "; ".join([*parts, "quick: few repetitions"] if quick else parts)


def caption(*, quick: bool) -> str:
    """Return what a drawing says about its run: date, processor, cores."""
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    text = f"{date}, {_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{text}; a trial of few repetitions" if quick else text


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> float:
    """Return the machine's memory in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30

"""Only a well-formed reading proves that an owner is dead; nothing that a test can patch counts."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import itertools
import os
import platform
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any
from unittest import mock

import pytest

from wflo_testkit.runtime import folders, kernel, labels, processes
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.reuse.uses import Uses
from wflo_testkit.wait import wait_until

ME = labels.owner()
HOST, PID, STARTED, BOOT = ME.split(" ")
KEY = "0123456789abcdef"
OTHER_BOOT = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
BUILT_IN = ("posix", "io", "_io")
NOBODY = 4194305
"""A process id that no Linux gives out (proc(5), pid_max)."""


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Leave the process without a file descriptor to open a file with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    held = []
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for handle in held:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


FILES = ("open", "read", "stat", "lstat", "listdir", "scandir", "readlink", "mkdir", "chmod")
PROCESSES = ("getpid", "kill", "uname", "rename", "replace", "unlink")


@contextmanager
def no_files() -> Iterator[None]:
    """Do as pyfakefs does: fake the functions of `os`, also where a module of the kit has them."""
    refuse = mock.Mock(side_effect=FileNotFoundError(errno.ENOENT, "No such file or directory"))
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("wflo_testkit"):
                for attribute, value in list(vars(module).items()):
                    if isinstance(value, BuiltinFunctionType) and value.__module__ in BUILT_IN:
                        stack.enter_context(mock.patch.object(module, attribute, refuse))
        for name in (*FILES, *PROCESSES):
            stack.enter_context(mock.patch.object(os, name, refuse))
        yield


def hello(*_given: Any, **_named: Any) -> Any:
    return io.StringIO("hello")


FAKES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "Path.read_text": lambda: mock.patch("pathlib.Path.read_text", return_value="hello"),
    "Path.readlink": lambda: mock.patch("pathlib.Path.readlink", return_value=Path("pid:[1]")),
    "Path.open": lambda: mock.patch("pathlib.Path.open", hello),
    "io.open": lambda: mock.patch.object(io, "open", hello),
    "builtins.open": lambda: mock.patch.object(builtins, "open", hello),
    "os.open": lambda: mock.patch.object(os, "open", side_effect=FileNotFoundError),
    "os.read": lambda: mock.patch.object(os, "read", return_value=b"1 (init) S"),
    "os.readlink": lambda: mock.patch.object(os, "readlink", return_value="pid:[1]"),
    "os.kill": lambda: mock.patch.object(os, "kill", side_effect=ProcessLookupError),
    "os.getpid": lambda: mock.patch.object(os, "getpid", return_value=1),
    "os.uname": lambda: mock.patch.object(os, "uname", side_effect=OSError),
    "platform.node": lambda: mock.patch.object(platform, "node", return_value="elsewhere"),
    "gethostname": lambda: mock.patch.object(socket, "gethostname", return_value="elsewhere"),
    "no files": no_files,
    "no descriptors": no_descriptors,
}

faked = pytest.mark.parametrize("fake", FAKES.values(), ids=FAKES.keys())


@pytest.fixture(autouse=True)
def machine_anew() -> Iterator[None]:
    """Let each test find out for itself which machine this is."""
    labels._machine.cache_clear()
    yield
    labels._machine.cache_clear()


def dead_owner() -> str:
    """Name a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    owner = labels.owner(process.pid)
    process.communicate()
    return owner


@faked
def test_a_living_process_is_alive_whatever_a_test_fakes(
    fake: Callable[[], AbstractContextManager[Any]],
) -> None:
    with fake():
        taken_for = labels.owner_is_dead(ME), labels.is_over(ME, expired=True)
    assert taken_for == (False, False)


@pytest.mark.parametrize("fake", [FAKES[name] for name in FAKES if name != "no descriptors"])
def test_an_owner_that_is_written_while_files_are_faked_is_the_very_same(
    fake: Callable[[], AbstractContextManager[Any]],
) -> None:
    with fake():
        written = labels.owner()
    assert written == ME


def test_an_owner_that_is_written_without_descriptors_can_never_be_proven_dead() -> None:
    with no_descriptors():
        written = labels.owner(NOBODY)
    assert written == f"- {NOBODY} - -"
    assert not labels.owner_is_dead(written)
    assert labels.owner() == ME, "nothing odd was kept"


@pytest.mark.parametrize(
    "text",
    [
        f"{HOST} {NOBODY} - {BOOT}",
        f"{HOST} {NOBODY} {STARTED} -",
        f"{HOST} {NOBODY} - {OTHER_BOOT}",
        f"{HOST} {PID} - -",
        f"{HOST} {PID} {STARTED} -",
        f"{HOST} {PID} {STARTED} another-boot",
        f"{HOST} {PID} hello {BOOT}",
        f"{HOST} {NOBODY}",
        f"{HOST} {10**12} {STARTED} {BOOT}",
        f"{HOST} -1 {STARTED} {BOOT}",
        f"- {NOBODY} {STARTED} {BOOT}",
        f"elsewhere/1/1 {NOBODY} {STARTED} {OTHER_BOOT}",
        "hello",
        "",
    ],
    ids=itertools.count(),  # not the text: it names this process, and workers compare names
)
def test_an_odd_owner_is_never_proven_dead(text: str) -> None:
    assert not labels.owner_is_dead(text)


def test_what_has_ended_is_dead() -> None:
    assert labels.owner_is_dead(dead_owner())
    assert labels.owner_is_dead(f"{HOST} {NOBODY} {STARTED} {BOOT}")
    assert labels.owner_is_dead(f"{HOST} {PID} {int(STARTED) - 1} {BOOT}"), "its number is reused"
    assert labels.owner_is_dead(f"{HOST} {PID} {STARTED} {OTHER_BOOT}")


def test_a_boot_is_no_proof_where_machines_of_one_name_cannot_be_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, {"/etc/machine-id": ""})
    anonymous = labels.owner().split(" ")[0]

    assert anonymous == f"{platform.node()}/-/{HOST.rpartition('/')[2]}"
    assert not labels.owner_is_dead(f"{anonymous} {PID} {STARTED} {OTHER_BOOT}")
    assert labels.owner_is_dead(f"{anonymous} {NOBODY} {STARTED} {BOOT}"), "the very same boot"


def answering(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str | OSError]) -> None:
    """Let the kernel answer otherwise, which no test of a user can."""
    real = kernel.read_with_status

    def read(path: str) -> tuple[str, Any]:
        answer = answers.get(path)
        if isinstance(answer, OSError):
            raise answer
        return (answer, None) if answer is not None else real(path)

    monkeypatch.setattr(kernel, "read_with_status", read)


INIT = Path("/proc/1/stat").read_text()
STAT = f"/proc/{PID}/stat"
MINE = Path(STAT).read_text()
LATER = MINE.replace(f" {STARTED} ", f" {int(STARTED) + 1} ")
GONE = FileNotFoundError(errno.ENOENT, "No such file or directory")


@pytest.mark.parametrize(
    "answers",
    [
        {STAT: ""},
        {STAT: "hello"},
        {STAT: INIT},
        {STAT: MINE[:40]},
        {STAT: MINE.replace(") ", " ")},
        {STAT: PermissionError(errno.EACCES, "hidepid=1")},
        {STAT: GONE},
        {STAT: OSError(errno.EMFILE, "Too many open files")},
        {"/proc/self/stat": GONE, STAT: GONE},
        {"/proc/self/stat": INIT, STAT: LATER},
        {"/proc/sys/kernel/random/boot_id": "hello"},
        {"/proc/sys/kernel/random/boot_id": ""},
        {"/proc/sys/kernel/random/boot_id": GONE},
        {"/proc/self/stat": INIT, "/proc/sys/kernel/random/boot_id": OTHER_BOOT},
        {"/etc/machine-id": OSError(errno.EMFILE, "Too many open files")},
        {"/etc/machine-id": "hello"},
    ],
)
def test_an_error_an_empty_and_an_odd_reading_mean_alive(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, str | OSError]
) -> None:
    answering(monkeypatch, answers)

    assert not labels.owner_is_dead(ME)


def test_a_proc_of_another_pid_namespace_says_nothing_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, {"/proc/self/stat": INIT})  # as after `unshare --pid --fork`

    assert labels.owner() == f"{HOST} {PID} - -"


def test_a_process_whose_name_has_brackets_and_lines_is_read_well() -> None:
    rename = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b') S 1\\n(2'); print(); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", rename], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    owner = labels.owner(process.pid)

    assert owner.split(" ")[2].isdigit()
    assert not labels.owner_is_dead(owner)
    process.communicate(b"\n")
    assert labels.owner_is_dead(owner)


@pytest.fixture
def portable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc, as on macOS."""
    monkeypatch.setattr(processes, "PROC", False)


@pytest.mark.usefixtures("portable")
def test_without_proc_only_a_missing_process_is_proven_dead() -> None:
    me, gone = labels.owner(), dead_owner()

    assert me.endswith(f"/- {PID} - -")
    assert not labels.owner_is_dead(me)
    assert labels.owner_is_dead(gone)
    assert not labels.owner_is_dead(gone.replace(" - -", f" - {BOOT}"))
    assert not labels.owner_is_dead(labels.owner(1)), "somebody else's"


def test_without_proc_an_ended_process_counts_until_it_is_waited_for(portable: None) -> None:
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    owner = labels.owner(zombie.pid)

    zombie.wait()
    wait_until(lambda: labels.owner_is_dead(owner), timeout=10)


def test_mutant_that_believes_any_reading_takes_the_living_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = processes._Stat(int(PID), "S", "hello")
    real = processes._stat
    monkeypatch.setattr(processes, "_stat", lambda name: odd if name == PID else real(name))

    assert labels.owner_is_dead(ME)


def test_mutant_that_believes_any_proc_takes_the_living_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, {"/proc/self/stat": INIT, STAT: LATER})
    monkeypatch.setattr(processes, "_proc_is_ours", lambda: True)

    assert labels.owner_is_dead(ME)


@faked
def test_a_run_uses_its_kept_server_whatever_a_test_fakes(
    tmp_path: Path, fake: Callable[[], AbstractContextManager[Any]]
) -> None:
    home = UserFolder(tmp_path)
    uses = Uses(home)
    uses.mark(KEY, "mine", "c1")
    [mark] = home.files("*.use")
    os.utime(mark, (0, 0))
    with fake():
        try:
            living, over = uses.living(KEY), uses.over(KEY)
        except OSError:  # no answer: whoever asks leaves everything alone
            living, over = ["mine"], []
    assert (living, over) == (["mine"], [])


def test_a_mark_that_no_other_process_would_see_is_an_error(tmp_path: Path) -> None:
    uses = Uses(UserFolder(tmp_path))
    with (
        mock.patch.object(Path, "replace"),
        pytest.raises(FileNotFoundError, match=f"{KEY}.mine.use"),
    ):
        uses.mark(KEY, "mine", "c1")


@faked
def test_folders_of_living_runs_stay_whatever_a_test_fakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: Callable[[], AbstractContextManager[Any]]
) -> None:
    monkeypatch.setattr(folders.tempfile, "tempdir", str(tmp_path))
    alive = folders.make()
    with fake():
        try:
            found = folders.of_dead_runs()
        except OSError:
            found = []
    assert found == []
    assert alive.is_dir()

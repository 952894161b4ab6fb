"""The tree that everything else is built on, where no slim image can be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit.errors import ImageUnavailable
from wflo_testkit.runtime import images

if TYPE_CHECKING:
    import docker

_PREFIX = "wflo-testkit-rootfs-"
# What belongs to the machine that made the tree, and what is only a cache.
_LEFT_OUT = (
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
    "./etc/resolv.conf",
    "./etc/hostname",
    "./dev/*",
    "./proc/*",
    "./sys/*",
)
# The release file of a suite that is still in the making is good for a week, and a mirror may lag
# behind for longer. debootstrap does not look at that; so that apt can go on from there, nor does
# it. Signatures are checked by both.
_LATE_MIRROR = 'Acquire::Check-Valid-Until "false";\n'


def ensure(client: docker.DockerClient, suite: str, tag: str, report: Callable[[str], None]) -> str:
    """Make `tag` from a Debian tree of `suite`, unless the daemon has it; return `tag`.

    Needs root and debootstrap, which is installed where apt is. Raises ImageUnavailable.
    """
    if images.inspect(client, tag) is None:
        _require_root(tag)
        _require_debootstrap(report)
        _remove_stale()
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir="/var/tmp") as folder:
            report(f"debootstrap {suite}")
            root = Path(folder) / "root"
            _debootstrap(suite, root)
            (root / "etc/apt/apt.conf.d/80wflo").write_text(_LATE_MIRROR)
            report(f"import as {tag}")
            _import(client, root, tag)
    return tag


def _require_root(tag: str) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        raise ImageUnavailable(
            f"{tag} can only be made by root on Linux",
            cause="no registry answers, and debootstrap needs root",
            fix="run `wflo-testkit images pull` as root once, or where a registry is reachable",
        )


def _require_debootstrap(report: Callable[[str], None]) -> None:
    if shutil.which("debootstrap"):
        return
    if shutil.which("apt-get"):
        report("installing debootstrap")
        quiet = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
        _run([*quiet, "update"])
        _run([*quiet, "install", "-y", "--no-install-recommends", "debootstrap"])
        return
    raise ImageUnavailable(
        "debootstrap is not installed", fix="install the package `debootstrap`, then try again"
    )


def _remove_stale() -> None:
    """Remove trees of killed runs. The caller holds the lock of builds, so nobody uses them."""
    for folder in Path("/var/tmp").glob(f"{_PREFIX}*"):  # noqa: S108
        shutil.rmtree(folder, ignore_errors=True)


def _debootstrap(suite: str, root: Path) -> None:
    # Its mounts live in a namespace of their own and vanish with it; the process dies with us.
    bound = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"]
    # The script is named (after the default mirror, ""): there is one for each suite that was known
    # when debootstrap was packaged, and of Debian all of them are this one.
    _run([*bound, "--kill-child", "debootstrap", "--variant=minbase", suite, str(root), "", "sid"])


def _import(client: docker.DockerClient, root: Path, tag: str) -> None:
    repository, _, version = tag.rpartition(":")
    excludes = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    command = ["tar", "-C", str(root), *excludes, "-c", "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
        client.api.import_image_from_stream(tar.stdout, repository=repository, tag=version)
    if tar.returncode != 0:
        client.api.remove_image(tag)
        raise ImageUnavailable(f"{tag} could not be imported", cause=f"tar: exit {tar.returncode}")


def _run(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise ImageUnavailable(f"`{' '.join(command)}` failed", cause=tail)

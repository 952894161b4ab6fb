"""`wflo-testkit images warm|prune|save|load`: images in which the slow part of a start is done."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit import __version__, services
from wflo_testkit.broker.warming import order_of
from wflo_testkit.cli import project
from wflo_testkit.cli.progress import Progress
from wflo_testkit.cli.table import aligned, duration, size
from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.runtime import daemon, images
from wflo_testkit.runtime.warm import warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.warm_images import WarmImage
from wflo_testkit.settings.values import Duration

if TYPE_CHECKING:
    import docker

    from wflo_testkit.model import Spec
    from wflo_testkit.service import Service

HEAD = ("IMAGE", "SERVER", "MADE FROM", "KIT", "FILLED", "SIZE", "UNUSED FOR", "PASSWORD")


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the actions of `wflo-testkit images` that are about warm images."""
    parser = actions.add_parser("warm", help="make what servers start faster from")
    parser.add_argument("names", nargs="*", metavar="SERVER", help="default: all that can be")
    parser.set_defaults(run=warm)
    parser = actions.add_parser("prune", help="remove warm images that are old or too many")
    parser.add_argument("--max-size", type=_bytes, metavar="SIZE", help="of all, such as 2GB")
    parser.add_argument("--max-age", type=_seconds, metavar="TIME", help="unused, such as 7d")
    parser.set_defaults(run=prune, max_size=warm_images.MAX_SIZE, max_age=warm_images.MAX_AGE)
    parser = actions.add_parser("save", help="write warm images to a file, for another machine")
    parser.add_argument("path", type=Path, metavar="FILE")
    parser.set_defaults(run=save)
    parser = actions.add_parser("load", help="read the images of such a file")
    parser.add_argument("path", type=Path, metavar="FILE")
    parser.set_defaults(run=load)


def warm(arguments: argparse.Namespace) -> int:
    """Make the warm images of the project in this folder; 1 if one of them cannot be made."""
    told = project.read(Path.cwd())
    failed = False
    with contextlib.closing(daemon.connect().client) as client, Progress() as progress:
        for spec, service in _wanted(told.specs, arguments.names):
            progress.report(spec.name, "warm image")
            try:
                outcome = _warm(client, spec, service, told.settings["images"])
                progress.report(spec.name, f"done: {outcome}")
            except TestkitError as error:
                failed = True
                progress.report(spec.name, f"failed: {error.text}")
    return 1 if failed else 0


def list_(*, as_json: bool) -> int:
    """Print the warm images on the daemon, and what could not be made lately."""
    with contextlib.closing(daemon.connect().client) as client:
        found = warm_images.every(client, Notes())
    failures = Notes().failures()
    if as_json:
        rows = [dataclasses.asdict(image) | {"age": image.age} for image in found]
        missed = [dataclasses.asdict(failure) for failure in failures]
        print(json.dumps({"images": rows, "failures": missed}, indent=2))
        return 0
    print("\n".join(aligned([HEAD, *map(_cells, found)])) if found else "there are no warm images")
    for failure in failures:
        print(f"{failure.name}: {failure.reason}")
    return 0


def prune(arguments: argparse.Namespace) -> int:
    """Remove images that are old or too many, and say which."""
    with contextlib.closing(daemon.connect().client) as client:
        gone = warm_images.prune(
            client, Notes(), max_size=arguments.max_size, max_age=arguments.max_age
        )
    for image in gone:
        print(f"removed  {image.key} of {image.server}, {size(image.size)}")
    if not gone:
        print("nothing to remove")
    return 0


def save(arguments: argparse.Namespace) -> int:
    """Write every warm image to a file, with what it is made from."""
    with contextlib.closing(daemon.connect().client) as client, _readable(arguments.path):
        chosen = [image for image in warm_images.every(client, Notes()) if image.is_good]
        if not chosen:
            raise TestkitError("there are no warm images", fix="run `wflo-testkit images warm`")
        warm_images.save(client, chosen, arguments.path)
    print(f"saved {len(chosen)} images, {size(arguments.path.stat().st_size)}")
    return 0


def load(arguments: argparse.Namespace) -> int:
    """Bring the images of a file onto the daemon."""
    with contextlib.closing(daemon.connect().client) as client, _readable(arguments.path):
        warm_images.load(client, arguments.path)
    return list_(as_json=False)


def _wanted(specs: Mapping[str, Spec], names: Sequence[str]) -> Iterator[tuple[Spec, Service]]:
    """Yield the servers of `names`, by default all, that can have a warm image."""
    rows = {name: services.row(spec.service) for name, spec in specs.items()}
    known = [name for name, row in rows.items() if row.warm is not None]
    for name in names:
        if name not in known:
            raise SettingError(
                f"there are no warm images of {name!r}", fix=f"choose among {', '.join(known)}"
            )
    for name in known:
        if name in (names or known) and not specs[name].external:
            yield specs[name], rows[name]


def _warm(client: docker.DockerClient, spec: Spec, service: Service, policy: str) -> str:
    """Make one image, unless it is there; say in words what came of it. Raises TestkitError."""
    order = order_of(spec, service, images.resolve(client, spec.image, policy=policy), __version__)
    _image, is_new = work.get(client, order, Notes())
    return f"{'made' if is_new else 'was there'}, {order.key}"


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one that names the file."""
    try:
        yield
    except OSError as error:
        raise TestkitError(f"{path} cannot be used", cause=error, looked_at=str(path)) from None


def _cells(image: WarmImage) -> tuple[str, ...]:
    return (
        image.key if image.is_good else f"{image.key} (not in use)",
        image.server,
        image.reference,
        image.kit,
        image.content[:8] or "-",
        size(image.size),
        duration(image.age),
        image.password,
    )


def _bytes(text: str) -> float:
    units = {"GB": 1e9, "MB": 1e6, "KB": 1e3}
    unit = units.get(text[-2:].upper(), 0)
    try:
        return float(text[:-2]) * unit if unit else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 2GB or 500MB") from None


def _seconds(text: str) -> float:
    try:
        return Duration.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 12h or 7d") from None

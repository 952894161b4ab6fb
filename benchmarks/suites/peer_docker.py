"""pytest plugin for the peers' processes: their containers listen on 127.0.0.1 only.

With BENCH_SERVER set, their server also gets the command, environment and tmpfs of the kit's.
"""

import json
import os
from typing import Any

from docker.api.container import ContainerApiMixin

_inner = ContainerApiMixin.create_container_from_config


def _create(self: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
    host = config["HostConfig"]
    for bindings in (host.get("PortBindings") or {}).values():
        for binding in bindings or ():
            binding["HostIp"] = "127.0.0.1"
    if config["Image"] == os.environ["BENCH_IMAGE"] and "BENCH_SERVER" in os.environ:
        server = json.loads(os.environ["BENCH_SERVER"])
        config["Cmd"] = server["command"]
        config["Env"] = [*(config["Env"] or []), *server["environment"]]
        host["Tmpfs"] = server["tmpfs"]
    return _inner(self, config, *args, **kwargs)


ContainerApiMixin.create_container_from_config = _create

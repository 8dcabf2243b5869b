"""A real Ray cluster on this machine, of several nodes, in a process of its own.

Run as a script it is that process: it reads commands as lines of JSON, and answers each with a line.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from typing import Any

__all__ = ["RayCluster", "ray_environ"]

NAMESPACE = "liftwing-host"
_BOOT = {"include_dashboard": False, "object_store_memory": 100 << 20}


def ray_environ(**more: str) -> dict[str, str]:
    """The environment of a cluster and of its drivers: with a token, without which neither knows the other."""
    token = os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        # Seconds that a driver hopes for a cluster that is gone; Ray's own value is 60.
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
        **more,
    }


class RayCluster:
    """A head node and further ones.

    Args:
        cpus: What each node says it has. (Nobody checks.)
        port: Where it listens; 0 takes a free one.

    Attributes:
        address: Where drivers on its machines connect.
        client_address: Where those on other machines do.
    """

    def __init__(self, *cpus: int, port: int = 0) -> None:
        client_port = _free_port()
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps([port, client_port, *cpus])],
            env=os.environ | ray_environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.address: str = self._answer()
        self.client_address = f"ray://{self.address.rpartition(':')[0]}:{client_port}"

    def ask(self, command: str, *arguments: Any) -> Any:
        """`actors`: the names of the actors that live; `kill NAME`; `add CPUS RESOURCES`; `remove N`: without any grace; `free`: CPUs."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def actors(self, containing: str = "") -> list[str]:
        return sorted(name for name in self.ask("actors") if containing in name)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        # Ray prints, too.
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)["answer"]
        self._process.stdout.close()
        raise AssertionError(f"the cluster ended with status {self._process.wait()}")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("", 0))
        port: int = sock.getsockname()[1]
        return port


def _tell(answer: Any) -> None:
    print(json.dumps({"answer": answer}), flush=True)


def main() -> None:
    port, client_port, *cpus = json.loads(sys.argv[1])

    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": cpus[0], "ray_client_server_port": client_port, **_BOOT} | (
        {"gcs_server_port": port} if port else {}
    )
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=count, **_BOOT) for count in cpus[1:]]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False)
    commands: dict[str, Any] = {
        "actors": ray.util.list_named_actors,
        "kill": lambda name: ray.kill(ray.get_actor(name)),
        "add": lambda count, own: nodes.append(cluster.add_node(num_cpus=count, resources=own, **_BOOT)),
        "remove": lambda index: cluster.remove_node(nodes.pop(index), allow_graceful=False),
        "free": lambda: ray.available_resources().get("CPU", 0),
    }
    _tell(cluster.address)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        _tell(commands[command](*arguments))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()

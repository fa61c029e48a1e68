"""``--cluster``: wiring only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.campaign import Options
    from harness.targets import Target


def refuse_elsewhere(cluster: str | None, target: str) -> None:
    """Raise `UsageError` for a cluster beside another target than the embedded one."""
    if cluster is not None and target != "embedded":
        raise UsageError("--cluster goes with --target embedded only: each of its workers has such a server of its own")


@contextmanager
def on_cluster(options: Options, cluster: str | None, server: Target, jobs: int) -> Iterator[Options]:
    """``options`` with the shards of the cluster at that address, if there is one, which are let go of in the end.
    Raises `UsageError`."""
    if cluster is None:
        yield options
        return
    from harness.sharding.cluster import ClusterShards
    from harness.sharding.work import Place

    with closing(ClusterShards(cluster, Place(server_version=server.server_version), jobs)) as shards:
        yield replace(options, shards=shards)

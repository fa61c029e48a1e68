"""``--cluster``: wiring only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.campaign import Options
    from harness.targets import Target


def refuse_elsewhere(cluster: str | None, target: str, pg_bin: Path | None) -> None:
    """Raise `UsageError` for a cluster beside another target than the embedded one, or other programs for that."""
    if cluster is not None and target != "embedded":
        raise UsageError("--cluster goes with --target embedded only: each of its workers has such a server of its own")
    if cluster is not None and pg_bin is not None:
        raise UsageError("--cluster goes without --pg-bin: its workers have the programs of their own package")


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

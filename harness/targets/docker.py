"""The Docker daemon, by way of testcontainers, which the extra ``container`` brings; and containers of dead runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.db import one_line
from harness.errors import TargetError, UsageError
from harness.targets.marks import Mark

if TYPE_CHECKING:
    from testcontainers.core.docker_client import DockerClient

LABEL = "refund-harness"
_INSTALL = "pip install 'refund-harness[container]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A container with our label. ``owner``: None where the label is not as we write it."""

    name: str
    owner: Mark | None
    container: Any

    @property
    def dead(self) -> bool:
        """Whether the process that made it is known to be gone. Of another machine's nothing is known."""
        return self.owner is not None and self.owner.of_this_machine and not self.owner.lives

    def remove(self) -> None:
        """With its data. Raises `TargetError`."""
        with docker_answering():
            _remove(self.container)


def docker_client() -> DockerClient:
    """Raises `UsageError` when the extra is not installed, `TargetError` when no daemon answers."""
    try:
        from testcontainers.core.docker_client import DockerClient
    except ModuleNotFoundError:
        raise UsageError(f"--target container needs testcontainers: {_INSTALL}") from None
    with docker_answering():
        client = DockerClient()
        client.client.ping()
        return client


@contextmanager
def docker_answering() -> Iterator[None]:
    """What Docker refuses becomes a `TargetError` of one line."""
    from docker.errors import APIError, DockerException
    from requests import RequestException

    try:
        yield
    except APIError as error:
        raise TargetError(f"Docker refused: {one_line(error.explanation or str(error))}") from None
    except (DockerException, RequestException, OSError) as error:
        raise TargetError(f"no Docker daemon answers ({_reason(error)}): start it, or set DOCKER_HOST") from None


def containers(client: DockerClient) -> list[Leftover]:
    """All containers with our label, running or not, by name. Raises `TargetError`."""
    with docker_answering():
        listed = client.client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
        found = [Leftover(name=c.name or "", owner=Mark.read(c.labels.get(LABEL, "")), container=c) for c in listed]
    return sorted(found, key=lambda f: f.name)


def _remove(container: Any) -> None:
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # somebody else is removing it at this moment
            raise


def _reason(error: BaseException) -> str:
    # The innermost reason is the one that a person knows: the others tell how it came through four libraries.
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return one_line(str(error)) or type(error).__name__

"""A server of our own in a container: any version that there is an image of."""

from __future__ import annotations

import atexit
import os
import secrets
import time
from contextlib import closing

import psycopg
from psycopg.conninfo import make_conninfo

from harness.db import connect, one_line, version_of
from harness.errors import TargetError, UsageError
from harness.targets.closing import Closing
from harness.targets.docker import LABEL, containers, docker_answering, docker_client
from harness.targets.marks import Mark
from harness.targets.settings import container_settings

DEFAULT_IMAGE = "postgres:18"
_PORT = 5432
_USER = "postgres"
_PATIENCE_S = 120.0
_PAUSE_S = 0.05


class ContainerTarget(Closing):
    """A container of ``image`` ("": `DEFAULT_IMAGE`) that lives as long as this process at most.

    The image takes POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and a command ``postgres -c NAME=VALUE …``, as the
    official ones do. Its backends are out of our reach, so nobody is stopped there. Containers of dead runs of this
    machine are removed first. Raises `UsageError` for a name that no image can have and where the extra ``container``
    is not installed, `TargetError` when there is no Docker, no such image, or no server in it; one line each.
    """

    owned = True
    at_hand = False
    maintenance_database = "postgres"

    def __init__(self, image: str = "") -> None:
        self.image = image or DEFAULT_IMAGE
        if any(c.isspace() for c in self.image) or "://" in self.image:
            raise UsageError(f"--target container:{self.image}: not the name of an image, such as {DEFAULT_IMAGE}")
        self.description = f"container {self.image}"
        self._owner = os.getpid()
        self._password = secrets.token_hex(16)
        self._name = f"refund-harness-{secrets.token_hex(4)}"
        self._client = docker_client()
        atexit.register(self.close)
        try:
            for left in containers(self._client):
                if left.dead:
                    left.remove()
            self._start()
            self.server_version = self._wait_until_it_answers()
        except BaseException:
            self.close()
            raise

    def conninfo(self, dbname: str) -> str:
        # `options` is set so that nobody's PGOPTIONS reaches into a run.
        return make_conninfo(
            "",
            host=self._host,
            port=self._host_port,
            user=_USER,
            password=self._password,
            dbname=dbname,
            options="",
            sslmode="disable",
            gssencmode="disable",
            connect_timeout=30,
        )

    def close(self) -> None:
        if os.getpid() == self._owner:  # and not a forked child, whose end says nothing about ours
            # By its name: a signal may have come between its making and our knowing of it.
            for made in containers(self._client):
                if made.name == self._name:
                    made.remove()
            self._client.client.close()
        atexit.unregister(self.close)

    def _start(self) -> None:
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.exceptions import NoSuchPortExposed

        command = ["postgres"]
        for name, value in container_settings().items():
            command += ["-c", f"{name}={value}"]
        with docker_answering():
            made = DockerContainer(self.image, name=self._name, ports=[_PORT], labels={LABEL: str(Mark.own())})
            with closing(made.get_docker_client().client):
                made.with_envs(POSTGRES_USER=_USER, POSTGRES_PASSWORD=self._password, POSTGRES_DB=_USER)
                # As on the embedded server: an image's own locale would sort differently.
                made.with_env("POSTGRES_INITDB_ARGS", "--encoding=UTF8 --locale=C")
                made.with_command(command).start()
                self._host = made.get_container_host_ip()
                try:
                    self._host_port = made.get_exposed_port(_PORT)
                except NoSuchPortExposed:  # it has ended already, and its log says why
                    self._host_port = 0
            self._container = self._client.client.containers.get(made.get_container_id())

    def _wait_until_it_answers(self) -> str:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with docker_answering():
                self._container.reload()
                ended = self._container.status not in ("created", "running")
                log = self._container.logs(tail=5).decode(errors="replace") if ended else ""
            if ended:
                raise TargetError(
                    f"the server in {self.description} did not start: {one_line(log) or 'its log is empty'}"
                )
            try:
                # An image's own preparation may run a server that only it can reach, and that ends again.
                with connect(self.conninfo(self.maintenance_database), application_name="refund-harness") as conn:
                    return version_of(conn)
            except (TargetError, psycopg.Error) as error:
                refusal = one_line(str(error))
            if time.monotonic() > deadline:
                raise TargetError(f"{self.description} did not answer within {_PATIENCE_S:g} s: {refusal}")
            time.sleep(_PAUSE_S)

"""Workers that are programs: their statements are known only as they send them.

Such a worker's process holds every statement that its program sends until the controller lets it go. What it answers
then says, beside the result, which statement the program sends next, or that it has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.driver.client import Client
from harness.driver.plan import Plan
from harness.driver.recorder import Recorder
from harness.driver.wire import Message
from harness.errors import DriverError, UsageError
from harness.model import EventKind


def begin_programs(plan: Plan, clients: Sequence[Client], recorder: Recorder) -> None:
    """Start the programs of ``plan``, and wait until each is held at its first statement or has ended. Raises
    `DriverError`, `UsageError` where the connection is encrypted."""
    programs = [c for c in clients if c.worker.program]
    for client in programs:
        client.process.dirty = True  # whatever it leaves in its session
        client.process.send({"do": "open", "program": client.worker.program})
    for client in programs:
        client.compose = plan.compose
        said = client.process.receive()
        if said is None:
            raise DriverError(f"worker process {client.process.pid} ({client.name}) died by itself")
        if "trouble" in said:
            raise UsageError(f"{client.name} cannot begin: {said['trouble']}")
        goes_on(client, said)
        if not client.worker.statements:
            client.end()
            note_end(client, said, recorder)


def goes_on(client: Client, said: Message) -> None:
    """Take over which statement the program sends next, if ``said`` tells of one."""
    if "next" in said:
        assert client.compose is not None
        statement = client.compose(client.worker, said["next"])
        client.worker = replace(client.worker, statements=(*client.worker.statements, statement))


def note_end(client: Client, said: Message, recorder: Recorder) -> None:
    """Note how the program has ended, if ``said`` tells that: its answer is what it returned."""
    end = said.get("end")
    if end is None:
        return
    if "raised" in end:
        message = f"raised {end['raised']}" + (f" ({end['where']})" if end.get("where") else "")
        recorder.note(EventKind.END, client.name, sqlstate=end.get("sqlstate"), message=message)
        return
    returned = end["returned"]
    message = "" if returned is None else f"returned {returned}"
    recorder.note(EventKind.END, client.name, rows=[{"returned": returned}], message=message)

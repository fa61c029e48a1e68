"""One connection through the proxy: two directions, each read as frames, and the faults that strike at them."""

from __future__ import annotations

import asyncio

from harness.wire.content import loggable
from harness.wire.faults import BlackHole, Delay, End, Fault, LoseAnswer, Plan
from harness.wire.frames import Frame, Framer, Side, WireError
from harness.wire.log import Entry, What, WireLog
from harness.wire.rounds import Round, Rounds
from harness.wire.stream import Stream


class Connection:
    """``number`` is its name in the log. ``begun``: its session has begun before, and no question is open."""

    def __init__(
        self, number: int, client: Stream, server: Stream, *, plan: Plan, log: WireLog, begun: bool = False
    ) -> None:
        self._number, self._client, self._server = number, client, server
        self._plan, self._log, self._begun = plan, log, begun
        self._rounds = Rounds()
        self._healed = asyncio.Event()
        self._healed.set()
        self._lost = False
        self._how = End.FIN

    async def run(self) -> None:
        """Pass on what comes until one side hangs up, breaks the protocol, or a fault ends it; then close both."""
        both = {asyncio.create_task(self._pump(side)) for side in Side}
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await asyncio.gather(self._server.flush(), self._client.flush())
        finally:
            for task in both:
                task.cancel()
            try:
                await asyncio.gather(*both, return_exceptions=True)  # what they raised is looked at above
            finally:  # the proxy may be closed just now
                self._server.end(self._how)
                self._client.end(self._how)
                self._note(What.ENDED)

    def release(self) -> None:
        """End a black hole, if there is one."""
        if not self._healed.is_set():
            self._note(What.RELEASED)
            self._healed.set()

    async def _pump(self, side: Side) -> None:
        """Carry one direction to its end."""
        source, sink = (self._client, self._server) if side is Side.CLIENT else (self._server, self._client)
        handle = self._from_client if side is Side.CLIENT else self._from_server
        framer = Framer(side, begun=self._begun)
        while data := await source.read():
            try:
                for frame in framer.feed(data):
                    await self._may_pass()
                    if not await handle(frame):
                        return
            except WireError as error:
                await self._may_pass()
                self._note(What.BROKEN, side=side, detail=str(error))
                return
        await self._may_pass()
        await sink.write(framer.held)

    async def _may_pass(self) -> None:
        """Wait while nothing may; for good (`run` ends it) once the connection counts as lost."""
        await self._healed.wait()
        if self._lost:
            await asyncio.Event().wait()

    async def _from_client(self, frame: Frame) -> bool:
        """Whether the connection goes on."""
        sql, of = self._rounds.asked(frame)
        for fault in self._plan.due(frame, [sql] if sql else []):
            if not await self._strike(fault, frame, sql, of):
                return False
        if frame.kind in ("SSLRequest", "GSSENCRequest"):
            self._note(What.REFUSED, frame=frame)
            return await self._client.write(b"N")
        self._note(What.PASSED, frame=frame, detail=loggable(frame, sql))
        return await self._server.write(frame.data)

    async def _from_server(self, frame: Frame) -> bool:
        """Whether the connection goes on."""
        of = self._rounds.answered(frame)
        for fault in self._plan.due(frame, of.sql if of else []):
            if not await self._strike(fault, frame, "", of):
                return False
        # Without a CopyInResponse the client would wait for ever, and the server for its rows.
        if of is None or of.lost is None or frame.kind == "CopyInResponse":
            self._note(What.PASSED, frame=frame, detail=loggable(frame))
            return await self._client.write(frame.data)
        self._note(What.HELD, frame=frame, detail=loggable(frame))
        if frame.kind != "ReadyForQuery":
            return True
        self._lost, self._how = True, of.lost.how
        self._note(What.STRUCK, frame=frame, detail=of.outcome, fault=of.lost)
        return False

    async def _strike(self, fault: Fault, frame: Frame, sql: str, of: Round | None) -> bool:
        """Whether the connection goes on, and with it this message."""
        if isinstance(fault, LoseAnswer):
            assert of is not None  # its trigger is a part of a question, see ASKING
            of.lost = fault  # it has struck when the answer is there
            return True
        self._note(What.STRUCK, frame=frame, detail=loggable(frame, sql), fault=fault)
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
            await self._may_pass()
            return True
        if isinstance(fault, BlackHole):
            self._healed.clear()
            await self._may_pass()
            return True
        self._lost, self._how = True, fault.how
        sink = self._server if frame.side is Side.CLIENT else self._client
        sink.put(frame.data if fault.passed is None else frame.data[: fault.passed])
        return False

    def _note(
        self,
        what: What,
        *,
        frame: Frame | None = None,
        side: Side | None = None,
        detail: str = "",
        fault: Fault | None = None,
    ) -> None:
        self._log.add(
            Entry(
                what=what,
                connection=self._number,
                side=frame.side if frame else side,
                kind=frame.kind if frame else "",
                size=len(frame.data) if frame else 0,
                detail=detail,
                fault=fault,
            )
        )

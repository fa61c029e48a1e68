"""A rule-based machine: sequences of charge, refund, complete and retry by several workers, over users and jobs.

Rules only write down who calls what; the whole sequence is then one execution. Left alone, the calls run one after
the other in the order of the rules; where the schedule, drawn first, says so, a call is interrupted by other workers'.
So a failing sequence is one schedule of one scenario: it has a replay file, and Hypothesis shrinks rules, arguments and
switches together. What the calls must answer, in some order that agrees with time, a plain Python ledger says
(`harness.checks.refund_model`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from harness.draw.calls import Called
from harness.draw.case import Case, Drawn, Numbers, numbers
from harness.draw.faults import NONE, POINTS, Blow, named
from harness.draw.refunds import ROLE, charge, complete, refund, refunds
from harness.draw.running import check
from harness.draw.system import System

Charged = tuple[str, str, int]
"""Job, user, amount."""

JOBS = {"j1": "alice", "j2": "bob", "j3": "alice"}
_WORKERS = st.integers(1, 3)
_AMOUNTS = st.integers(1, 2000)


class RefundMachine(RuleBasedStateMachine):
    """To test functions of one's own, subclass it: ``system`` from `refunds` with ``replaced_by``, on `JOBS`.

    ``faults``: names of faults, or "all": one of them strikes some call of a sequence, whose worker is then followed by
    a retry, which goes on from that call.

    Each job is charged once, as its queue would. Use with ``settings(deadline=None)``: an execution takes milliseconds,
    but the first one starts a server.
    """

    system: ClassVar[System] = refunds(JOBS)
    faults: ClassVar[tuple[str, ...]] = ()
    charged = Bundle("charged")
    refunded = Bundle("refunded")

    def __init__(self) -> None:
        super().__init__()
        self._numbers = Numbers()
        self._calls: list[tuple[str, Called]] = []
        self._uncharged = list(JOBS)
        self._blow = NONE
        self._struck: int | None = None
        """Which of the calls is struck; None: none, or the next one."""

    @initialize(schedule=numbers())
    def start(self, schedule: Numbers) -> None:
        """Who interrupts whom: see `harness.strategies.drawn`."""
        self._numbers = schedule

    @precondition(lambda self: self._uncharged)
    @rule(target=charged, worker=_WORKERS, amount=_AMOUNTS)
    def charge(self, worker: int, amount: int) -> Charged:
        """The next job begins."""
        job = self._uncharged.pop(0)
        self._call(worker, charge(job, JOBS[job], amount))
        return job, JOBS[job], amount

    @rule(target=refunded, worker=_WORKERS, what=charged)
    def refund(self, worker: int, what: Charged) -> Charged:
        """It failed."""
        self._call(worker, refund(*what))
        return what

    @rule(worker=_WORKERS, what=refunded)
    def retry(self, worker: int, what: Charged) -> None:
        """The queue runs the failed job again while its first worker may still live."""
        self._call(worker, refund(*what))

    @rule(worker=_WORKERS, what=charged)
    def complete(self, worker: int, what: Charged) -> None:
        """It was delivered."""
        self._call(worker, complete(what[0], what[1]))

    @rule(worker=_WORKERS, what=charged, user=st.sampled_from(sorted(set(JOBS.values()))), amount=_AMOUNTS)
    def refund_wrongly(self, worker: int, what: Charged, user: str, amount: int) -> None:
        """Somebody asks for another amount, or for another user's money."""
        self._call(worker, refund(what[0], user, amount))

    @precondition(lambda self: self.faults and not self._blow.fault)
    @rule(
        fault=st.runner().flatmap(lambda self: st.sampled_from(named(self.faults))),
        position=st.integers(0, POINTS - 1),
    )
    def strike(self, fault: str, position: int) -> None:
        """The next call is struck, before so many of its points."""
        self._blow = Blow(fault=fault, position=position)

    def teardown(self) -> None:
        """Execute what was written down."""
        if self._calls:
            check(self.case(), name=type(self).__name__)

    def case(self) -> Case:
        """The sequence so far."""
        calls: dict[str, list[Called]] = defaultdict(list)
        place: list[tuple[str, int]] = []
        for worker, called in self._calls:
            place.append((worker, len(calls[worker])))
            calls[worker].append(called)
        blow = NONE
        if self._struck is not None:
            worker, call = place[self._struck]
            blow = replace(self._blow, worker=sorted(calls).index(worker), call=call)
        names = {worker: f"w{n}" for n, worker in enumerate(sorted(calls), 1)}
        case = Case(
            system=self.system,
            workers=tuple(Drawn(calls=tuple(calls[worker]), role=ROLE) for worker in sorted(calls)),
            numbers=self._numbers,
            blow=blow,
        )
        statements = {w.name: w.statements for w in case.written.workers}
        sequence = tuple(f"{names[w]}.{statements[names[w]][i].name}" for w, i in place)
        return replace(case, sequence=sequence)

    def _call(self, worker: int, called: Called) -> None:
        if self._blow.fault and self._struck is None:
            self._struck = len(self._calls)
        self._calls.append((f"w{worker}", called))

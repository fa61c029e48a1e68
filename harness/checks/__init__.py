"""Checks: they see one execution's history and ledger, and judge. One file a kind."""

from harness.checks.answers import expected_answers
from harness.checks.blocking import expected_blocks
from harness.checks.durability import durability
from harness.checks.ending import deadlock, liveness
from harness.checks.invariants import sql_invariants
from harness.checks.model import ledger_model
from harness.checks.progress import append_only, status_forward
from harness.checks.protocol import Context, Probe
from harness.checks.refunds import acknowledged_refunds
from harness.checks.serial import serial_equivalence
from harness.checks.single_call import declared_answer, ledger_unchanged
from harness.model import Case, CheckResult

__all__ = ["Context", "Probe", "judge"]


def judge(context: Context) -> tuple[CheckResult, ...]:
    """All checks on one execution, the plainest words first.

    Where a model has judged every call, serial orders of whole workers are not asked for: it is as strict on answers
    and ledger, keeps to the order in time, and has no objection to workers whose calls come in turns. Of a single call
    there is no other order to compare with: what is declared of it judges it, beside the rules of the ledger.
    """
    if isinstance(context.order, Case):
        return _judge_alone(context, context.order)
    modelled = ledger_model(context)
    return (
        *sql_invariants(context),
        *(d for d in (durability(context),) if d.examined),
        acknowledged_refunds(context),
        append_only(context),
        status_forward(context),
        *modelled,
        *(() if any(r.examined for r in modelled) else serial_equivalence(context)),
        deadlock(context),
        liveness(context),
        expected_blocks(context),
        expected_answers(context),
    )


def _judge_alone(context: Context, case: Case) -> tuple[CheckResult, ...]:
    return (
        declared_answer(context, case),
        ledger_unchanged(context, case),
        *sql_invariants(context),
        acknowledged_refunds(context),
        append_only(context),
        status_forward(context),
        liveness(context),
    )

"""Is it deployed as it should be? Checks of what the catalogs say, as ticks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from harness.audit.catalog import Catalog, Function, Index, Kept
from harness.audit.mapping import MappingSpec, TransactionsSpec
from harness.audit.preflight import split_name
from harness.audited import Checked, Level, Part
from harness.model import Row

_PUBLIC = "PUBLIC"


def deploy_checks(catalog: Catalog, spec: MappingSpec) -> Iterator[Checked]:
    """Every check of the deployment, in the order in which they are told."""
    if spec.functions.refund is not None:
        yield from _refund_function(_named(catalog, spec.functions.refund), spec)
    yield _owners(catalog, spec)
    yield _privileges(catalog)
    yield from _paths(catalog)
    yield _writers(catalog)
    yield from _keys(catalog, spec)
    yield _row_security(catalog)


def _refund_function(found: Sequence[Function], spec: MappingSpec) -> Iterator[Checked]:
    name = spec.functions.refund or ""
    once = len(found) == 1 and found[0].is_function
    yield _tick(
        "refund_function",
        f"{name} exists exactly once, as a function",
        ()
        if once
        else [{"function": f.signature, "found": len(found)} for f in found] or [{"function": name, "found": 0}],
        detail=found[0].signature if once else _how_many(found),
    )
    stale = [f for f in found if not f.volatile]
    yield _tick(
        "refund_volatile",
        f"{name} is VOLATILE: STABLE and IMMUTABLE ones read the snapshot of their caller, from before any lock",
        [{"function": f.signature, "expected": "VOLATILE"} for f in stale],
        examined=len(found),
    )
    if spec.roles.service is not None:
        role = spec.roles.service
        barred = [f for f in found if not f.service_may]
        yield _tick(
            "service_may_refund",
            f"{role} may execute {name}",
            [{"function": f.signature, "role": role, "role_exists": f.service_may is not None} for f in barred],
            examined=len(found),
            level=Level.WARNING,
        )


def _how_many(found: Sequence[Function]) -> str:
    return "missing: the migration is not applied" if not found else f"{len(found)} of that name"


def _owners(catalog: Catalog, spec: MappingSpec) -> Checked:
    return _tick(
        "function_owner",
        "what moves money belongs to nobody who must not: a SECURITY DEFINER function acts as its owner",
        [{"function": f.signature, "owner": f.owner} for f in catalog.functions if f.owner in spec.roles.untrusted],
        examined=len(catalog.functions),
        detail=", ".join(dict.fromkeys(f"owner {f.owner}" for f in catalog.functions)),
    )


def _privileges(catalog: Catalog) -> Checked:
    rows: list[Row] = []
    for f in catalog.functions:
        roles = [*([_PUBLIC] if f.public_may else []), *(role for role in f.may_execute if role != f.owner)]
        if roles:
            rows.append({"function": f.signature, "may_execute": roles, "security_definer": f.definer})
    return _tick(
        "execute_privilege",
        "PUBLIC and untrusted roles may not execute what moves money",
        rows,
        examined=len(catalog.functions),
        unit="function",
    )


def _paths(catalog: Catalog) -> Iterator[Checked]:
    definers = [f for f in catalog.functions if f.definer]
    yield _tick(
        "search_path",
        "SECURITY DEFINER functions fix their search_path, to schemas in which untrusted roles cannot create: else"
        " their caller decides which table or function a name means",
        [
            {"function": f.signature, "search_path": f.path, "may_create_in": f.open_schemas}
            for f in definers
            if f.path is None or f.open_schemas
        ],
        examined=len(definers),
    )
    yield _tick(
        "search_path_temp",
        "their search_path ends with pg_temp: where it is not named, temporary tables are found before all others",
        [{"function": f.signature, "search_path": f.path} for f in definers if f.path and not _temp_last(f.path)],
        examined=len(definers),
        level=Level.WARNING,
    )


def _temp_last(path: Sequence[str]) -> bool:
    """An empty path (written ``""``) is as good: then every name must be qualified."""
    return [schema.strip('"') for schema in path][-1] in ("pg_temp", "")


def _writers(catalog: Catalog) -> Checked:
    kept = (catalog.jobs, catalog.entries, catalog.balances)
    open_ = [k for k in kept if k.writers and not k.row_security]
    return _tick(
        "table_privilege",
        "PUBLIC and untrusted roles may not write to the ledger's tables",
        [{"table": k.name, "may_write": k.writers, "row_security": k.row_security} for k in open_],
        examined=len(kept),
        unit="table",
    )


def _keys(catalog: Catalog, spec: MappingSpec) -> Iterator[Checked]:
    for check, kept, column, why in (
        ("job_key", catalog.jobs, spec.jobs.id, "a lock on the job is a lock on one row"),
        ("balance_key", catalog.balances, spec.balances.user, "a user has one balance"),
    ):
        keys = [i.name for i in kept.unique if not i.predicate and i.keys == [kept.written[column]]]
        yield _advice(check, f"{kept.name}.{column} is unique: {why}", kept, keys)
    keys = [
        i.name for i in catalog.entries.unique if _bars_second_refund(i, spec.transactions, catalog.entries.written)
    ]
    title = "a unique index makes a second refund of a job impossible, whatever the code does"
    yield _advice("refund_key", title, catalog.entries, keys)
    column = spec.balances.balance
    at_least = re.compile(rf"(?<![\w$\"]){re.escape(catalog.balances.written[column])}\)? >=? \(?'?[0-9]")
    floor = [c for c in catalog.balances.conditions if at_least.search(c)]
    yield _advice("balance_floor", f"a CHECK keeps {column} from falling below zero", catalog.balances, floor)


def _bars_second_refund(index: Index, spec: TransactionsSpec, written: Mapping[str, str]) -> bool:
    """Whether two refunds of one job cannot both be in ``index``: it is unique over the job id, alone or with the type,
    and holds all rows or at least all refunds."""
    keys = {_bare(key) for key in index.keys}
    job = written[spec.job.column]
    path = [part.replace("'", "''") for part in spec.job.path]
    if len(path) == 1:
        job += f"->>'{path[0]}'"
    elif path:
        job += "#>>'{" + ",".join(path) + "}'[]"
    job = _bare(job)
    if job not in keys or not keys <= {job, _bare(written[spec.type])}:
        return False
    if not index.predicate:
        return True
    narrowed = re.search(r"\bAND\b", re.sub(r"IS NOT NULL AND|AND .{0,80}? IS NOT NULL", "", index.predicate))
    return not narrowed and all(f"'{value}'" in index.predicate for value in spec.refund)


def _row_security(catalog: Catalog) -> Checked:
    kept = [k for k in (catalog.jobs, catalog.entries, catalog.balances) if k.is_table]
    return _tick(
        "row_security",
        "row security is on for the ledger's tables, so that a GRANT given by mistake shows nobody's rows",
        [{"table": k.name, "owner": k.owner} for k in kept if not k.row_security],
        examined=len(kept),
        unit="table",
        level=Level.WARNING,
    )


def _named(catalog: Catalog, name: str) -> list[Function]:
    """Without a schema, of that name anywhere."""
    schema, bare = split_name(name)
    return [f for f in catalog.functions if f.name == bare and (f.schema == schema or "." not in name)]


def _advice(check: str, title: str, kept: Kept, seen: Sequence[str]) -> Checked:
    return _tick(
        check, title, () if seen else [{"table": kept.name}], level=Level.WARNING, detail=", ".join(seen), unit="table"
    )


def _tick(
    check: str, title: str, rows: Sequence[Row], *, examined: int = 1, unit: str = "function",
    level: Level = Level.FINDING, detail: str = "",
) -> Checked:  # fmt: skip
    return Checked(
        check=check, part=Part.DEPLOY, title=title, level=level, examined=examined, unit=unit, total=len(rows),
        rows=tuple(rows), detail=detail,
    )  # fmt: skip


def _bare(expression: str) -> str:
    """Without blanks, outer parentheses and casts, which differ between versions."""
    text = re.sub(r"::[a-z ]+(\(\d+\))?", "", expression)
    return re.sub(r"[\s()]", "", text)

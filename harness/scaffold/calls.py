"""From values to a call: settings that the function asks for, then its arguments."""

from __future__ import annotations

from harness.scaffold.bench import Call
from harness.scaffold.schema import Parameter, Type
from harness.scaffold.subject import Subject
from harness.sqltext import literal, quoted

CLAIMS = "request.jwt.claims"
"""Where an API's server says who asks."""
_NARROW = frozenset({"int2", "money"})
"""Types that a whole number is not taken for of itself."""
Slot = tuple[str, Parameter]
"""Where a candidate goes: ``""`` an argument, else the setting of this name."""


def slots(subject: Subject) -> list[Slot]:
    """What is to be filled for a call: settings, then arguments."""
    uuid = Type(name="uuid", base="uuid")
    found: list[Slot] = []
    if subject.asks_who:
        found.append((CLAIMS, Parameter(name="user_id", type=uuid, optional=False)))
    for setting in subject.settings:
        text = Type(name="text", base="text")
        found.append((setting, Parameter(name=setting.rsplit(".", 1)[-1], type=text, optional=False)))
    return found + [("", p) for p in subject.parameters]


def render(subject: Subject, given: list[str | None]) -> Call:
    """The call with one value per slot."""
    before: list[str] = []
    arguments: list[str] = []
    left_out, local = False, str(not subject.commits).lower()
    if subject.path:
        before.append(f"SELECT set_config('search_path', {literal(subject.path)}, {local})")
    for (setting, parameter), value in zip(slots(subject), given, strict=True):
        if setting == CLAIMS:
            claims = f"json_build_object('sub', {value}, 'role', '{_role(subject)}')"
            before.append(f"SELECT set_config('{CLAIMS}', {claims}::text, {local})")
        elif setting:
            before.append(f"SELECT set_config({literal(setting)}, {value}, {local})")
        elif value is None:
            left_out = True
        else:
            value = _typed(value, parameter.type) if subject.inserts is None else value
            named = f"{quoted(parameter.name)} => " if left_out and parameter.name else ""
            arguments.append(f"{'VARIADIC ' if parameter.variadic else ''}{named}{value}")
    if subject.inserts is not None:
        written = {c.name: c.written for c in subject.inserts.columns}
        names = ", ".join(written[p.name] for p in subject.parameters)
        values = f"({names}) VALUES ({', '.join(arguments)})" if names else "DEFAULT VALUES"
        return Call(sql=f"INSERT INTO {subject.inserts.key} {values}", before=tuple(before))
    assert subject.function is not None
    for place in subject.function.holes:
        arguments.insert(place, "NULL")
    verb = "CALL" if subject.function.procedure else "SELECT"
    sql = f"{verb} {subject.function.called}({', '.join(arguments)})"
    return Call(sql=sql, before=tuple(before), apart=subject.commits)


def _typed(value: str, kind: Type) -> str:
    """A number as a call must write it to be understood as of this type."""
    return f"{value}::{kind.name}" if kind.base in _NARROW and value.lstrip("-").isdecimal() else value


def _role(subject: Subject) -> str:
    """Who asks: a function that names the API's own role waits for that."""
    asks = any("auth.role" in u.called for u in subject.texts)
    named = any("service_role" in texts for u in subject.texts for texts in u.literals.values())
    return "service_role" if asks and named else "authenticated"

"""Malformed scenario files, with the place and the words by which each is refused."""

from __future__ import annotations

GOOD = """\
version: 1
name: good
setup:
  - charge: {user: alice, job: j1, opening: 5000, amount: 1000}
workers:
  one:
    role: service_role
    transaction:
      - refund: {job: j1, user: alice, amount: 1000}
  two:
    statements:
      - SELECT balance FROM user_balances WHERE user_id = :'alice'
orders:
  - [one.begin, one.refund, one.commit, two.select]
expect:
  one: {success: true}
invariants: [ledger]
"""


def change(old: str, new: str) -> str:
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


ORDER = "[one.begin, one.refund, one.commit, two.select]"
SELECT = "SELECT balance FROM user_balances WHERE user_id = :'alice'"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

# ruff: noqa: E501
# name: (text or bytes, line, column, part of the message)
CASES: dict[str, tuple[str | bytes, int, int, str]] = {
    "empty file": ("", 1, 1, "empty"),
    "only comments": ("# nothing\n# here\n", 1, 1, "empty"),
    "a list": ("- 1\n- 2\n", 1, 1, "a scenario is a mapping"),
    "a scalar": ("hello\n", 1, 1, "a scenario is a mapping"),
    "not UTF-8": (b"version: 1\nname: caf\xe9\n", 2, 10, "not UTF-8: byte 0xe9"),
    "UTF-16": ("version: 1\n".encode("utf-16"), 1, 1, "not UTF-8"),
    "NUL byte": (b"version: 1\nname: a\x00b\n", 2, 8, "not YAML: character #x0000 is not allowed"),
    "larger than any scenario": ("#" * 300_000, 1, 1, "larger than 256 KiB"),
    "a bomb of aliases": (BOMB, 1, 4, "once aliases are expanded"),
    "a Python tag": (change("name: good", "name: !!python/object/apply:os.system [id]"), 2, 7, "is not allowed"),
    "a local tag": (change("name: good", "name: !secret x"), 2, 7, "tag !secret is not allowed"),
    "a binary": (change("name: good", "name: !!binary aGk="), 2, 7, "is not allowed"),
    "5,000 brackets": ("[" * 5000, 1, 42, "nested deeper than 40"),
    "nested 60 deep": ("a: " + "[" * 60 + "]" * 60 + "\n", 1, 44, "nested deeper than 40"),
    "an open bracket": ("version: 1\nname: [\n", 3, 1, "not YAML"),
    "a tab": ("version: 1\nworkers:\n\tone: {}\n", 3, 1, "not YAML"),
    "two documents": (GOOD + "---\nversion: 1\n", 18, 1, "a second document: a scenario file holds one"),
    "a key twice": (change("name: good", "name: good\nname: again"), 3, 1, "stands here twice"),
    "an unknown alias": (change("name: good", "name: *nobody"), 2, 7, "not YAML"),
    "a key that is a list": (change("name: good", "? [a]\n: b\nname: good"), 2, 3, "a key must be a plain word"),
    "no version": (change("version: 1\n", ""), 1, 1, "missing key 'version'"),
    "version 2": (change("version: 1", "version: 2"), 1, 1, "'version' must be 1, found 2"),
    "version as text": (change("version: 1", "version: '1'"), 1, 1, "'version' must be 1"),
    "no name": (change("name: good\n", ""), 1, 1, "missing key 'name'"),
    "a name with a space": (change("name: good", "name: very good"), 2, 1, "is not a name"),
    "a name that is a number": (change("name: good", "name: 7"), 2, 1, "'name' must be text, found 7"),
    "no workers": ("version: 1\nname: x\n", 1, 1, "missing key 'workers'"),
    "workers empty": ("version: 1\nname: x\nworkers: {}\n", 3, 1, "'workers' must not be empty"),
    "workers as a list": ("version: 1\nname: x\nworkers: [a]\n", 3, 1, "'workers' must be a mapping"),
    "an unknown key": (change("setup:", "setpu:"), 3, 1, "unknown key 'setpu'; did you mean 'setup'?"),
    "an unknown key of a worker": (change("role:", "rolle:"), 7, 5, "unknown key 'rolle'; did you mean 'role'?"),
    "an unknown key of a call": (change("amount: 1000}\n  two", "amonut: 1000}\n  two"), 9, 40, "did you mean 'amount'?"),
    "an amount as text": (change("opening: 5000", "opening: lots"), 4, 36, "'opening' must be"),
    "neither statements nor transaction": (change("    transaction:\n      - refund: {job: j1, user: alice, amount: 1000}\n", ""), 6, 3, "exactly one of statements, transaction"),
    "both statements and transaction": (change("    transaction:", "    statements: [SELECT 1]\n    transaction:"), 6, 3, "exactly one of statements, transaction"),
    "no statements": (change("statements:\n      - " + SELECT, "statements: []"), 11, 5, "'statements' must"),
    "a statement of two kinds": (change("- refund: {", "- sql: SELECT 1\n        refund: {"), 9, 9, "exactly one of"),
    "isolation without a transaction": (change("    statements:", "    isolation: serializable\n    statements:"), 10, 3, "isolation needs `transaction`"),
    "an unknown isolation": (change("    transaction:", "    isolation: dirty\n    transaction:"), 8, 5, "'isolation' must be"),
    "a role that is no identifier": (change("service_role", "'a; DROP'"), 7, 5, "is not a role name"),
    "bad SQL": (change(SELECT, "SELEC 1"), 12, 9, 'bad SQL: syntax error at or near "SELEC"'),
    "bad SQL further right": (change(SELECT, "SELECT 1 FROM WHERE x"), 12, 23, "bad SQL"),
    "bad SQL after letters of two bytes": (change(SELECT, "SELECT 'ґґґ' FROM WHERE"), 12, 27, "bad SQL"),
    "bad SQL in the third line of a block": (change(SELECT, "|\n        SELECT 1,\n          2\n        FROM WHERE"), 15, 14, "bad SQL"),
    "bad SQL in the set-up": (change("- charge:", "- SELEKT 1\n  - charge:"), 4, 5, "bad SQL"),
    "two commands": (change(SELECT, "SELECT 1; SELECT 2"), 12, 19, "a statement is one SQL command, found 2"),
    "no command": (change(SELECT, "'-- nothing'"), 12, 9, "a statement is one SQL command, found none"),
    "an open quote": (change(SELECT, "SELECT 'a"), 12, 16, "bad SQL"),
    "an unknown variable": (change(":'alice'", ":'alic'"), 12, 59, "unknown variable :'alic'; did you mean 'alice'?"),
    "a name for two things": (change("job: j1, opening", "job: alice, opening"), 4, 27, "'alice' names both a user and a job"),
    "a file that is not there": (change("setup:", "install: [nope.sql]\nsetup:"), 3, 11, "no file 'nope.sql'"),
    "a step that is none": (change(ORDER, "[one]"), 14, 6, "a step is written worker.step"),
    "an order that names no worker": (change("one.begin", "nobody.begin"), 14, 6, "unknown worker 'nobody'"),
    "a misspelt worker": (change("one.begin", "onne.begin"), 14, 6, "did you mean 'one'?"),
    "a misspelt step": (change("one.begin", "one.begn"), 14, 6, "one has no step 'begn'; did you mean 'begin'?"),
    "steps out of order": (change("one.begin, one.refund", "one.refund, one.begin"), 14, 6, "out of order: next comes one.begin"),
    "a step too many": (change("two.select]", "two.select, two.select]"), 14, 53, "nothing more of two"),
    "a blocked worker asked to act": (change(ORDER, "[one.begin, one.refund: blocked, one.commit, two.select]"), 14, 38, "one is still blocked since step 2"),
    "a cycle of waits": (change(ORDER, "[one.begin, two.select: blocked, one.refund: blocked]"), 14, 38, "a cycle of waits: one, two wait"),
    "a step after the kill": (change(ORDER, "[one.begin, one.kill, one.refund]"), 14, 27, "one is dead since an earlier step"),
    "a fault that blocks": (change(ORDER, "[one.begin, one.kill: blocked]"), 14, 17, "is a fault: it cannot be blocked"),
    "an unknown mark": (change(ORDER, "[one.begin: blokced]"), 14, 6, "must be 'blocked', 'killed', "),
    "an unknown strategy": (change("- " + ORDER, "- {strategy: random}"), 14, 6, "'draw' or 'free_running'"),
    "an order with a limit": (change("- " + ORDER, "- {order: [one.begin], schedules: 5}"), 14, 5, "`schedules` limits a strategy"),
    "no schedules": (change("- " + ORDER, "- {strategy: exhaustive, schedules: 0}"), 14, 28, "greater than or equal to 1"),
    "an answer of nobody": (change("  one: {success", "  onee: {success"), 16, 3, "unknown worker 'onee'; did you mean 'one'?"),
    "an answer that is a word": (change("one: {success: true}", "one: success"), 16, 3, "an expected answer is a mapping"),
    "an unknown check": (change("one: {success: true}", "violation: dedlock"), 16, 3, "unknown check 'dedlock'; did you mean 'deadlock'?"),
    "an unknown invariant": (change("[ledger]", "[legder]"), 17, 14, "unknown invariant 'legder'; did you mean 'ledger'?"),
    "a step named like a fault": (change("- " + SELECT, "- {sql: SELECT 1, name: kill}"), 12, 25, "is a fault's name"),
    "version as a fraction": (change("version: 1", "version: 1.0"), 1, 1, "'version' must be 1, found 1.0"),
    "version as a truth": (change("version: 1", "version: true"), 1, 1, "'version' must be 1, found true"),
    "about as a list": (change("setup:", "about: [a]\nsetup:"), 3, 1, "'about' must be text, found ['a']"),
    "install as text": (change("setup:", "install: migrations\nsetup:"), 3, 1, "'install' must be a list, found 'migrations'"),
    "install empty": (change("setup:", "install: []\nsetup:"), 3, 1, "'install' must not be empty"),
    "an empty install entry": (change("setup:", "install: ['']\nsetup:"), 3, 11, "no file ''"),
    "set-up as a mapping": (change("setup:\n  - charge", "setup:\n  charge"), 3, 1, "'setup' must be a list"),
    "set-up of a number": (change("setup:", "setup:\n  - 5"), 4, 5, "entry 1 of 'setup' must be a mapping, found 5"),
    "set-up of nothing": (change("setup:", "setup:\n  - -- nothing"), 4, 5, "no SQL command here"),
    "workers as nothing": ("version: 1\nname: x\nworkers:\n", 3, 1, "'workers' must be a mapping, found nothing"),
    "nine workers": ("version: 1\nname: x\nworkers:\n" + "".join(f"  w{i}: {{statements: [SELECT 1]}}\n" for i in range(9)), 3, 1, "at most 8 entries, found 9"),
    "a worker of nothing": (change("  two:", "  three:\n  two:"), 10, 3, "'three' must be a mapping, found nothing"),
    "a worker named all": (change("  two:", "  all:"), 10, 3, "'all' cannot name a worker"),
    "a worker with a space": (change("  two:", "  t wo:"), 10, 3, "'t wo' is not a name"),
    "orders as text": (change("orders:\n  - " + ORDER, "orders: all"), 13, 1, "'orders' must be a list, found 'all'"),
    "orders empty": (change("orders:\n  - " + ORDER, "orders: []"), 13, 1, "'orders' must not be empty"),
    "an empty order": (change(ORDER, "[]"), 14, 5, "'order' must not be empty"),
    "order and strategy": (change("- " + ORDER, "- {order: [one.begin], strategy: exhaustive}"), 14, 5, "exactly one of order, strategy (found order and strategy)"),
    "neither order nor strategy": (change("- " + ORDER, "- {name: x}"), 14, 5, "exactly one of order, strategy (found none)"),
    "answers of a strategy": (change("- " + ORDER, "- {strategy: exhaustive, expect: {one: {success: true}}}"), 14, 5, "`expect` belongs to an order"),
    "an unknown key of an order": (change("- " + ORDER, "- {order: [one.begin], expct: {}}"), 14, 26, "unknown key 'expct'; did you mean 'expect'?"),
    "an unknown key of the set-up": (change("- charge:", "- chrage:"), 4, 5, "unknown key 'chrage'; did you mean 'charge'?"),
    "an unknown key of a statement": (change("- refund:", "- refnud:"), 9, 9, "unknown key 'refnud'; did you mean 'refund'?"),
    "a key unlike any": (change("setup:", "zzz:"), 3, 1, "unknown key 'zzz'; known: version, name"),
    "a mark of nothing": (change(ORDER, "[one.begin: ]"), 14, 6, "must be 'blocked', 'killed', 'lost_request', 'torn_request', 'lost_ack' or 'black_hole', found nothing"),
    "a step of two": (change(ORDER, "[{one.begin: blocked, one.refund: blocked}]"), 14, 6, "a step is `worker.step`, or `worker.step: blocked`"),
    "a step of a number": (change(ORDER, "[7]"), 14, 6, "a step is `worker.step`"),
    "a fault of nobody": (change(ORDER, "[onne.kill]"), 14, 6, "unknown worker 'onne'; did you mean 'one'?"),
    "a step after its answer was lost": (change(ORDER, "[one.begin, one.refund: killed, one.commit]"), 14, 37, "one is dead since an earlier step"),
    "expect as a list": (change("expect:\n  one: {success: true}", "expect: [1]"), 15, 1, "'expect' must be a mapping, found [1]"),
    "a violation that is a number": (change("one: {success: true}", "violation: 5"), 16, 3, "`violation` names a check, or a list of checks"),
    "an unknown check in a list": (change("one: {success: true}", "violation: [deadlock, livenes]"), 16, 25, "unknown check 'livenes'; did you mean 'liveness'?"),
    "an answer of nobody in an order": (change("- " + ORDER, "- {order: [one.begin], expect: {won: {}}}"), 14, 35, "unknown worker 'won'; did you mean 'two'?"),
    "invariants as text": (change("[ledger]", "ledger"), 17, 1, "'invariants' must be a list"),
    "an unknown invariant further on": (change("[ledger]", "[ledger, balnce]"), 17, 22, "unknown invariant 'balnce'"),
    "users as a mapping": (change("setup:", "users: {a: 1}\nsetup:"), 3, 1, "'users' must be a list"),
    "a user of a number": (change("setup:", "users: [bob, 7]\nsetup:"), 3, 14, "entry 2 of 'users' must be text, found 7"),
    "jobs as text": (change("setup:", "jobs: j1\nsetup:"), 3, 1, "'jobs' must be a list"),
    "a job named like a user": (change("setup:", "jobs: [alice]\nsetup:"), 5, 14, "'alice' names both a user and a job"),
    "a user named run": (change("setup:", "users: [run]\nsetup:"), 3, 9, "'run' cannot name a user or a job"),
    "a job named users": (change("job: j1, opening", "job: users, opening"), 4, 27, "'users' cannot name a user or a job"),
    "a name too long": (change("name: good", "name: " + "a" * 61), 2, 1, "'name' must have at most 60 characters, found 61"),
    "a name with a line break": (change("name: good", 'name: "go\\nod"'), 2, 1, "'go\\nod' is not a name"),
    "a number beyond all": (change("amount: 1000}\n  two", "amount: " + "9" * 5000 + "}\n  two"), 9, 48, "is not a valid int"),
    "an amount with a fraction": (change("amount: 1000}\n  two", "amount: 9.5}\n  two"), 9, 40, "'amount' must be a whole number, found 9.5"),
    "a truth in words": (change("    role:", "    keep_going: yes\n    role:"), 7, 5, "'keep_going' must be true or false, found 'yes'"),
    "an unknown variable in the set-up": (change("- charge:", "- SELECT 'є', :'alise'\n  - charge:"), 4, 17, "unknown variable :'alise'; did you mean 'alice'?"),
    "a statement of nothing": (change("- " + SELECT, "-"), 12, 8, "entry 1 of 'statements' must be a mapping, found nothing"),
    "two-phase commit": (change(SELECT, "PREPARE TRANSACTION 'x'"), 12, 9, "two-phase commit is not supported"),
    "COPY of the client": (change(SELECT, "COPY user_balances FROM STDIN"), 12, 9, "COPY from or to the client is not supported"),
    "an applied file that is not there": (change("- " + SELECT, "- apply: nope.sql"), 12, 9, "no file 'nope.sql'"),
    "a path no file can have": (change("setup:", "install: [" + "a" * 5000 + "]\nsetup:"), 3, 11, "no file 'aaa"),
    "an invariant no file can be": (change("[ledger]", "[" + "a" * 5000 + "]"), 17, 14, "unknown invariant 'aaa"),
    "a control character": (GOOD + "about: a\x1b[31mb\n", 18, 9, "not YAML: character #x001b is not allowed"),
    "a control character in a key": (GOOD + '"a\\e[31mbout": x\n', 18, 1, r"unknown key 'a\x1b[31mbout'"),
    "a key with a line break": (GOOD + '"ab\\nout": x\n', 18, 1, "unknown key 'ab out'; did you mean 'about'?"),
    "a key without end": (GOOD + "x" * 900 + ": y\n", 18, 1, "unknown key 'xxx"),
    "a key that turns the text round": (GOOD + '"ab\\u202eout": x\n', 18, 1, r"unknown key 'ab\u202eout'"),
    "a tag with a control character": (change("name: good", "name: !<%1b[31m> x"), 2, 7, r"tag \x1b[31m is not allowed"),
    "a tagged key": (change("name: good", "!!python/name:os.system name: good"), 2, 1, "is not allowed"),
    "a set": (change("name: good", "name: !!set {a}"), 2, 7, "tag !!set is not allowed"),
    "a merge": (change("  two:", "  two:\n    <<: *one").replace("  one:\n", "  one: &one\n", 1), 11, 5, "tag !!merge is not allowed"),
    "half a surrogate pair": (change("name: good", 'name: good\nabout: "\\ud800"'), 3, 8, r"character \ud800 is not allowed in text"),
    "half a surrogate pair as a key": (GOOD + '"\\udfff": x\n', 18, 1, r"character \udfff is not allowed in text"),
    "NUL spelt out in SQL": (change(SELECT, '"SELECT 1\\0 FROM nobody knows"'), 12, 9, r"character \u0000 is not allowed in text"),
    "a mapping within itself": (change("name: good", "name: &a [*a]"), 2, 7, "nested deeper than 40"),
    "600 levels of indentation": ("".join(" " * i + "a:\n" for i in range(600)), 41, 41, "nested deeper than 40"),
    "3,000 dashes": ("- " * 3000 + "x\n", 1, 83, "nested deeper than 40"),
    "old YAML": ("%YAML 1.1\n---\n" + GOOD, 1, 1, "a scenario file is YAML 1.2"),
    "another project's YAML": ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", 1, 1, "unknown key 'apiVersion'"),
    "a long line": ("{version: 1, name: x, about: " + "x" * 200_000 + ", zz: 1, workers: {}}\n", 1, 200_032, "unknown key 'zz'"),
    "an open quote of YAML": (GOOD + 'about: "abc\n', 19, 1, "not YAML: found unexpected end of stream"),
    "lines of Windows": ((GOOD + "zz: 1\n").replace("\n", "\r\n"), 18, 1, "unknown key 'zz'"),
    "lines of old": ((GOOD + "zz: 1\n").replace("\n", "\r"), 18, 1, "unknown key 'zz'"),
    "a BOM before a mistake": (b"\xef\xbb\xbf" + change("version: 1", "version: 2").encode(), 1, 1, "'version' must be 1, found 2"),
    "a BOM before what is not UTF-8": (b"\xef\xbb\xbfname: caf\xe9\n", 1, 10, "not UTF-8: byte 0xe9"),
}  # fmt: skip

"""A server that speaks nothing but TLS: what libpq is told of certificates reaches it, from wherever it is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from servers import within

from harness.cli.entry import run_command
from harness.targets.account import server_account
from harness.targets.embedded import EmbeddedTarget

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None or sys.platform != "linux",
    reason="needs the program openssl, and loopback addresses beside 127.0.0.1",
)
ADDRESS = f"127.{os.getpid() >> 16 & 63 | 64}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""Of this process alone: the port is the usual one, which somebody else may have taken at another address."""
RULES = (
    "local all postgres trust\nhostssl all keyed all cert\nhostssl all all all trust\nhostnossl all all all reject\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """Their server by way of TCP. ``root``: the certificate that signed its own; ``other``: one that did not;
    ``client``: a certificate of the role ``keyed``, its key beside it."""

    root: Path
    other: Path
    client: Path

    def dsn(self, role: str = "plain", host: str = "localhost", **options: object) -> str:
        given = {"host": host, "hostaddr": ADDRESS, "user": role, "dbname": "postgres", **options}
        return " ".join(f"{name}={value}" for name, value in given.items())


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _request(folder: Path, name: str, *kind: object) -> Path:
    """A file with what ``req`` makes for ``name``, its key beside it."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    _openssl("req", *kind, "-newkey", "ed25519", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", made)
    return made


def _signed(folder: Path, name: str, root: Path) -> Path:
    made, names = _request(folder, name, "-new"), folder / f"{name}.names"
    names.write_text(f"subjectAltName = DNS:{name}\n")
    by = ("-CA", root, "-CAkey", root.with_suffix(".key"), "-CAcreateserial")
    _openssl("x509", "-req", "-in", made, *by, "-extfile", names, "-out", made)
    return made


@pytest.fixture(scope="module")
def theirs(place: Path, programs: dict[int, Path]) -> Iterator[Theirs]:
    folder = place / "tls"
    folder.mkdir()
    root, other = _request(folder, "root", "-x509"), _request(folder, "other", "-x509")
    client, server = _signed(folder, "keyed", root), _signed(folder, "localhost", root)
    server_account().give(server.with_suffix(".key"))
    for key in (client, server):
        key.with_suffix(".key").chmod(0o600)  # else neither libpq nor the server takes it
    settings = {
        "listen_addresses": ADDRESS, "ssl": "on", "ssl_cert_file": str(server), "ssl_ca_file": str(root),
        "ssl_key_file": str(server.with_suffix(".key")),
    }  # fmt: skip
    with EmbeddedTarget(pg_bin=programs[max(programs)], settings=settings) as started:
        with psycopg.connect(started.conninfo("postgres"), autocommit=True) as conn:
            conn.execute("CREATE ROLE plain LOGIN CREATEDB")
            conn.execute("CREATE ROLE keyed LOGIN CREATEDB")
            (started.data_directory / "pg_hba.conf").write_text(RULES)
            conn.execute("SELECT pg_reload_conf()")
        found = Theirs(root=root, other=other, client=client)
        assert within(30, lambda: _spoken_to(found))
        yield found


def _spoken_to(theirs: Theirs) -> bool:
    """Whether the rules are in force: the first that speaks TLS, and only that, is let in."""
    try:
        psycopg.connect(theirs.dsn(sslmode="disable")).close()
    except psycopg.OperationalError:
        with psycopg.connect(theirs.dsn(sslmode="require")) as conn:
            [(encrypted,)] = conn.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchall()
        return bool(encrypted)
    return False


Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """``check(dsn, **environment)``: exit code and standard error of a check that finds nothing."""
    file = tmp_path / "count.sql"
    file.write_text("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0);")
    what = ["--sql", file, "--call", "UPDATE counter SET n = n + 1", "--workers", "2", "--schedules", "20"]

    def run(where: str, **environment: str) -> tuple[int, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = run_command(["check", *map(str, what), "--target", where, "--out", str(tmp_path / "reports")])
        return code, capsys.readouterr().err

    return run


def _is_refused(done: tuple[int, str], why: str) -> None:
    code, said = done
    assert (code, said.count("\n")) == (4, 1)
    assert said.startswith("harness: cannot connect: ")
    assert why in said


def test_the_right_root_lets_a_run_go_through(theirs: Theirs, check: Check) -> None:
    assert check(theirs.dsn(sslmode="verify-full", sslrootcert=theirs.root)) == (0, "")


def test_a_service_file_and_variables_say_as_much(theirs: Theirs, check: Check, tmp_path: Path) -> None:
    services = tmp_path / "services.conf"
    services.write_text("\n".join(["[shop]", *theirs.dsn(sslmode="verify-full").split()]))
    assert check("service=shop", PGSERVICEFILE=str(services), PGSSLROOTCERT=str(theirs.root)) == (0, "")
    _is_refused(check("service=shop", PGSSLROOTCERT=str(theirs.other)), "certificate verify failed")
    _is_refused(check("service=shop", PGSERVICEFILE=str(tmp_path / "none")), 'service file "')


def test_a_client_s_certificate_is_shown(theirs: Theirs, check: Check) -> None:
    trusted = {"sslmode": "verify-full", "sslrootcert": theirs.root}
    shown = {"sslcert": theirs.client, "sslkey": theirs.client.with_suffix(".key")}
    assert check(theirs.dsn("keyed", **trusted, **shown)) == (0, "")
    _is_refused(check(theirs.dsn("keyed", **trusted)), "certificate")


@pytest.mark.parametrize(
    ("host", "root", "mode", "why"),
    [
        ("localhost", "other", "verify-full", "certificate verify failed"),
        ("elsewhere", "root", "verify-full", "does not match host name"),
        ("localhost", "none", "verify-full", 'root certificate file "'),
        ("localhost", "root", "disable", "pg_hba.conf rejects connection"),
    ],
)
def test_what_does_not_agree_is_one_line_and_exit_code_4(
    theirs: Theirs, check: Check, tmp_path: Path, host: str, root: str, mode: str, why: str
) -> None:
    certificate = theirs.root.with_name(f"{root}.pem")
    _is_refused(check(theirs.dsn(host=host, sslmode=mode, sslrootcert=certificate)), why)
    assert not list((tmp_path / "reports").glob("*/*"))

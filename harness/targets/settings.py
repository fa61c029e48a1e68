"""The settings of a throw-away server: fast, quiet, and the same in every run."""

from __future__ import annotations

from collections.abc import Mapping

_EVERYWHERE = {
    # The data is worthless once the run has ended.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_replication_slots": "0",
    "min_wal_size": "16MB",
    "max_wal_size": "64MB",
    # Nothing may act by itself in the middle of an execution.
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "bgwriter_lru_maxpages": "0",
    "bgwriter_delay": "10s",
    "max_logical_replication_workers": "0",
    "max_worker_processes": "1",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # `auto` changes from custom to generic plans in a session's sixth execution of a statement, so that plans would
    # depend on how long a session has lived. A generic plan depends on when it was made, too (the table's size then),
    # and takes other locks in its first execution than later. A custom plan depends on the state only.
    "plan_cache_mode": "force_custom_plan",
    # The waiter that closes a cycle is then always the victim.
    "deadlock_timeout": "1ms",
    "max_prepared_transactions": "0",
    "max_connections": "50",
    "shared_buffers": "32MB",
    "huge_pages": "off",
    # In the data directory, hence swept with it; posix segments would survive a SIGKILL in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "ISO, MDY",
    "lc_messages": "C",
    "default_text_search_config": "pg_catalog.simple",
    "track_activities": "on",
    "update_process_title": "off",
    # Why it would not start or why it fell, but no ERROR: a campaign causes thousands of those on purpose.
    "logging_collector": "off",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}

DURABLE = {
    # As in production: what was acknowledged is on the disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "restart_after_crash": "on",
    # By default what was acknowledged without waiting for the disk is there a fifth of a second later. The longest
    # delay makes it certain that a crash at once loses it.
    "wal_writer_delay": "10s",
}
"""What a server overrides that is to survive a crash."""

# What has to do with a folder of ours: its socket, and the small segments of the log in it.
_NOT_IN_CONTAINERS = ("listen_addresses", "unix_socket_permissions", "min_wal_size", "max_wal_size")

_SINCE = {
    # Without worker processes for I/O.
    18: {"io_method": "sync"},
}


def server_settings(major: int, *, socket_folder: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """All settings for a server of version ``major``; ``overrides`` win."""
    chosen = dict(_EVERYWHERE)
    for since, settings in _SINCE.items():
        if major >= since:
            chosen |= settings
    return chosen | {"unix_socket_directories": socket_folder} | dict(overrides)


def container_settings() -> dict[str, str]:
    """All settings for a server in a container of ours, whatever its version."""
    ours = {name: value for name, value in _EVERYWHERE.items() if name not in _NOT_IN_CONTAINERS}
    return ours | {"max_connections": "200"}  # a server in a container is asked for before the workers are counted


def as_file(settings: Mapping[str, str]) -> str:
    """The text of a postgresql.conf."""
    lines = []
    for name, value in settings.items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    return "".join(lines)

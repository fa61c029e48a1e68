"""Specs of PostgreSQL's isolationtester, run as it runs them and printed as it prints them.

A file is read (`tokens`, `parse`), its permutations are carried out on a server (`sessions`, `waits`, `run`), and what
they print is compared with what is expected (`expected`).
"""

"""Proposes scenarios for a person's functions: rows to find, calls to make, what must hold. `harness init` is this."""

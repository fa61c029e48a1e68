"""Is a ledger that somebody lives on right? Read-only: nothing is created, changed or locked."""

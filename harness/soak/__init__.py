"""Uncontrolled load with faults: many real workers, no order imposed, and a ledger that must hold all the same."""

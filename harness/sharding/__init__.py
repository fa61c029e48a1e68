"""Executions of one campaign in several processes: foreseen, executed elsewhere, taken in the campaign's own order."""

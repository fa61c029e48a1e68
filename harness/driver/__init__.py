"""One execution: real worker processes made to obey a strategy against a real server."""

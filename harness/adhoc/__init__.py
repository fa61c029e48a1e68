"""`harness check`: anybody's function, no scenario file. Options in, a `Scenario` out, tried before it is run."""

"""The parts of `benchmarks/bench.py`: each measures the harness beside what else there is, on this machine."""

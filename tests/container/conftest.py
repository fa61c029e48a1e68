"""For what stands in for other people's servers in tests/db."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "db"))

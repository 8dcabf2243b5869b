"""Measures liftwing-host beside other model servers, and prints a table. `--help` says what can be chosen."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # Run as a file, this is not yet part of its package.
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.command import main

if __name__ == "__main__":
    sys.exit(main())

"""The command `liftwing-host`, run to its end."""

from __future__ import annotations

import os
import subprocess
import sys

COMMAND = (sys.executable, "-m", "liftwing_host.server")


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it with some arguments and further variables in its environment."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

"""Does inside a container what the tests of the image look at from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from liftwing_host import Model

__all__ = ["Inside"]


class Inside(Model):
    """Sleeps, or leaves a child without a parent."""

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        if features.get("orphan"):
            done = subprocess.run(
                ["sh", "-c", "sleep 0.2 >/dev/null & echo $!"], capture_output=True, text=True, check=True
            )
            return {"pid": int(done.stdout)}
        print("going to sleep", file=sys.stderr, flush=True)
        time.sleep(features["seconds"])
        return {"slept": features["seconds"]}

"""A model that notes, while it runs, where it does."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from liftwing_host import Model, Request


class Where(Model):
    """Writes its process into a file, then computes for as long as it is asked to; tells its process."""

    def preprocess(self, payload: dict[str, Any]) -> dict[str, Any]:
        return payload

    def predict(self, features: dict[str, Any], request: Request) -> dict[str, Any]:
        told = {"pid": os.getpid(), "parent": os.getppid(), "remaining": request.remaining()}
        if "note" in features:
            with Path(features["note"]).open("a") as file:
                file.write(json.dumps(told) + "\n")
        time.sleep(features.get("seconds", 0))
        return told

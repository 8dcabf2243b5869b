"""Wikimedia's revscoring models: what an edit is like, scored from the revision, its parent and its author."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # revscoring imports pkg_resources, which warns of its end at every import; the dependency on setuptools is
    # pinned for it, and nobody who serves a model could do more.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
    import revscoring as _  # noqa: F401

from .model import RevscoringModel

__all__ = ["RevscoringModel"]

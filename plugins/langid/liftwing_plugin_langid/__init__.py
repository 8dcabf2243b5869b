"""The language that a text is written in."""

from __future__ import annotations

from .model import LanguageIdentification

__all__ = ["LanguageIdentification"]

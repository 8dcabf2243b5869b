"""Requests that get no scores, in the envelope and with the texts of ores-legacy (`app/utils.py`, `app/main.py`)."""

from __future__ import annotations

from liftwing_host.extension import Reply

from .document import reply

__all__ = [
    "Refusal",
    "models_not_available",
    "no_scorers",
    "not_supported",
    "of_version_1",
    "too_many_scores",
    "unreadable",
]


class Refusal(Exception):
    """A request that cannot be answered.

    Args:
        status: The HTTP status.
        code: ORES' name for what is wrong.
        message: What is wrong.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def reply(self) -> Reply:
        """What the client gets."""
        return reply({"detail": {"error": {"code": self.code, "message": self.message}}}, status=self.status)


def no_scorers(context: str) -> Refusal:
    """The host has no models for that wiki."""
    return Refusal(404, "not found", f"No scorers available for {context}")


def models_not_available(context: str, model: str) -> Refusal:
    """The host has other models for that wiki. The text looks like a tuple of Python, as it did in ORES."""
    return Refusal(400, "not found", f"Models ('{model}',) not available for {context}")


def too_many_scores(wanted: int, limit: int) -> Refusal:
    """More scores at once than the operator allows."""
    return Refusal(
        400,
        "too many requests",
        f"Scoring more than {limit} scores is not supported anymore by this endpoint. "
        f"You are requesting {wanted} ORES scores which is above the supported limit of {limit} for a single request. "
        "Please break down your request into smaller chunks or consider using the "
        "/v3/scores/{context}/{revid} endpoint to score one revision at a time. "
        "For more information please visit https://wikitech.wikimedia.org/wiki/ORES",
    )


def not_supported(parameter: str) -> Refusal:
    """ORES had this parameter; Lift Wing has nothing to answer it with."""
    return Refusal(
        400,
        "bad request",
        f"{parameter} query parameter is not supported by this endpoint anymore. "
        "For more information please visit https://wikitech.wikimedia.org/wiki/ORES",
    )


def of_version_1() -> Refusal:
    """The first version of ORES' URLs."""
    return Refusal(400, "not found", "ORES support for v1 has been deprecated. Please use v3.")


def unreadable(name: str, expected: str) -> Refusal:
    """A value that means nothing. ores-legacy has a 422 of FastAPI's, or a 500, in its place."""
    return Refusal(400, "bad request", f"Expected {name} to be {expected}.")

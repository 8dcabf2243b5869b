"""Every error of liftwing-host, each with the HTTP status that a client sees.

    LiftwingError                 500  the root; its message is written for the client
     ├─ InvalidInput              400  the request cannot be answered as it stands
     ├─ ModelNotFound             404
     ├─ PayloadTooLarge           413
     ├─ EncodingNotSupported      415
     ├─ InferenceError            500  the model could not answer, and the client may know why
     ├─ HookFailed                500  a hook raised something that was not meant for clients
     ├─ WorkerDied                500  the process that ran the request died, twice
     ├─ ExplainerNotFound         501  `:explain` of a model that explains nothing
     ├─ PredictorFailed           502
     ├─ ModelNotReady             503
     ├─ Overloaded                503  with Retry-After
     ├─ BodiesTooLarge            503  with Retry-After
     ├─ PredictorUnavailable      503  with Retry-After
     ├─ DeadlineExceeded          504
     └─ ConfigurationError        500  for the operator alone; never sent to a client
         ├─ PluginNotFound
         └─ ModelFileMissing

A hook that raises a `LiftwingError` (of a plugin's own subclass, too) has its message sent to the client, in
the one envelope ``{"error": message}``, with the error's status. Any other exception stays in the log.

The names `InvalidInput`, `InferenceError`, `ModelNotFound` and `ModelNotReady`, and the texts of the last two,
are those of KServe's SDK (`kserve.errors`).
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BodiesTooLarge",
    "ConfigurationError",
    "DeadlineExceeded",
    "EncodingNotSupported",
    "ExplainerNotFound",
    "HookFailed",
    "InferenceError",
    "InvalidInput",
    "LiftwingError",
    "ModelFileMissing",
    "ModelNotFound",
    "ModelNotReady",
    "Overloaded",
    "PayloadTooLarge",
    "PluginNotFound",
    "PredictorFailed",
    "PredictorUnavailable",
    "WorkerDied",
]


class LiftwingError(Exception):
    """The root. A plugin derives its own errors from it, with their `status`, and calls this `__init__` in its own.

    Args:
        message: What the client reads. No paths, no internal addresses. What HTTP calls the status, where it is left out.
        status: HTTP status, from 400 to 599; the class's own where it is left out.

    Attributes:
        retry_after: The value of the header Retry-After, in whole seconds, where there is to be one.
    """

    status: ClassVar[int] = 500
    retry_after: str | None = None

    def __init__(self, message: str = "", *, status: int | None = None) -> None:
        self.http_status = self.status if status is None else status
        self.message = message or _phrase(self.http_status)
        super().__init__(self.message)


def _phrase(status: int) -> str:
    from http import HTTPStatus  # Not at every start.

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


class InvalidInput(LiftwingError):
    """The request is wrong; the message says what is expected."""

    status = 400


class ModelNotFound(LiftwingError):
    """No model of that name is served here."""

    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"Model with name {name} does not exist.")


class PayloadTooLarge(LiftwingError):
    """The body is longer than the host takes."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request body is larger than the limit of {limit} bytes.")


class EncodingNotSupported(LiftwingError):
    """The body is compressed, or encoded otherwise."""

    status = 415

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"A body with the Content-Encoding {encoding} is not supported: send it as it is, without that header."
        )


class InferenceError(LiftwingError):
    """The model could not answer, for a reason that the client may know."""

    status = 500


class HookFailed(LiftwingError):
    """A hook raised an exception that was not meant for clients."""

    status = 500


class WorkerDied(LiftwingError):
    """The process that ran the request died, and so did the one that ran it once more."""

    status = 500


class ExplainerNotFound(LiftwingError):
    """`:explain` was asked of a model that has no explainer."""

    status = 501

    def __init__(self) -> None:
        super().__init__("Could not find explainer_host.")


class ModelNotReady(LiftwingError):
    """The model is known but cannot answer now: it loads, or it failed to load."""

    status = 503

    def __init__(self, name: str) -> None:
        super().__init__(f"Model with name {name} is not ready.")


class Overloaded(LiftwingError):
    """More requests wait for the model than its queue may hold.

    Args:
        name: The model.
        retry_after: Whole seconds after which a client may try again.
    """

    status = 503

    def __init__(self, name: str, *, retry_after: int = 1) -> None:
        super().__init__(f"Model with name {name} is overloaded. Try again later.")
        self.retry_after = str(retry_after)


class BodiesTooLarge(LiftwingError):
    """All requests' bodies together are larger than what the host has room for."""

    status = 503
    retry_after = "1"

    def __init__(self) -> None:
        super().__init__("The host has no room for so large a body beside those of other requests now.")


class PredictorFailed(LiftwingError):
    """The predictor of a transformer answered what is no answer."""

    status = 502

    def __init__(self, name: str) -> None:
        super().__init__(f"The predictor of model {name} failed; the log has the reason.")


class PredictorUnavailable(LiftwingError):
    """The predictor of a transformer cannot be reached, or answers nobody now."""

    status = 503
    retry_after = "1"

    def __init__(self, name: str) -> None:
        super().__init__(f"The predictor of model {name} is not available. Try again later.")


class DeadlineExceeded(LiftwingError):
    """The request's time ran out."""

    status = 504


class ConfigurationError(LiftwingError):
    """The operator's or the plugin's configuration is wrong; the message says how to mend it."""


class PluginNotFound(ConfigurationError):
    """No installed distribution brings the model."""


class ModelFileMissing(ConfigurationError):
    """The file that holds the model's weights is not there."""

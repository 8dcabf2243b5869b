"""Whether a model runs here as a whole, or only one half of it: its transformer, or its predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .settings import HostSettings, ModelSettings

__all__ = ["Role", "role_of"]

Role = Literal["all", "transformer", "predictor"]


def role_of(model: str, own: ModelSettings, host: HostSettings) -> Role:
    """A model's role, from what its table says, or else from what holds for the whole host.

    Where neither names one, a `predictor_host` makes it a transformer.

    Raises:
        ConfigurationError: `role` and `predictor_host` contradict each other.
    """
    table = f"[models.{model}]: "
    _check(host.role, host.predictor_host, "")
    _check(own.role or host.role, own.predictor_host, table)
    known = own.predictor_host is not None or host.predictor_host is not None
    role = own.role or ("transformer" if own.predictor_host is not None else host.role)
    if role is None:
        return "transformer" if known else "all"
    if role == "transformer" and not known:
        raise ConfigurationError(
            f"{table if own.role else ''}role 'transformer' needs predictor_host: the HOST:PORT of the predictor "
            "that the features are sent to (--predictor-host)."
        )
    return role


def _check(role: Role | None, predictor_host: str | None, where: str) -> None:
    if predictor_host is not None and role in ("all", "predictor"):
        raise ConfigurationError(
            f"{where}role {role!r} and predictor_host {predictor_host!r} contradict each other: a host that has a "
            "predictor runs all hooks but predict, which is the role 'transformer'. Leave one of them out."
        )

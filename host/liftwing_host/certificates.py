"""By which certificates the host checks those of others."""

from __future__ import annotations

import ssl
from pathlib import Path

from .errors import ConfigurationError

__all__ = ["tls_context"]


def tls_context(bundle: Path | None) -> ssl.SSLContext:
    """How the certificate of a server is checked.

    Args:
        bundle: A file of certificates in PEM, or a folder of them; None: those of the system.

    Raises:
        ConfigurationError: There are no certificates where REQUESTS_CA_BUNDLE says.
    """
    try:
        if bundle is not None and bundle.is_dir():
            return ssl.create_default_context(capath=str(bundle))
        return ssl.create_default_context(cafile=None if bundle is None else str(bundle))
    except OSError as error:
        raise ConfigurationError(
            f"REQUESTS_CA_BUNDLE={str(bundle)!r} cannot be read: {error.strerror or error}. "
            "It must be a file of certificates in PEM."
        ) from None

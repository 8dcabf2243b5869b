"""The command `liftwing-host`: what can be asked of it, `serve`, and how it says that something is wrong."""

from __future__ import annotations

import functools
import gc
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ..errors import ConfigurationError
from . import installed
from .logs import LogLevel, log_to_stderr
from .own_process import heed_signals, open_standard_streams, raise_descriptor_limit
from .role import Role

if TYPE_CHECKING:
    from .discovery import Catalogue
    from .settings import Settings

__all__ = ["main"]


class _ServeImplied(click.Group):
    """A group whose command `serve` may be left out: `liftwing-host --model NAME`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = ("--help", "-h", "--version")
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise _Wrong(error.message) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._of_extensions})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # Extensions are imported only for what is not the host's own.
        return super().get_command(ctx, cmd_name) or self._of_extensions.get(cmd_name)

    @functools.cached_property
    def _of_extensions(self) -> dict[str, click.Command]:
        from .discovery import extension_points
        from .extensions import Extensions

        try:
            return {command.name: command for command in Extensions(extension_points()).commands()}
        except ConfigurationError as error:
            raise _Wrong(error.message) from None


class _Wrong(click.ClickException):
    """Something that the operator must mend; exit status 2."""

    exit_code = 2


@click.group(cls=_ServeImplied, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="liftwing-host")
def main() -> None:
    """Serve models that are installed as plugins, over KServe's HTTP routes.

    \b
    liftwing-host --model NAME   serves a model ("serve" may be left out)
    liftwing-host models         lists what can be served
    liftwing-host download NAME  fetches a model's published files
    liftwing-host deploy NAME    writes Kubernetes manifests
    """


@main.command()
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="A model to serve; may be given again."
)
@click.option(
    "--model-name",
    "--model_name",
    metavar="NAME",
    help="The one model's name in the URL; without --model, the model itself.",
)
@click.option(
    "--port", "--http_port", type=int, help="Port to listen on; 0 takes a free one.  [default: 8080]"
)
@click.option("--address", help="Address to listen on.  [default: all]")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file with settings of the host, the plugins and the models.",
)
@click.option(
    "--demo",
    is_flag=True,
    default=None,
    help="Serve the demo models that plugins bring: no network, no download.",
)
@click.option(
    "--workers",
    type=int,
    help="Compute workers of each plugin; 0 runs all in one process.  [default: the CPUs]",
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    help='Ray cluster of plugins with executor = "ray": auto, HOST:PORT, ray://HOST:PORT.  [default: auto]',
)
@click.option("--reload", is_flag=True, default=None, help="Load plugins anew when their files change.")
@click.option("--dev", is_flag=True, default=None, help="Find mistakes of plugins, at a price.")
@click.option("--timeout", type=float, help="Seconds that a request may take.  [default: 60]")
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    help="Which hooks run here: all; all but predict; predict alone.  [default: all, or transformer with --predictor-host]",
)
@click.option(
    "--predictor-host",
    "--predictor_host",
    metavar="HOST:PORT",
    help="Where features are sent: makes this host a transformer.",
)
@click.option(
    "--predictor-protocol",
    "--predictor_protocol",
    metavar="v1",
    help="What the predictor speaks.  [default: v1]",
)
@click.option(
    "--predictor-use-ssl",
    "--predictor_use_ssl",
    type=bool,
    is_flag=False,
    flag_value=True,
    help="Ask the predictor over HTTPS.",
)
@click.option(
    "--predictor-request-timeout-seconds",
    "--predictor_request_timeout_seconds",
    type=float,
    help="Seconds that the predictor may take.  [default: what the request has left]",
)
@click.option(
    "--drain-delay", type=float, help="Seconds of not being ready before the port is closed.  [default: 0]"
)
@click.option(
    "--drain-timeout", type=float, help="Seconds that requests under way may then still take.  [default: 30]"
)
@click.option("--http", type=click.Choice(["llhttp", "tornado"]), help="What parses HTTP.  [default: llhttp]")
@click.option(
    "--log-level", type=click.Choice(get_args(LogLevel), case_sensitive=False), help="[default: info]"
)
def serve(models: tuple[str, ...], config: Path | None, **flags: Any) -> None:
    """Serve models until SIGTERM or Ctrl-C."""
    # What is imported stays: to look through it for garbage takes 5 % of the time. `run` enables it again.
    gc.disable()
    open_standard_streams()
    raise_descriptor_limit()
    heed_signals()
    from . import configuration
    from .chosen import chosen_plugins
    from .environments import discover_all
    from .head_start import HeadStart

    def read() -> tuple[Settings, Catalogue]:
        wanted = configuration.read(flags, models, config)
        return wanted, discover_all(wanted)

    wanted, catalogue = read()
    log_to_stderr(wanted.host.log_level)
    for variable, meant in configuration.misspelt_variables().items():
        logging.getLogger("liftwing_host").warning(
            "%s is none of the host's variables; did you mean %s?", variable, meant
        )
    with HeadStart(chosen_plugins(wanted, catalogue)) as early:
        import uvloop

        from . import run
        from .report import make_reporter

        uvloop.run(run.serve(wanted, catalogue, early, make_reporter(), read))


for _command in (
    installed.models,
    installed.plugins,
    installed.download,
    installed.install,
    installed.deploy,
):
    main.add_command(_command)

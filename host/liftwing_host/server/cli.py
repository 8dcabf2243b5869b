"""The command `liftwing-host`: what can be asked of it, and how it says that something is wrong."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ..errors import ConfigurationError
from .role import Role
from .settings import LogLevel, downloads_of

if TYPE_CHECKING:
    from .discovery import Catalogue, Offer
    from .settings import Settings

__all__ = ["main"]

LOG_FORMAT = "%(asctime)s.%(msecs)03d %(process)s %(name)s %(levelname)s %(message)s"


class _ServeImplied(click.Group):
    """A group whose command `serve` may be left out: `liftwing-host --model NAME`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = ("--help", "-h", "--version")
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._extensions()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # Extensions are imported only for what is not the host's own.
        return super().get_command(ctx, cmd_name) or self._extensions().get(cmd_name)

    def _extensions(self) -> dict[str, click.Command]:
        from .extensions import Extensions

        try:
            return {command.name: command for command in Extensions().commands()}
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
    import uvloop

    from . import configuration, run
    from .report import make_reporter

    def read() -> tuple[Settings, Catalogue]:
        wanted = configuration.read(flags, models, config)
        return wanted, _discover(wanted)

    try:
        wanted, catalogue = read()
        _log_to_stderr(wanted.host.log_level)
        uvloop.run(run.serve(wanted, catalogue, make_reporter(), read))
    except ConfigurationError as error:
        raise _Wrong(error.message) from None


@main.command()
def models() -> None:
    """List the models that can be served, from metadata alone."""
    offers = _installed()
    for offer in offers:
        click.echo(f"{offer.pattern}\t{offer.distribution} {offer.version}")


@main.command()
def plugins() -> None:
    """List the installed plugins, their versions and models, and whether they can be imported."""
    from .describe import describe
    from .discovery import Catalogue

    catalogue = Catalogue(_installed())
    broken = False
    for (distribution, version), offers in catalogue.by_distribution().items():
        described = describe(offers)
        failed = [head for head in described.values() if "error" in head]
        broken = broken or bool(failed)
        click.echo(f"{distribution} {version}\t{'BROKEN' if failed else 'ok'}")
        for offer in offers:
            head = described[offer.name]
            click.echo(f"  {offer.pattern}\t{head['error'] if 'error' in head else head['summary']}")
    if broken:
        raise _Wrong("A plugin that is BROKEN cannot be served; `pip check` may tell what it lacks.")


@main.command()
@click.argument("model")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files."
)
@click.option("--url", help="Fetch from here instead of where the plugin says.")
@click.option("--sha256", help="Checksum that the file must have.")
def download(model: str, folder: Path | None, url: str | None, sha256: str | None) -> None:
    """Fetch the published files of MODEL."""
    from .configuration import read
    from .describe import describe
    from .fetching import fetch_files

    try:
        wanted = read({})
        offer = _discover(wanted).find(model)
        described = describe([offer])[offer.name]
        if "error" in described:
            raise ConfigurationError(f"{offer.distribution} cannot be imported: {described['error']}")
        target = folder or downloads_of(wanted.host.downloads, model)
        fetch_files(model, described["files"], target, url, sha256)
    except ConfigurationError as error:
        raise _Wrong(error.message) from None


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--isolated", is_flag=True, required=True, help="Into an environment of its own.")
@click.argument("plugin")
@click.argument("pip_arguments", nargs=-1, type=click.UNPROCESSED)
def install(plugin: str, pip_arguments: tuple[str, ...], isolated: bool) -> None:  # noqa: ARG001
    """Install PLUGIN (a name or a path) into an environment of its own, where its dependencies meet no others.

    What follows PLUGIN goes to pip. (Into the host's own environment, pip itself installs plugins.)
    """
    from .configuration import read
    from .environments import install_isolated

    try:
        offers = install_isolated(plugin, read({}).host.environments, pip_arguments)
    except ConfigurationError as error:
        raise _Wrong(error.message) from None
    for offer in offers:
        click.echo(
            f"{offer.distribution} {offer.version} serves {offer.pattern}, in the environment of {offer.python}"
        )


def _list_keys(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:  # noqa: ARG001
    if wanted:
        from ..deploy import explain_keys

        click.echo(explain_keys())
        ctx.exit()


@main.command()
@click.argument("model")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="May be given again.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_keys,
    help="List the keys, and what each is without --set.",
)
def deploy(model: str, assignments: tuple[str, ...]) -> None:
    """Write Kubernetes manifests that serve MODEL with KServe, as YAML. docs/kubernetes.md explains them."""
    from ..deploy import render
    from .configuration import read

    try:
        offer = _discover(read({})).find(model)
        text = render(model, offer.distribution, list(assignments))
    except ConfigurationError as error:
        raise _Wrong(error.message) from None
    click.echo(text, nl=False)


def _discover(wanted: Settings) -> Catalogue:
    from .discovery import discover
    from .environments import isolated_offers, offers_of

    chosen = {name: own.python for name, own in wanted.plugin_settings.items() if own.python is not None}
    elsewhere = offers_of(chosen)
    named = {offer.distribution for offer in elsewhere}
    isolated = isolated_offers(wanted.host.environments)
    return discover([*elsewhere, *(offer for offer in isolated if offer.distribution not in named)])


def _installed() -> list[Offer]:
    from .configuration import read

    try:
        offers = _discover(read({})).offers
    except ConfigurationError as error:
        raise _Wrong(error.message) from None
    if not offers:
        click.echo("No plugin is installed. Install one: pip install liftwing-plugin-NAME.", err=True)
    return offers


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg] # not generic at run time on Python 3.10
    """Writes to whatever `sys.stderr` is at that moment: a moving display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _log_to_stderr(level: str) -> None:
    handler = _Stderr()
    logging.basicConfig(
        level=level.upper(), format=LOG_FORMAT, datefmt="%Y-%m-%d %H:%M:%S", handlers=[handler]
    )

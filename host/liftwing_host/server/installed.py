"""The commands about what is installed, beside `serve`: list it, describe it, add to it, write manifests for it.

Each imports what it needs when it runs, so that `liftwing-host --help` imports none of it. A `ConfigurationError` is
told by the group that they belong to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .discovery import Catalogue

__all__ = ["deploy", "download", "install", "models", "plugins"]


@click.command()
def models() -> None:
    """List the models that can be served, from metadata alone."""
    catalogue = _installed()
    for offer in catalogue.offers:
        clash = catalogue.clash(offer)
        click.echo(f"{offer.pattern}\t{offer.distribution} {offer.version}" + (f"\t{clash}" if clash else ""))


@click.command()
def plugins() -> None:
    """List the installed plugins and extensions.

    Of each plugin its version, its models, and whether it can be imported.
    """
    from .describe import describe
    from .discovery import extensions

    catalogue = _installed()
    broken = False
    for (distribution, version), offers in catalogue.by_distribution().items():
        described = describe(offers)
        failed = [head for head in described.values() if "error" in head]
        broken = broken or bool(failed)
        click.echo(f"{distribution} {version}\t{'BROKEN' if failed else 'ok'}")
        for offer in offers:
            head = described[offer.name]
            clash = catalogue.clash(offer)
            told = head["error"] if "error" in head else head["summary"]
            click.echo(f"  {offer.pattern}\t{told}" + (f"\t{clash}" if clash else ""))
    for distribution, version in extensions():
        click.echo(f"{distribution} {version}\textension of the host")
    wrong = []
    if broken:
        wrong.append("A plugin that is BROKEN cannot be served; `pip check` may tell what it lacks.")
    if any(map(catalogue.clash, catalogue.offers)):
        wrong.append("A model that is brought more than once cannot be served; its line tells what to do.")
    if wrong:
        raise ConfigurationError(" ".join(wrong))


@click.command()
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
    from .environments import discover_all
    from .fetching import fetch_files
    from .settings import downloads_of

    wanted = read({})
    offer = discover_all(wanted).find(model)
    described = describe([offer])[offer.name]
    if "error" in described:
        raise ConfigurationError(f"{offer.distribution} cannot be imported: {described['error']}")
    target = folder or downloads_of(wanted.host.downloads, model)
    fetch_files(model, described["files"], target, url, sha256)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--isolated", is_flag=True, required=True, help="Into an environment of its own.")
@click.argument("plugin")
@click.argument("pip_arguments", nargs=-1, type=click.UNPROCESSED)
def install(plugin: str, pip_arguments: tuple[str, ...], isolated: bool) -> None:  # noqa: ARG001
    """Install PLUGIN into an environment of its own.

    PLUGIN is a name or a path; its dependencies meet no others there. What follows it goes to pip. (Into the host's own
    environment, pip itself installs plugins.)
    """
    from .configuration import read
    from .environments import install_isolated

    for offer in install_isolated(plugin, read({}).host.environments, pip_arguments):
        click.echo(
            f"{offer.distribution} {offer.version} serves {offer.pattern}, in the environment of {offer.python}"
        )


def _list_keys(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:  # noqa: ARG001
    if wanted:
        from ..deploy import explain_keys

        click.echo(explain_keys())
        ctx.exit()


@click.command()
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
    """Write Kubernetes manifests for MODEL.

    As YAML, to serve it with KServe; docs/kubernetes.md explains them.
    """
    from ..deploy import render
    from .configuration import read
    from .environments import discover_all

    offer = discover_all(read({})).find(model)
    click.echo(render(model, offer.distribution, list(assignments)), nl=False)


def _installed() -> Catalogue:
    from .configuration import read
    from .environments import discover_all

    catalogue = discover_all(read({}))
    if not catalogue.offers:
        click.echo("No plugin is installed. Install one: pip install liftwing-plugin-NAME.", err=True)
    return catalogue

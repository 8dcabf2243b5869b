"""What is installed and can be served: answered from package metadata alone, without importing any plugin.

Group `liftwing_host.models`: the entry point's name is the model's name. Group `liftwing_host.families`: the
entry point's name is what follows the last dash of the model's name, so that `goodfaith` answers for
`enwiki-goodfaith`, `frwiki-goodfaith` and so on.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import importlib_metadata as metadata

from ..errors import ConfigurationError, PluginNotFound

__all__ = ["Catalogue", "Offer", "discover", "extension_points", "extensions"]

MODELS = "liftwing_host.models"
FAMILIES = "liftwing_host.families"
EXTENSIONS = "liftwing_host"

_PUBLISHED = {
    "alexnet": "liftwing-plugin-alexnet",
    "alexnet-model": "liftwing-plugin-alexnet",
    "efficientnet-lite0": "liftwing-plugin-alexnet",
    "langid": "liftwing-plugin-langid",
    "outlink-topic-model": "liftwing-plugin-outlink",
}
"""Where models that people know by name come from, for the message that their plugin is missing."""

_PUBLISHED_FAMILIES = dict.fromkeys(
    (
        "articlequality",
        "articletopic",
        "damaging",
        "draftquality",
        "drafttopic",
        "goodfaith",
        "itemquality",
        "itemtopic",
        "reverted",
    ),
    "liftwing-plugin-revscoring",
)


@dataclass(frozen=True)
class Offer:
    """A model, or a family of models, that an installed distribution brings.

    Attributes:
        name: The model's name, or the family's.
        is_family: Whether it answers for every model whose name ends in ``-name``.
        entry_point: Where the code is: ``module:attribute``.
        distribution: The distribution's name.
        version: The distribution's version.
        python: The interpreter that has it installed; None: the host's own.
    """

    name: str
    is_family: bool
    entry_point: str
    distribution: str
    version: str
    python: str | None = None

    @property
    def pattern(self) -> str:
        """The name as it is shown in lists."""
        return f"WIKI-{self.name}" if self.is_family else self.name


class Catalogue:
    """All offers of the installed distributions, and what of them extends the host.

    Args:
        offers: The models and families.
        extensions: The entry points of the host's extensions.
        installed: All entry points that there are; looked through only where a model is not found.

    Attributes:
        offers: The models and families.
        extensions: The entry points of the host's extensions.
    """

    def __init__(
        self,
        offers: Iterable[Offer],
        extensions: Iterable[metadata.EntryPoint] = (),
        installed: Iterable[metadata.EntryPoint] = (),
    ) -> None:
        self.extensions = tuple(extensions)
        self._installed = installed
        self.offers = sorted(
            set(offers),
            key=lambda offer: (offer.distribution, offer.name, offer.is_family, offer.entry_point),
        )

    def find(self, model: str) -> Offer:
        """The offer that serves a model.

        Raises:
            PluginNotFound: No distribution brings it; the message suggests names and what to install.
            ConfigurationError: More than one does; the message names them.
        """
        exact = [offer for offer in self.offers if not offer.is_family and offer.name == model]
        wiki, _, family = model.rpartition("-")
        of_family = [offer for offer in self.offers if wiki and offer.is_family and offer.name == family]
        found = exact or of_family
        if len(found) > 1 and len({(offer.distribution, offer.python) for offer in found}) == 1:
            places = " and as ".join(offer.entry_point for offer in found)
            raise ConfigurationError(
                f"{found[0].distribution} brings the model {model} more than once, as {places}. Leave one of them in its "
                "entry points, and install it again."
            )
        if len(found) > 1:
            names = " and ".join(f"{offer.distribution} {offer.version}" for offer in found)
            raise ConfigurationError(
                f"The model {model} is brought by {names}. Uninstall one of them (pip uninstall NAME)."
            )
        if not found:
            raise PluginNotFound(self._not_found(model))
        return found[0]

    def clash(self, offer: Offer) -> str:
        """What keeps an offer from being served: another one of the same name. Empty where there is none."""
        same = [
            each
            for each in self.offers
            if each != offer and (each.name, each.is_family) == (offer.name, offer.is_family)
        ]
        others = [
            each for each in same if (each.distribution, each.python) != (offer.distribution, offer.python)
        ]
        if others:
            names = " and ".join(dict.fromkeys(f"{each.distribution} {each.version}" for each in others))
            return f"also brought by {names}; uninstall one of them"
        if same:
            places = " and as ".join(each.entry_point for each in same)
            return f"also brought as {places}; leave one of them in its entry points"
        return ""

    def by_distribution(self) -> dict[tuple[str, str], list[Offer]]:
        """The offers of each distribution, by its name and version."""
        grouped: dict[tuple[str, str], list[Offer]] = defaultdict(list)
        for offer in self.offers:
            grouped[offer.distribution, offer.version].append(offer)
        return dict(grouped)

    def _not_found(self, model: str) -> str:
        text = f"No installed plugin brings a model named {model!r}."
        wiki, _, ending = model.rpartition("-")
        misspelt = self._in_no_known_group(model, ending if wiki else None)
        if misspelt:
            return f"{text} {misspelt}"
        names = [offer.name for offer in self.offers if not offer.is_family]
        families = {offer.name: offer.pattern for offer in self.offers if offer.is_family}
        near = difflib.get_close_matches(model, names) or [name for name in names if model in name]
        near += [families[name] for name in difflib.get_close_matches(ending, families)]
        if near:
            text += f" Did you mean {' or '.join(near)}?"
        published = {name: by for name, by in _PUBLISHED.items() if name not in names}
        # Only the ending is compared: a long name before it would be like any other.
        absent = [name for name in _PUBLISHED_FAMILIES if wiki and name not in families]
        for name in difflib.get_close_matches(ending, absent, n=1, cutoff=0.7):
            published[f"{wiki}-{name}"] = _PUBLISHED_FAMILIES[name]
        known = difflib.get_close_matches(model, published, n=1, cutoff=0.7)
        if known:
            text += f" {known[0]} is in a plugin that is not installed: pip install {published[known[0]]}."
        elif not near:
            text += " If its plugin is not installed yet: pip install liftwing-plugin-NAME."
        return text + " `liftwing-host models` lists what can be served here."

    def _in_no_known_group(self, model: str, family: str | None) -> str:
        """What is wrong where the model's entry point is in a group such as `liftwing_host.model`; else empty."""
        for point in self._installed:
            if not point.group.startswith(f"{EXTENSIONS}.") or point.group in {MODELS, FAMILIES}:
                continue
            [meant] = difflib.get_close_matches(point.group, (MODELS, FAMILIES), n=1, cutoff=0)
            if point.name == (model if meant == MODELS else family):
                by = f"{point.dist.name} {point.dist.version}" if point.dist else "A distribution"
                return (
                    f"{by} has an entry point named {point.name} in the group {point.group}, which the host does not know. "
                    f"Write it into the group {meant} in the plugin's pyproject.toml, and install it again."
                )
        return ""


def discover(elsewhere: Iterable[Offer] = ()) -> Catalogue:
    """Read the metadata of everything that is installed.

    Args:
        elsewhere: What other interpreters offer (`environments`). It stands in for what the host's own offers
            of the same distribution.
    """
    elsewhere = list(elsewhere)
    replaced = {offer.distribution for offer in elsewhere}
    # Asked for once: to look through everything that is installed takes longer than all else before a start.
    installed = metadata.entry_points()
    own = _offers(installed)
    offers = [*(offer for offer in own if offer.distribution not in replaced), *elsewhere]
    return Catalogue(offers, installed.select(group=EXTENSIONS), installed)


def extension_points() -> Iterable[metadata.EntryPoint]:
    """Where the code of each installed extension is."""
    return metadata.entry_points(group=EXTENSIONS)


def extensions() -> list[tuple[str, str]]:
    """The name and version of each installed distribution that extends the host, the host's own left out."""
    found = {(point.dist.name, point.dist.version) for point in extension_points() if point.dist}
    return sorted(each for each in found if each[0] != "liftwing-host")


def _offers(installed: metadata.EntryPoints) -> Iterable[Offer]:
    known: dict[metadata.Distribution | None, tuple[str, str]] = {None: ("(unknown)", "")}
    for group in (MODELS, FAMILIES):
        for entry_point in installed.select(group=group):
            distribution = entry_point.dist
            if distribution not in known:
                assert distribution is not None
                known[distribution] = _name_and_version(distribution)
            name, version = known[distribution]
            yield Offer(entry_point.name, group == FAMILIES, entry_point.value, name, version)


def _name_and_version(distribution: metadata.Distribution) -> tuple[str, str]:
    """What `distribution.metadata` tells, too: but to import what parses that (`email`) takes 18 ms of a start."""
    head = (distribution.read_text("METADATA") or "").partition("\n\n")[0]
    told: Mapping[str, str] = dict(re.findall(r"^(Name|Version):[ \t]*(\S+)[ \t]*$", head, re.MULTILINE))
    if len(told) < 2:  # Such as an egg, whose metadata has another name.
        told = {key: distribution.metadata[key] for key in ("Name", "Version")}
    return told["Name"], told["Version"]

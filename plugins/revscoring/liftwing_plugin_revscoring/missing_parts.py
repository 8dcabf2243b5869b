"""What to do about a model file that needs what is not installed: the command, for each of revscoring's complaints."""

from __future__ import annotations

import re

__all__ = ["advice"]

_APT = "apt-get install -y --no-install-recommends"
_ENGLISH = "hunspell-en-us hunspell-en-gb hunspell-en-au"
_PACKAGE = re.compile(r"Consider installing '([a-z0-9+.-]+)'")
_MODULES_OF_FEATURES = ("articlequality", "draftquality", "drafttopic", "editquality")


def advice(error: BaseException) -> str:
    """What the operator can do about an error of loading a model; empty where that is not known.

    Args:
        error: What unpickling raised.
    """
    text = str(error)
    if "'enchant' C library" in text:
        return (
            "The model looks words up in dictionaries, and the library enchant is not installed: "
            f"{_APT} libenchant-2-2"
        )
    package = _PACKAGE.search(text)
    if package:
        # English takes all three, and would complain of one after the other.
        packages = _ENGLISH if package[1].startswith("hunspell-en-") else package[1]
        return f"The model looks words up in dictionaries that are not installed: {_APT} {packages}"
    if "Could not load stopwords" in text or "corpora/stopwords" in text:
        return (
            "The model uses NLTK's lists of stop words, which are not installed: "
            "python -m nltk.downloader -d /usr/share/nltk_data stopwords "
            "(or into any other folder, named in NLTK_DATA)"
        )
    return _of_modules(error)


def _of_modules(error: BaseException) -> str:
    module = (error.name or "") if isinstance(error, ImportError) else ""
    distribution = module.partition(".")[0]
    if distribution in _MODULES_OF_FEATURES:
        return f"The model's features are in another package: pip install {distribution}"
    if distribution in ("sklearn", "numpy", "scipy") or "dtype" in str(error) or "_loss" in str(error):
        return (
            "It was made with a version that the installed ones cannot read. The plugin's own ones read models of "
            "scikit-learn 1.0 to 1.2: pip install --force-reinstall liftwing-plugin-revscoring"
        )
    return ""

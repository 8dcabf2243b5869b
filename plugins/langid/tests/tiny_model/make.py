"""Writes `model.bin`: a small fastText model whose labels are written as lid201's are, one of them in no table.

::

    pip install fasttext-community==0.11.9 numpy==2.4.6
    python make.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import fasttext

HERE = Path(__file__).parent
LINES = [
    "__label__eng_Latn the house and the garden are on the other side of the river",
    "__label__eng_Latn they went there with all that they had",
    "__label__zho_Hant 這座房子和花園在河的另一邊",
    "__label__zho_Hant 他們帶著所有的東西去了那裡",
    "__label__qqq_Latn zyxxy qaqqu wizzix zyxxy",
    "__label__qqq_Latn qaqqu zyxxy wizzix qaqqu",
]


def main() -> None:
    """Train on a few lines, in one thread, and keep the model."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(LINES * 20) + "\n")
        file.flush()
        model = fasttext.train_supervised(
            file.name, dim=4, minn=1, maxn=2, bucket=200, epoch=50, lr=0.5, thread=1, seed=1, verbose=0
        )
    model.save_model(str(HERE / "model.bin"))


if __name__ == "__main__":
    main()

"""How titles are split into queries."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest

from liftwing_plugin_outlink.outlinks import batches


@pytest.mark.parametrize(
    ("titles", "sizes"),
    [
        ([], []),
        (["A"], [1]),
        (["A"] * 50, [50]),
        (["A"] * 51, [50, 1]),
        (["A"] * 120, [50, 50, 20]),
        (["Ä" * 127] * 10, [7, 3]),
    ],
)
def test_a_query_has_at_most_fifty_titles_and_six_thousand_bytes(titles: list[str], sizes: list[int]) -> None:
    found = list(batches(titles))
    assert [len(batch) for batch in found] == sizes
    assert [title for batch in found for title in batch] == titles
    assert all(len(quote_plus("|".join(batch))) <= 6000 for batch in found)

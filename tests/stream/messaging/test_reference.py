"""docs/messages.md says what the types say."""

import re
from pathlib import Path

import pytest

from stream.messaging.reference import PAGE, updated
from stream.messaging.topics import TABLE

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_current():
    assert updated(TEXT) == TEXT, "run: make docs"


def test_every_kind_has_its_section_its_table_and_its_schema():
    for row in TABLE:
        assert f"\n## {row.kind}\n" in TEXT
        assert f"<!-- table: {row.kind} -->" in TEXT
        assert f"(../stream/messaging/schemas/{row.kind}.json)" in TEXT


def test_a_table_that_was_edited_by_hand_is_written_anew():
    edited = TEXT.replace("| `window.fill` | number 0 to 1 |", "| `window.fill` | integer |")
    assert edited != TEXT
    assert updated(edited) == TEXT


def test_the_words_between_tables_stay():
    assert updated(TEXT.replace("ZeroMQ matches prefixes", "Mark this")).count("Mark this") == 1


def test_a_table_that_nobody_makes_is_an_error():
    with pytest.raises(KeyError, match="weather"):
        updated("<!-- table: weather -->\n<!-- end -->")


def test_rows_have_as_many_cells_as_their_head():
    for table in re.findall(r"<!-- table: [\w ]+ -->\n\n(.*?)\n\n<!-- end", TEXT, re.DOTALL):
        assert len({line.count(" | ") for line in table.splitlines()}) == 1


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
    anchors = {re.sub(r"[^\w -]", "", name).lower().replace(" ", "-")
               for name in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}  # fmt: skip
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
    assert Path(PAGE).name == "messages.md"

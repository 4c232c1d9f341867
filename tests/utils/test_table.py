"""Both renderings of a small table, letter by letter."""

from __future__ import annotations

from acmix.utils.table import render_table

ROWS = [["a", 1], ["long|name", 22]]


def test_text_aligns_names_left_and_numbers_right():
    assert render_table(["name", "n"], ROWS) == (
        "name        n\n---------  --\na           1\nlong|name  22"
    )


def test_markdown_escapes_bars():
    assert render_table(["name", "n"], ROWS, "markdown") == (
        "| name | n |\n| --- | ---: |\n| a | 1 |\n| long\\|name | 22 |"
    )


def test_a_table_without_rows_is_its_header():
    assert render_table(["name", "n"], []) == "name  n\n----  -"


def test_columns_of_text_align_left():
    assert render_table(["n", "said"], [[1, "a"]], left=(0, 1)) == "n  said\n-  ----\n1  a"
    assert render_table(["n", "said"], [], "markdown", (1,)).endswith("| ---: | --- |")

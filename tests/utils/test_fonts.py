"""Names of any script are drawn: by a font that has them, or transcribed, with a notice."""

from __future__ import annotations

import warnings

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.figure import Figure

from acmix.errors import UserError
from acmix.utils import fonts
from acmix.utils.figures import check_picture, save_figure
from acmix.utils.fonts import drawable


@pytest.fixture
def system_fonts(monkeypatch):
    """What the system has; none at first, and no notice was given."""
    found = []
    monkeypatch.setattr(fonts, "_system_fonts", lambda: found)
    monkeypatch.setattr(fonts, "_told", set())
    return found


def write_font(path, characters):
    """Write a font in which every one of ``characters`` is a square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    names = {ord(character): f"u{ord(character):04x}" for character in characters}
    glyphs = [".notdef", *names.values()]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys(glyphs, square))
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (900, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


@pytest.mark.parametrize("text", ["cat", "café", "кот", "γάτα", "$x_1$", "a_b^c", "100 %"])
def test_what_matplotlib_ships_is_enough_for_european_names(system_fonts, text, caplog):
    (item,) = drawable([text])
    assert (item.text, item.font.name) == (text, "DejaVuSans.ttf")
    assert not caplog.text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("蚂蚁", "MaYi"),
        ("고양이", "GoYangI"),
        ("いぬ", "inu"),
        ("แมว", "aemw"),
        ("café 蚁", "café Yi"),
    ],
)
def test_without_a_font_a_name_is_transcribed_with_a_notice(system_fonts, text, written, caplog):
    assert drawable([text])[0].text == written
    assert f"pictures show {text} as {written}. Install one, such as Noto Sans CJK." in caplog.text
    drawable([text, "蜜蜂"])
    assert len(caplog.records) == 1  # not again for each picture


def test_a_font_of_the_system_is_used(system_fonts, tmp_path, caplog):
    (tmp_path / "damaged.ttf").write_text("no font")
    system_fonts += [tmp_path / "damaged.ttf", write_font(tmp_path / "cjk.ttf", "蚂蚁 3")]
    ant, bee = drawable(["蚂蚁 3", "蜜"])
    assert (ant.text, ant.font.name) == ("蚂蚁 3", "cjk.ttf")
    assert (bee.text, bee.font.name) == ("Mi", "DejaVuSans.ttf")
    assert "蚂" not in caplog.text


def test_names_stay_different(system_fonts):
    texts = ["使", "是", "shi", "使", "x" * 200 + "a", "x" * 200 + "b"]
    written = [item.text for item in drawable(texts)]
    assert [len(set(group)) for group in (texts, written)] == [5, 5]
    assert written[0] == written[3]
    assert max(map(len, written)) < 110


def test_control_characters_and_bytes_are_escapes(system_fonts):
    (item,) = drawable(["a\x1b[2J\nb\udce9"])
    assert item.text == r"a\x1b[2J\nb\xe9"


def test_without_the_package_the_number_is_written(system_fonts, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "anyascii", None)
    assert drawable(["蚂"])[0].text == "U+8682 "


@pytest.mark.parametrize("has_font", [False, True])
def test_plots_draw_any_name_without_a_warning(system_fonts, tmp_path, has_font):
    if has_font:
        system_fonts.append(write_font(tmp_path / "cjk.ttf", "蚂蚁"))
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1], [1], label="$x_{")
    axes.set(title="蚂蚁", xlabel="$\\frac{", ylabel="a\x1b\udce9\nb")
    axes.set_yticks([1], [drawable(["蚂蚁"])[0].text])
    axes.legend()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(figure, tmp_path / "plot.png")
    assert axes.title.get_text() == ("蚂蚁" if has_font else "MaYi")
    assert axes.get_ylabel() == "a\\x1b\\xe9\nb"
    assert (tmp_path / "plot.png").stat().st_size > 0


@pytest.mark.parametrize("name", ["plot", "plot.xyz", "plot.", ".png"])
def test_a_picture_without_a_known_suffix_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="has no suffix of a picture that can be written"):
        check_picture(tmp_path / name)
    with pytest.raises(UserError, match=r"use \.png, \.pdf or \.svg"):
        save_figure(Figure(), tmp_path / name)

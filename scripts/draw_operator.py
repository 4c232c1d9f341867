"""Draw the ACmix operator (Eq. 13) for the README: python scripts/draw_operator.py."""

from pathlib import Path

GREY, BLUE, ORANGE, GREEN = "#768390", "#1f6feb", "#bc4c00", "#1a7f37"  # on white and on black
shapes = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 265" text-anchor="middle"
 font-family="Helvetica, Arial, sans-serif" stroke-width="2"><marker id="tip" viewBox="0 0 8 8"
 refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z"
 fill="#768390"/></marker>""".splitlines()


def _block(x, y, w, h, color, *lines):
    shapes.append(f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="{color}"/>')
    for i, line in enumerate(lines):
        at = f'x="{x + w / 2}" y="{y + h / 2 + 14 - 9 * len(lines) + 19 * i}"'
        style = f'fill="{GREY if color == "none" else "#ffffff"}" font-size="{15 - i}"'
        shapes.append(f"<text {at} {style}>{line}</text>")


def _line(*points, tip=' marker-end="url(#tip)"'):
    shapes.append(f'<path d="M {" L ".join(points)}" stroke="{GREY}" fill="none"{tip}/>')


for x, title in ((165, "Stage I: projection"), (480, "Stage II: aggregation")):
    _block(x, 15, 0, 0, "none", title)
_block(10, 125, 45, 50, GREY, "x")
for y, name in ((75, "q"), (150, "k"), (225, "v")):
    _block(105, y - 20, 120, 40, BLUE, f"1 x 1 conv: {name}")
    _line("55 150", "80 150", f"80 {y}", f"104 {y}")
    _line(f"225 {y}", f"260 {y}", "260 150", tip="")
_block(305, 45, 350, 75, ORANGE, "self-attention", "local, window, patchwise, global or relative")
_block(305, 180, 350, 75, GREEN, "convolution path", "fully connected layer, then shift and sum")
for y, weight, end in ((82, "times \u03b1", 132), (218, "times \u03b2", 168)):
    _line("260 150", f"260 {y}", f"304 {y}")
    _line(f"655 {y}", f"780 {y}", f"780 {end}")
    _block(655, y - 25, 125, 22, "none", weight)
_block(762, 133, 36, 34, GREY, "+")
_line("798 150", "835 150")
_block(835, 135, 40, 30, "none", "out")
Path("docs/figures/operator.svg").write_text("\n".join([*shapes, "</svg>\n"]), encoding="utf-8")

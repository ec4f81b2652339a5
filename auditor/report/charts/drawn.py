"""Charts written as SVG by hand: they hold links, and hundreds of them on one page stay small."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from auditor.report.charts.style import FINE, FONT, STAND_INS, Chart, Sheet
from auditor.report.words import clean, number


class Drawing:
    """Marks on a sheet, first to last."""

    def __init__(self, sheet: Sheet, *, width: float, height: float) -> None:
        self._sheet, self._width, self._height = sheet, width, height
        self._marks: list[Markup] = []

    def colour(self, tone: str) -> str:
        """The page's colour of a tone."""
        return self._sheet.colours[STAND_INS[tone]]

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        tone: str = "ink",
        anchor: str = "start",
        size: float = FINE,
        turn: int = 0,
    ) -> None:
        """A line of text whose base line starts, is centred or ends at a point."""
        turned = Markup(' transform="rotate({} {} {})"').format(turn, at(x), at(y)) if turn else ""
        self._marks.append(
            Markup('<text x="{}" y="{}" font-size="{}" text-anchor="{}" fill="{}"{}>{}</text>').format(
                at(x), at(y), at(size), anchor, self.colour(tone), turned, clean(words)
            )
        )

    def texts(
        self, x: float, lines: Sequence[tuple[float, str]], *, tone: str = "ink", anchor: str = "start"
    ) -> None:
        """Many lines of text below one another, as position of the base line and words."""
        inside = Markup("").join(
            Markup('<text y="{}">{}</text>').format(at(y), clean(words)) for y, words in lines
        )
        self._marks.append(
            Markup('<g transform="translate({} 0)" font-size="{}" text-anchor="{}" fill="{}">{}</g>').format(
                at(x), at(FINE), anchor, self.colour(tone), inside
            )
        )

    def along(self, y: float, words: Sequence[tuple[float, str]]) -> None:
        """Words beside one another, each centred at its position."""
        inside = Markup("").join(Markup('<text x="{}">{}</text>').format(at(x), clean(w)) for x, w in words)
        self._marks.append(
            Markup(
                '<g transform="translate(0 {})" font-size="{}" text-anchor="middle" fill="{}">{}</g>'
            ).format(at(y), at(FINE), self.colour("soft"), inside)
        )

    def fill(self, shape: str, tone: str, *, opacity: float = 1.0, halo: bool = False) -> None:
        """A filled shape; with a halo in the page's colour it can be told on any ground."""
        if shape:
            # Two marks, as WeasyPrint knows no paint-order.
            self.line(shape if halo else "", "page", width=2.4)
            seen = Markup(' fill-opacity="{:.3g}"').format(opacity) if opacity < 1.0 else ""
            self._marks.append(Markup('<path d="{}" fill="{}"{}/>').format(shape, self.colour(tone), seen))

    def line(
        self,
        shape: str,
        tone: str,
        *,
        width: float = 1.0,
        dashed: bool = False,
        dots: bool = False,
    ) -> None:
        """A drawn line; of lines without a length, dots."""
        if shape:
            dashes = Markup(' stroke-dasharray="3 2"') if dashed else ""
            dashes += Markup(' stroke-linecap="round"') if dots else ""
            self._marks.append(
                Markup('<path d="{}" fill="none" stroke="{}" stroke-width="{}"{}/>').format(
                    shape, self.colour(tone), at(width), dashes
                )
            )

    def linked(self, target: str, title: str, start: int, *, tabbed: bool = True) -> None:
        """Make everything from mark ``start`` on a link to a place on the page, named ``title``."""
        inside = Markup("").join(self._marks[start:])
        out = "" if tabbed else Markup(' tabindex="-1"')
        link = Markup('<a href="#{}"{}><title>{}</title>{}</a>').format(target, out, clean(title), inside)
        self._marks[start:] = [link]

    @property
    def marks(self) -> int:
        """How many there are."""
        return len(self._marks)

    def chart(
        self, key: str, title: str, description: str, *, sized: bool = False, font: bool = True
    ) -> Chart:
        """The finished chart.

        Args:
            key: Unique on the page.
            title: What it is.
            description: What it shows, in a sentence.
            sized: Give it a size of its own in pixels, for a region that scrolls.
            font: Name the font; inside a page it has the page's.
        """
        title, description = clean(title), clean(description)
        inside = Markup("").join(self._marks)
        size = Markup(' width="{}" height="{}"').format(at(self._width), at(self._height)) if sized else ""
        family = Markup(' font-family="{}"').format(FONT) if font else ""
        svg = Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}"{} class="chart" role="{}" '
            'aria-labelledby="{}-title {}-desc"{}><title id="{}-title">{}</title>'
            '<desc id="{}-desc">{}</desc>{}</svg>'
        ).format(
            *(at(self._width), at(self._height), size, "group" if "<a " in inside else "img"),
            *(key, key, family, key, title, key, description, inside),
        )
        return Chart(key=key, title=title, description=description, svg=svg)


class Scale:
    """Values to points across."""

    def __init__(self, values: Sequence[float], *, left: float, right: float) -> None:
        low, high = min(values, default=0.0), max(values, default=0.0)
        spare = 0.04 * (high - low or 1.0)
        self._low, self._high, self._left, self._right = low - spare, high + spare, left, right

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        share = (value - self._low) / (self._high - self._low)
        return self._left + share * (self._right - self._left)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values within the scale."""
        return [
            float(v)
            for v in MaxNLocator(most).tick_values(self._low, self._high)
            if self._low <= v <= self._high
        ]


def ruled(drawing: Drawing, scale: Scale, *, top: float, bottom: float, margin: float) -> None:
    """Grid lines with their values below, the zero line, and the margin on either side, dashed."""
    ticks = scale.ticks()
    digits = 3 if len(ticks) > 1 and ticks[1] - ticks[0] < 0.01 else 2
    drawing.line("".join(f"M{at(scale(v))} {at(top)}V{at(bottom)}" for v in ticks), "line", width=0.6)
    drawing.line(f"M{at(scale(0.0))} {at(top)}V{at(bottom)}", "soft", width=0.9)
    sides = "".join(f"M{at(scale(v))} {at(top)}V{at(bottom)}" for v in (-margin, margin))
    drawing.line(sides, "soft", width=0.8, dashed=True)
    drawing.along(bottom + 12, [(scale(value), number(value, digits=digits)) for value in ticks])


def at(value: float) -> str:
    """A coordinate, to a tenth of a point."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def triangle(x: float, y: float, *, up: bool, size: float = 3.6) -> str:
    """The shape of ▲ or ▼ around a point."""
    point, base = (y - size, y + size * 0.8) if up else (y + size, y - size * 0.8)
    return f"M{at(x)} {at(point)}L{at(x + size)} {at(base)}H{at(x - size)}z"


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """The shape of a rectangle."""
    return f"M{at(x)} {at(y)}h{at(width)}v{at(height)}h{at(-width)}z"


def circle(x: float, y: float, radius: float) -> str:
    """The shape of a circle around a point."""
    r = at(radius)
    return f"M{at(x - radius)} {at(y)}a{r} {r} 0 1 0 {at(2 * radius)} 0a{r} {r} 0 1 0 {at(-2 * radius)} 0z"


def fitted(text: str, most: int) -> str:
    """A name that fits, its end cut off; signs as wide as two letters count twice."""
    text = clean(text)
    room = most
    for position, sign in enumerate(text[: most + 1]):
        room -= 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        if room < 0:
            return text[: max(1, position - 1)].rstrip() + "…"
    return text

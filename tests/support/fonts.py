"""What a font can print."""

import struct
from pathlib import Path


def characters_of(font: Path) -> set[int]:
    """The characters of a TrueType font, by its table `cmap` of format 4."""
    content = font.read_bytes()
    tables = {content[at : at + 4]: at for at in range(12, 12 + 16 * struct.unpack(">H", content[4:6])[0], 16)}
    begin = struct.unpack(">L", content[tables[b"cmap"] + 8 : tables[b"cmap"] + 12])[0]
    codes: set[int] = set()
    for number in range(struct.unpack(">H", content[begin + 2 : begin + 4])[0]):
        at = begin + struct.unpack(">L", content[begin + 8 + 8 * number : begin + 12 + 8 * number])[0]
        if struct.unpack(">H", content[at : at + 2])[0] == 4:
            size = struct.unpack(">H", content[at + 6 : at + 8])[0] // 2
            ends = struct.unpack(f">{size}H", content[at + 14 : at + 14 + 2 * size])
            starts = struct.unpack(f">{size}H", content[at + 16 + 2 * size : at + 16 + 4 * size])
            codes |= {code for pair in zip(starts, ends, strict=True) for code in range(pair[0], pair[1] + 1)}
    return codes


def make_font(path: Path, characters: str, family: str = "Corner") -> Path:
    """A font that draws each of the characters as the same corner, unlike the box of a missing one."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    names = {ord(character): f"u{ord(character):04X}" for character in characters}
    shapes = dict.fromkeys(names.values(), ((0, 0), (0, 700), (800, 700)))
    shapes[".notdef"] = ((0, 0), (0, 100), (100, 100))
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    glyphs = {}
    for name, (first, *more) in shapes.items():
        pen = TTGlyphPen(None)
        pen.moveTo(first)
        for point in more:
            pen.lineTo(point)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(shapes, (900, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.setupNameTable(
        {"familyName": family, "styleName": "Regular", "psName": f"{family.replace(' ', '')}-Regular"}
    )
    builder.save(path)
    return path

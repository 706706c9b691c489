"""What a font can print."""

import struct
from pathlib import Path


def characters_of(font: Path) -> set[int]:
    """The characters of a TrueType font, by its table `cmap` of format 4."""
    content = font.read_bytes()
    tables = {content[at : at + 4]: at for at in range(12, 12 + 16 * struct.unpack(">H", content[4:6])[0], 16)}
    begin = struct.unpack(">L", content[tables[b"cmap"] + 8 : tables[b"cmap"] + 12])[0]
    found: set[int] = set()
    for number in range(struct.unpack(">H", content[begin + 2 : begin + 4])[0]):
        at = begin + struct.unpack(">L", content[begin + 8 + 8 * number : begin + 12 + 8 * number])[0]
        if struct.unpack(">H", content[at : at + 2])[0] == 4:
            size = struct.unpack(">H", content[at + 6 : at + 8])[0] // 2
            ends = struct.unpack(f">{size}H", content[at + 14 : at + 14 + 2 * size])
            starts = struct.unpack(f">{size}H", content[at + 16 + 2 * size : at + 16 + 4 * size])
            found |= {code for pair in zip(starts, ends, strict=True) for code in range(pair[0], pair[1] + 1)}
    return found

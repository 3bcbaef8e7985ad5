"""XMP: the encoding of its text, the orientation that it repeats, and the location that it may name.

The text is searched, not parsed: XMP of other programs is often not well-formed, and the rest must stay as it is.
"""

import json
import re

__all__ = ["has_location", "normalize_xmp"]

_UTF_8 = frozenset({"utf-8", "utf-8-sig"})
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*\?>")

# Each pattern needs linear time for any text.
_TIFF_PREFIX = re.compile(r"""xmlns:([\w.-]+)\s*=\s*["']http://ns\.adobe\.com/tiff/1\.0/["']""")
_ORIENTATIONS = (
    re.compile(r"""\s([\w.-]+):Orientation\s*=\s*(?:"[^"<]*"|'[^'<]*')"""),
    re.compile(r"<([\w.-]+):Orientation(?:\s[^<>]*)?(?:/>|>[^<>]*</\1:Orientation\s*>)"),
)
_ANY_ORIENTATION = re.compile(r"(?<![\w.-])([\w.-]+):Orientation(?![\w.-])")

_NAMES = (
    "lat|lon|long|lat_long|point|coverage|spatial|location|location(?:created|shown|id|name)|shotlocation|sublocation"
    "|city|provincestate|state|country|countrycode|countryname|worldregion"
)
"""Properties of Dublin Core, IPTC, Photoshop, and W3C's vocabulary for positions."""
_LOCATION = re.compile(
    rf"[:<](?:{_NAMES})(?=[\s=/>])"
    r"|[:<][\w.-]*(?:gps|latitude|longt?itude|altitude)"  # of EXIF and of drones, one of which misspells its name
    r"|(?<![a-z0-9])gps"
    r"|geo/wgs84_pos|www\.georss\.org|www\.opengis\.net|geonames\.org/ontology",  # namespaces
    re.IGNORECASE,
)


def normalize_xmp(data: bytes) -> bytes | None:
    """Convert XMP to UTF-8, and remove the orientation of the TIFF namespace.

    Readers such as Pillow turn a picture by this orientation if its EXIF has none.

    Args:
        data: XMP in UTF-8, UTF-16 or UTF-32.

    Returns:
        The XMP; None if it is not text, or if the orientation has an unusual form.

    Examples:
        >>> normalize_xmp('<a xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" b="c"/>'.encode("utf-16"))
        b'<a xmlns:tiff="http://ns.adobe.com/tiff/1.0/" b="c"/>'
    """
    text = _decode(data)
    if text is None:
        return None
    prefixes = {"tiff", *_TIFF_PREFIX.findall(text)}
    for pattern in _ORIENTATIONS:
        text = pattern.sub(lambda match: "" if match[1] in prefixes else match[0], text)
    if any(match[1] in prefixes for match in _ANY_ORIENTATION.finditer(text)):
        return None
    return text.encode(errors="surrogateescape")


def has_location(data: bytes) -> bool:
    """Return whether XMP names a location; True if it is not text.

    Args:
        data: XMP in UTF-8, UTF-16 or UTF-32.

    Examples:
        >>> has_location(b'<x photoshop:City="Bonn"/>'), has_location(b'<x dc:title="City of Bonn"/>')
        (True, False)
    """
    text = _decode(data)
    return text is None or _LOCATION.search(text) is not None


def _decode(data: bytes) -> str | None:
    """Return the text without a byte order mark; other encodings than UTF-8 lose the declaration that names them."""
    encoding = json.detect_encoding(data)
    is_utf_8 = encoding in _UTF_8
    try:
        text = data.decode(encoding, "surrogateescape" if is_utf_8 else "strict").rstrip("\0")
    except UnicodeDecodeError:
        return None
    if "\0" in text:  # XML has no such character: this is text that was decoded by another encoding
        return None
    return text if is_utf_8 else _DECLARATION.sub("", text.lstrip("\ufeff"), count=1)

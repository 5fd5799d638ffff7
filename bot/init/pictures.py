"""A text as a picture that a phone can read from a terminal."""

from __future__ import annotations

import io


def qr(text: str) -> str:
    """A QR code of half blocks, dark on light whatever the terminal's colours are."""
    import segno

    out = io.StringIO()
    segno.make(text, micro=False).terminal(out, compact=True, border=2)
    return out.getvalue().rstrip("\n")

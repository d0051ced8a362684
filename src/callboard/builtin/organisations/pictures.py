"""Pictures: small ones, as part of the entity of who is on them."""

import base64

LARGEST = 64 * 1024
"""Bytes. Every reader of the entity gets them."""

_SIGNATURES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


def data_url(picture: bytes) -> str | None:
    """*picture* as a `data:` URL; None when it is none that browsers know, or larger than LARGEST."""
    kind = next((kind for signature, kind in _SIGNATURES.items() if picture.startswith(signature)), None)
    if kind is None or len(picture) > LARGEST:
        return None
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"

"""A photo to send, for tests."""

import io

from PIL import Image


def photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(out, "PNG")
    return out.getvalue()

"""Looking at pictures: their size, and what a QR code in them says."""

import io

import zxingcpp
from PIL import Image, UnidentifiedImageError

from playground.model import StoredFile


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None for what is no picture."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError):
        return None


def read_qr(content: bytes) -> str | None:
    """What the QR code in a picture says; None if there is none."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            found = zxingcpp.read_barcodes(
                picture.convert("RGB"),
                formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
            )
    except (UnidentifiedImageError, OSError):
        return None
    return str(found[0].text) if found else None


def qr_of(file: StoredFile) -> str | None:
    """The same for a stored picture, looked at once."""
    if not file.qr_read:
        file.qr = read_qr(file.content)
        file.qr_read = True
    return file.qr

"""The kinds of files, decided by their content: a name proves nothing."""

HEAD_BYTES = 512
PDF, TEXT, BINARY = "application/pdf", "text/plain", "application/octet-stream"
# Images that browsers show and models see. SVG is not among them: it can contain scripts.
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"%PDF-": PDF,
}


def content_type_of(head: bytes) -> str:
    """Return the content type of a file that starts with these bytes: an image, a PDF, text, or `BINARY`.

    `head` should have HEAD_BYTES, or be the whole file; a character cut off at its end does not matter.
    """
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    for start, content_type in _STARTS.items():
        if head.startswith(start):
            return content_type
    return TEXT if _is_text(head) else BINARY


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return (
            len(head) >= HEAD_BYTES and error.start >= len(head) - 3 and error.reason == "unexpected end of data"
        )
    return True

"""django-rest-knox 5.1: how it stores a token.

Used: `knox.crypto.hash_token`, the digest that the column `digest` of a token has. knox offers no documented
way to find a token by its text: its authentication reads all tokens of a user, and deletes the expired ones.
"""

from knox.crypto import hash_token


def digest_of(text: str) -> str:
    """Return the digest under which a token with this text is stored."""
    digest: str = hash_token(text)
    return digest

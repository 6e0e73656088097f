"""Strict JSON: refuses what the standard does not allow, even if Python's decoder accepts it."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.utils.http import parse_header_parameters
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StrictJSONParser(JSONParser):
    """Parses a JSON object in UTF-8 with finite numbers. Raises ParseError (400) for anything else."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        charset = parse_header_parameters(media_type or "")[1].get("charset", "utf-8")
        if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise ParseError("JSON must be encoded in UTF-8.")
        try:
            text = stream.read().decode("utf-8-sig")  # some clients begin with a byte order mark
        except UnicodeDecodeError:
            raise ParseError("The body is not valid UTF-8.") from None
        data = strict_loads(text)
        if not isinstance(data, dict):
            raise ParseError("The body must be a JSON object.")
        return data


def strict_loads(text: str) -> Any:
    """Decode JSON. Raises ParseError, also for NaN and infinite numbers, which Python would accept."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ParseError("The JSON is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise ParseError(f"Invalid JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except _BadNumber as error:
        raise ParseError(f"Invalid JSON: {error}.") from None
    except ValueError:  # Python refuses integers of more than 4300 digits
        raise ParseError("Invalid JSON: a number is too long.") from None


class _BadNumber(Exception):
    """A number that JSON does not have, or that is too large for any database."""


def _refuse(constant: str) -> NoReturn:
    raise _BadNumber(f"{constant} is not a JSON number")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise _BadNumber("a number is too large")
    return number

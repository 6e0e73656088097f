"""`manage.py create_token USER`: create an access token and print it once."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from agents.rules import TOKEN_NAME_CHARS
from mission_control.actions.tokens import MAX_DAYS, create_token
from mission_control.formatting import utc_time
from mission_control.management.base import DatabaseCommand
from mission_control.models import AccessToken


class Command(DatabaseCommand):
    help = (
        "Create an access token for a user and print it to standard output. It is shown only once. Exit status: "
        "0 created, 1 refused, 74 or 141 if the output cannot be written (the token is then deleted)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the username")
        parser.add_argument("--name", default="command line", help="its name in lists")
        parser.add_argument("--days", help="days until it expires (default: never)")

    def handle(self, *, user: str, name: str, days: str | None, **options: Any) -> None:
        if not name.strip() or len(name) > TOKEN_NAME_CHARS:
            raise CommandError(f"--name must have 1 to {TOKEN_NAME_CHARS} characters")
        lasts = None if days is None else number_of_days(days)
        token, text = create_token(active_user(user), name=name.strip(), days=lasts)
        self.stderr.write(token_text(token), style_func=str)
        try:
            self.stdout.write(text, style_func=str)
            self.stdout.flush()
        except OSError:
            token.delete()  # it could not be printed
            raise


def number_of_days(given: str) -> int:
    """Parse the number of days. Raises CommandError if it is invalid or out of range."""
    if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= MAX_DAYS):
        raise CommandError(f"--days must be a number from 1 to {MAX_DAYS}")
    return int(given)


def active_user(name: str) -> User:
    """Return the active user with this name. Raises CommandError if there is none."""
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"there is no user called '{name}'")
    if not user.is_active:
        raise CommandError(f"the user '{name}' is not active")
    return user


def token_text(token: AccessToken) -> str:
    """Return the text that is printed with the token."""
    expires = f"expires on {utc_time(token.expiry)}" if token.expiry else "never expires"
    return f"Token '{token.name}' of {token.user}, which {expires}:"

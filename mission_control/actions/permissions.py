"""Who may give rights to others, and act on the account of another user.

Nobody gives more than they have: a password or token of another user lets its maker do what that user may, and so
does a group. Superusers have everything.

Actions that start or stop agents ask who acts (`acting_user`), because many ways lead to them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db.models import Exists, OuterRef, Q, QuerySet

from mission_control.errors import NotAllowed

Someone = User | AnonymousUser | AbstractBaseUser | None

_acting: ContextVar[Callable[[], Someone]] = ContextVar("acting", default=lambda: None)


@contextmanager
def acting(user: Callable[[], Someone]) -> Iterator[None]:
    """Name the user on whose behalf everything within is done; asked for only where it matters."""
    token = _acting.set(user)
    try:
        yield
    finally:
        _acting.reset(token)


def acting_user() -> User | None:
    """Return the user who acts; None where the product itself does, as in a worker or a command."""
    user = _acting.get()()
    return user if isinstance(user, User) else None


def may_start() -> bool:
    """Tell whether the user who acts may start agents; the product itself always may."""
    user = acting_user()
    return user is None or user.has_perm("mission_control.add_run")


def require_start() -> None:
    """Raise NotAllowed when the user who acts may not start agents."""
    if not may_start():
        raise NotAllowed("To start an agent", "Can add run")


def require_stop() -> None:
    """Raise NotAllowed when the user who acts may not stop agents; the product itself always may."""
    user = acting_user()
    if user is not None and not user.has_perm("mission_control.change_run"):
        raise NotAllowed("To stop a run", "Can change run")


def permissions_of(user: User) -> QuerySet[Permission]:
    """Return the permissions that the user has by groups or alone, whether the user is active or not."""
    if user.is_superuser:
        return Permission.objects.all()
    return Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()


def may_manage(by: User, user: User) -> bool:
    """Tell whether `by` may change, delete or log in the account `user`: it has no right that `by` lacks."""
    if not by.is_active or (user.is_superuser and not by.is_superuser):
        return False
    if user.is_staff and not by.is_staff:
        return False
    return by.is_superuser or not _beyond(by, permissions_of(user))


def may_manage_group(by: User, group: Group) -> bool:
    """Tell whether `by` may change, delete or grant the group: it has no permission that `by` lacks."""
    return by.is_active and (by.is_superuser or not _beyond(by, group.permissions.all()))


def grantable_permissions(by: User) -> QuerySet[Permission]:
    """Return the permissions that `by` may give: those of their own."""
    return permissions_of(by) if by.is_active else Permission.objects.none()


def grantable_groups(by: User) -> QuerySet[Group]:
    """Return the groups that `by` may put others into."""
    if not by.is_active:
        return Group.objects.none()
    beyond = Permission.objects.filter(group=OuterRef("pk")).exclude(pk__in=permissions_of(by).values("pk"))
    return Group.objects.filter(~Exists(beyond))


def _beyond(by: User, permissions: QuerySet[Permission]) -> bool:
    return permissions.exclude(pk__in=permissions_of(by).values("pk")).exists()

"""The permissions that each action needs, and who may grant permissions and change the accounts of others.

API, pages and admin read here what an action needs. To start a project is to run its tasks, to pause it is to
stop them.

No user can grant more than they have: setting another user's password or creating a token for them gives the
rights of that user, and adding someone to a group gives those of the group. Superusers have all permissions.

Actions that start or stop agents check the acting user themselves (`acting_user`), because they have many callers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db.models import Exists, OuterRef, Q, QuerySet

from mission_control.errors import NotAllowed

ADD_RUN, CHANGE_RUN = "mission_control.add_run", "mission_control.change_run"
RUN_TASK = (ADD_RUN,)
STOP_RUN = (CHANGE_RUN,)  # also of a planning
ANSWER_QUESTION = (CHANGE_RUN,)
CHANGE_TASK = ("mission_control.change_task",)  # also to assign, skip and review it
POST_MESSAGE = ("mission_control.add_message",)
MESSAGE_RUN = (*POST_MESSAGE, CHANGE_RUN)  # to write to the agent of an active run
PLAN_PROJECT = ("mission_control.add_project", ADD_RUN)
START_PROJECT = ("mission_control.change_project", ADD_RUN)  # also to approve, resume and plan it again
PAUSE_PROJECT = ("mission_control.change_project", CHANGE_RUN)
KINDS = ("view", "add", "change", "delete")
TEST_AGENT = (ADD_RUN, "mission_control.add_task")
ADD_DOCUMENT = ("mission_control.add_deliverable",)
ATTACH_DOCUMENT = ("mission_control.change_deliverable",)
ADD_REQUIREMENTS = ("mission_control.add_deliverable", "mission_control.change_project")

_OBJECTS = ("activity", "deliverable", "message", "notification", "project", "review", "run", "task")
# What a user can be allowed to do, by its name: seeing and changing each kind of object, and actions.
NEEDED: dict[str, Sequence[str]] = {
    **{f"{kind}_{name}": [f"mission_control.{kind}_{name}"] for kind in KINDS for name in _OBJECTS},
    **{f"{kind}_agent": [f"agents.{kind}_agent"] for kind in KINDS},
    "run_task": RUN_TASK,
    "stop_run": STOP_RUN,
    "answer_question": ANSWER_QUESTION,
    "message_run": MESSAGE_RUN,
    "plan_project": PLAN_PROJECT,
    "start_project": START_PROJECT,
    "pause_project": PAUSE_PROJECT,
    "test_agent": TEST_AGENT,
    "add_requirements": ADD_REQUIREMENTS,
}

AnyUser = User | AnonymousUser | AbstractBaseUser | None

_acting: ContextVar[Callable[[], AnyUser]] = ContextVar("acting", default=lambda: None)


@contextmanager
def acting(user: Callable[[], AnyUser]) -> Iterator[None]:
    """Set the acting user for the code within; `user` is called only when it is needed."""
    token = _acting.set(user)
    try:
        yield
    finally:
        _acting.reset(token)


def acting_user() -> User | None:
    """Return the acting user; None if the product itself acts, as in a worker or a command."""
    user = _acting.get()()
    return user if isinstance(user, User) else None


_from_elsewhere: ContextVar[bool] = ContextVar("from_elsewhere", default=False)


@contextmanager
def from_elsewhere(value: bool) -> Iterator[None]:
    """Set, for the code within, whether it serves a request that does not come from this machine."""
    token = _from_elsewhere.set(value)
    try:
        yield
    finally:
        _from_elsewhere.reset(token)


def serves_this_machine() -> bool:
    """Return whether the code serves a request from this machine; true also outside requests, as in a command."""
    return not _from_elsewhere.get()


class Rights:
    """What a user may do, each as an attribute with a name of `NEEDED`: `rights.run_task`, `rights.view_project`.

    Templates have it as `may`. Raises AttributeError for an unknown name.
    """

    def __init__(self, user: User | AnonymousUser) -> None:
        self.user = user

    def __getattr__(self, name: str) -> bool:
        try:
            needed = NEEDED[name]
        except KeyError:
            raise AttributeError(name) from None
        return self.user.has_perms(needed)


def may_start() -> bool:
    """Return whether the acting user may start agents; the product itself always may."""
    user = acting_user()
    return user is None or user.has_perms(RUN_TASK)


def require_start() -> None:
    """Raise NotAllowed if the acting user may not start agents."""
    if not may_start():
        raise NotAllowed("To start an agent", "Can add run")


def require_stop() -> None:
    """Raise NotAllowed if the acting user may not stop agents; the product itself always may."""
    user = acting_user()
    if user is not None and not user.has_perms(STOP_RUN):
        raise NotAllowed("To stop a run", "Can change run")


def require_answer() -> None:
    """Raise NotAllowed if the acting user may not answer agents; the product itself always may."""
    user = acting_user()
    if user is not None and not user.has_perms(ANSWER_QUESTION):
        raise NotAllowed("To answer an agent", "Can change run")


def require_message_to_run() -> None:
    """Raise NotAllowed if the acting user may not write to a running agent; the product itself always may."""
    user = acting_user()
    if user is not None:
        require(user, MESSAGE_RUN, "To write to a running agent")


def require(user: User, needed: Iterable[str], doing: str) -> None:
    """Raise NotAllowed for the first needed permission that the user lacks. `doing` reads "To move a task"."""
    for name in needed:
        if not user.has_perm(name):
            raise NotAllowed(doing, f"Can {name.partition('.')[2].replace('_', ' ')}")


def permissions_of(user: User) -> QuerySet[Permission]:
    """Return the user's own and group permissions, whether the user is active or not."""
    if user.is_superuser:
        return Permission.objects.all()
    return Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()


def may_manage(by: User, user: User) -> bool:
    """Return whether `by` may change, delete or log in as `user`, who must have no right that `by` lacks."""
    if not by.is_active or (user.is_superuser and not by.is_superuser):
        return False
    if user.is_staff and not by.is_staff:
        return False
    return by.is_superuser or not _exceeds(by, permissions_of(user))


def may_manage_group(by: User, group: Group) -> bool:
    """Return whether `by` may change, delete or grant the group, which must have no permission that `by` lacks."""
    return by.is_active and (by.is_superuser or not _exceeds(by, group.permissions.all()))


def grantable_permissions(by: User) -> QuerySet[Permission]:
    """Return the permissions that `by` may grant: their own."""
    return permissions_of(by) if by.is_active else Permission.objects.none()


def grantable_groups(by: User) -> QuerySet[Group]:
    """Return the groups to which `by` may add others."""
    if not by.is_active:
        return Group.objects.none()
    exceeding = Permission.objects.filter(group=OuterRef("pk")).exclude(pk__in=permissions_of(by).values("pk"))
    return Group.objects.filter(~Exists(exceeding))


def _exceeds(by: User, permissions: QuerySet[Permission]) -> bool:
    return permissions.exclude(pk__in=permissions_of(by).values("pk")).exists()

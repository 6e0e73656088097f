"""The order of cards within a column: the rank a person chose, otherwise the last change."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from mission_control.actions import tasks
from mission_control.actions.ordering import rank_card
from mission_control.errors import Invalid, NotFound, WrongState
from mission_control.models import Activity, Task
from mission_control.web.board.page import FIRST_CARDS
from tests import make
from tests.web.board.test_board import SCRIPT, card_of, html, put, titles_in
from tests.web.conftest import SEES, client_of

pytestmark = pytest.mark.usefixtures("database")
Status = Task.Status


def column(status=Status.INBOX) -> str:
    return "".join(Task.objects.filter(status=status).by_rank().values_list("title", flat=True))


def made(titles: str) -> dict[str, Task]:
    """Create tasks that have this order from top to bottom."""
    return {title: make.task(title=title) for title in reversed(titles)}


@pytest.mark.parametrize(
    ("moved", "beside", "order"),
    [
        ("D", {"below": "A"}, "ADBC"),
        ("D", {"above": "A"}, "DABC"),
        ("A", {"below": "D"}, "BCDA"),
        ("A", {"above": "D"}, "BCAD"),
        ("C", {}, "CABD"),
        ("B", {"below": "A"}, "ABCD"),
    ],
)
def test_a_card_is_placed_beside_another_or_on_top(moved, beside, order):
    cards = made("ABCD")
    keys = {name: cards[other].pk for name, other in beside.items()}
    rank_card(cards[moved], below=keys.get("below"), above=keys.get("above"))
    assert column() == order


def test_one_move_writes_one_row_and_changes_no_task(django_assert_max_num_queries):
    cards = made("ABCD")
    before = dict(Task.objects.values_list("pk", "updated_at"))
    with django_assert_max_num_queries(12) as few:
        rank_card(cards["D"], below=cards["A"].pk)
    assert sum('UPDATE "mission_control_task"' in query["sql"] for query in few) == 1
    assert dict(Task.objects.values_list("pk", "updated_at")) == before
    assert Task.objects.exclude(placed_at=None).get() == cards["D"]
    Task.objects.bulk_create(Task(title="x") for _ in range(500))
    with django_assert_max_num_queries(12) as many:
        rank_card(cards["A"], below=cards["B"].pk)
    assert len(many) == len(few)


def test_cards_of_one_moment_leave_room_for_another():
    cards = made("ABCD")
    Task.objects.update(updated_at=timezone.now())
    [first, second, *_] = Task.objects.by_rank()
    moved = Task.objects.exclude(pk__in=[first.pk, second.pk]).first()
    rank_card(moved, below=first.pk)
    assert [task.pk for task in Task.objects.by_rank()][:3] == [first.pk, moved.pk, second.pk]
    assert len(cards) == Task.objects.count()


def test_the_second_place_never_runs_out():
    cards = made("ABC")
    for number in range(400):
        rank_card(cards["BC"[number % 2]], below=cards["A"].pk)
        assert column()[:2] == "A" + "BC"[number % 2], number


def test_neighbours_with_ids_side_by_side_are_moved_apart():
    now = timezone.now()
    for number, title in enumerate("AB"):
        make.task(title=title, id=uuid.UUID(int=2**100 + number))
    moved = make.task(title="C")
    Task.objects.filter(title__in="AB").update(updated_at=now)
    rank_card(moved, below=uuid.UUID(int=2**100))
    assert column() == "ACB"


def test_a_card_that_is_placed_stays_while_others_change_and_moves_on_with_its_status():
    cards = made("ABCD")
    rank_card(cards["D"], below=cards["A"].pk)
    tasks.change(cards["C"], description="More")
    tasks.change(cards["D"], description="More")
    assert column() == "CADB"
    tasks.set_status(cards["D"], Status.REVIEW)
    tasks.set_status(cards["D"], Status.INBOX)
    assert column() == "DCAB"


def test_a_run_lets_go_of_the_place():
    cards, agent = made("AB"), make.agent()
    rank_card(cards["B"], above=cards["A"].pk)
    make.run(cards["B"], agent)
    assert Task.objects.get(title="B").placed_at is None


def test_done_and_skipped_share_a_column():
    cards = made("ABC")
    tasks.set_status(cards["A"], Status.DONE)
    tasks.skip(cards["B"])
    rank_card(cards["C"], status=Status.DONE, below=cards["B"].pk)
    assert column(Status.DONE) == "CA"
    rank_card(cards["A"], above=cards["B"].pk)
    closed = Task.objects.filter(status__in=[Status.DONE, Status.SKIPPED]).by_rank()
    assert "".join(task.title for task in closed) == "ABC"


def test_what_cannot_be_placed_says_so():
    cards = made("ABC")
    tasks.set_status(cards["A"], Status.REVIEW)
    with pytest.raises(WrongState, match="has moved"):
        rank_card(cards["C"], below=cards["A"].pk)
    rank_card(cards["C"], below=cards["A"].pk, above=cards["B"].pk)
    assert column() == "CB"
    with pytest.raises(Invalid):
        rank_card(cards["C"], below=cards["C"].pk)
    gone = Task(pk=uuid.uuid4())
    with pytest.raises(NotFound):
        rank_card(gone)


def test_many_who_place_in_one_gap_at_once_leave_an_order():
    cards = made("ABCDEFGH")

    def put(title: str) -> None:
        try:
            rank_card(cards[title], below=cards["A"].pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, "CDEFGH"))
    places = {(task.rank_at, task.rank_tie) for task in Task.objects.by_rank()}
    assert len(places) == 8
    assert column()[0] == "A"
    assert column()[-1] == "B"


# ---------------------------------------------------------------- the page
def test_the_page_places_a_card_and_leaves_a_line_in_the_feed(browser):
    cards = made("ABC")
    fields = {"to": "inbox", "below": cards["A"].pk, "above": cards["B"].pk}
    assert browser.post(f"/tasks/{cards['C'].pk}/move", fields, **SCRIPT).status_code == 204
    assert titles_in(html(browser), "inbox") == ["A", "C", "B"]
    assert "data-placed" in card_of(browser, cards["C"])
    assert "data-placed" not in card_of(browser, cards["A"])
    assert Activity.objects.first().message == "Task moved on the board: C"
    fields = {"to": "review", "below": cards["A"].pk}
    refused = browser.post(f"/tasks/{cards['C'].pk}/move", fields, **SCRIPT)
    assert (refused.status_code, Task.objects.get(title="C").status) == (400, Status.INBOX)
    assert browser.post(f"/tasks/{cards['C'].pk}/move", {"to": "inbox", "below": "x"}, **SCRIPT).status_code == 400


def test_a_card_is_dropped_at_its_place_in_another_column(browser):
    cards = made("ABC")
    for title in "AB":
        tasks.set_status(cards[title], Status.REVIEW)
    browser.post(f"/tasks/{cards['C'].pk}/move", {"to": "review", "below": cards["B"].pk}, **SCRIPT)
    assert titles_in(html(browser), "review") == ["B", "C", "A"]


def test_the_order_holds_over_the_pages_of_a_long_column(browser):
    now = timezone.now()
    Task.objects.bulk_create(Task(title=f"Task {number}") for number in range(60))
    for number, task in enumerate(Task.objects.order_by("pk")):
        Task.objects.filter(pk=task.pk).update(updated_at=now - timedelta(seconds=number), title=f"{number:02}")
    moved, beside = Task.objects.get(title="02"), Task.objects.get(title="54")
    rank_card(moved, below=beside.pk)
    assert "02" not in titles_in(html(browser), "inbox")
    more = html(browser, f"/board/more/inbox?offset={FIRST_CARDS}")
    assert more.index('data-key="title" draggable="false">54<') < more.index(f'id="card-{moved.pk}"')


def test_who_may_only_look_places_nothing():
    client, cards = client_of(make.user(may=SEES)), made("AB")
    page = html(client)
    assert "data-sorts" not in page
    assert "data-step" not in html(client, f"/tasks/{cards['B'].pk}/menu")
    assert put(client, cards["B"], "inbox", **SCRIPT).status_code == 403
    assert column() == "AB"

"""The admin: every page opens, and every change there goes through an action."""

import re
import uuid

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent, AllowedProgram, ProviderKey, SdkInstallation
from mission_control.actions import notifications
from mission_control.models import (
    AccessToken,
    Activity,
    Capacity,
    Deliverable,
    Message,
    Project,
    Review,
    Run,
    RunEvent,
    Task,
    WorkerGroup,
)
from mission_control.runs.lifecycle import claim, finish
from mission_control.runs.workers import send_heartbeat
from tests import make

OURS = [model for model in admin.site._registry if model._meta.app_label in ("mission_control", "agents")]


@pytest.fixture
def staff():
    client = Client()
    client.force_login(make.user())
    return client


def url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def messages(answer):
    return [str(message) for message in answer.context["messages"]]


@pytest.fixture
def one_of_each():
    run = make.run(make.task(project=make.project(), assignees=[make.agent()]))
    make.document(task=run.task, run=run)
    Message.objects.create(task=run.task, content="Hello")
    send_heartbeat()
    make.token()
    Review.objects.create(task=make.task())
    make.question()
    AllowedProgram.objects.create(name="claude")
    ProviderKey.objects.create(variable="OPENAI_API_KEY", sealed="nonsense")
    SdkInstallation.objects.create(reported_at=timezone.now())
    return run


def test_every_list_and_every_object_opens(staff, one_of_each):
    assert {model.__name__ for model in OURS} >= {"Agent", "Task", "Project", "Run", "RunEvent", "AccessToken"}
    for model in OURS:
        assert staff.get(url(model, "changelist"), {"q": "x"}).status_code == 200, model
        listed = staff.get(url(model, "changelist"))
        assert listed.status_code == 200
        assert staff.get(url(model, "change", model._default_manager.first().pk)).status_code == 200, model


def test_the_hash_of_a_token_is_shown_nowhere(staff):
    make.token()
    token = AccessToken.objects.get()
    page = staff.get(url(AccessToken, "changelist")).content.decode()
    assert token.user.username in page
    assert token.token_key not in page
    assert f">{token.digest}" not in page
    revoke = {"action": "delete_selected", "_selected_action": [token.pk]}
    assert f">{token.digest}" not in staff.post(url(AccessToken, "changelist"), revoke).content.decode()
    staff.post(url(AccessToken, "changelist"), {**revoke, "post": "yes"})
    assert not AccessToken.objects.exists()


def many_of_each(number):
    """Create `number` rows of each kind that the admin lists, each with related rows that its list shows."""
    make.limit(1_000)
    for _ in range(number):
        agent, project = make.agent(), make.project()
        project.planner_agent = agent
        project.save()
        run = make.run(make.task(project=project, assignees=[agent]), agent)
        finish(claim(run.pk, worker="test").pk, "completed", guard=Q())
        make.run(run.task, agent)
        Message.objects.create(task=run.task, from_agent=agent, author=make.user(), content="Hello")
        notifications.create(Activity.Type.MENTION, "Hello", to=[agent], task=run.task)
        make.token()


def test_a_list_takes_the_same_few_queries_however_long_it_is(staff):
    counts = []
    for number in (2, 10):
        many_of_each(number)
        counts.append({model: queries_of(staff, url(model, "changelist")) for model in OURS})
    assert counts[0] == counts[1]
    assert max(counts[1].values()) <= 8


def queries_of(client, path):
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


def test_no_page_lists_all_the_rows_of_another_kind(staff, one_of_each):
    for _ in range(12):
        make.project(title="Never an option", planner_agent=make.agent(name="Never an option"))
        make.task(title="Never an option")
        make.document(title="Never an option")
        make.user(username=f"Never an option {uuid.uuid4()}")
    for model in OURS:
        for path in (url(model, "changelist"), url(model, "add"), url(model, "change", one_of(model).pk)):
            page = staff.get(path).content.decode()
            assert not re.search(r"<option[^>]*>Never an option", page), path


def one_of(model):
    return model._default_manager.order_by("pk").first()


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_what_a_list_is_sorted_by_is_the_order_of_an_index(model):
    """Covers the default order and each column that can be sorted by."""
    listing = admin.site._registry[model]
    if model in (Agent, Project, AccessToken, Capacity, WorkerGroup, Review):
        return  # these tables are small
    of_fields = [index.fields[0] for index in model._meta.indexes if index.fields]  # others are on expressions
    first = {name.lstrip("-") for name in of_fields} | {"pk", model._meta.pk.name}
    own = listing.get_ordering(None) or model._meta.ordering
    assert {str(own[0]).lstrip("-"), *listing.sortable_by} <= first | {"run"}  # run_event_once


def test_a_whole_id_is_found_and_so_is_a_word(staff):
    agent = make.agent(name="Ada Lovelace")
    task = make.task(title="Write the 50% report", assignees=[agent])
    make.task(title="Other")
    for model, term, found in (
        (Task, str(task.pk), 1),
        (Task, task.pk.hex.upper(), 1),
        (Task, "report write", 1),
        (Task, "50%", 1),
        (Task, str(task.pk)[:8], 0),
        (Activity, str(task.pk), 2),
        (Activity, str(agent.pk), 2),
        (RunEvent, "words", 0),
        (Agent, "lovelace", 1),
    ):
        assert staff.get(url(model, "changelist"), {"q": term}).context["cl"].result_count == found, (model, term)


# ---------------------------------------------------------------- derived values and long values
def test_an_agent_reads_active_while_it_has_a_run_as_in_the_api(staff):
    busy, idle = make.agent(name="Busy"), make.agent(name="Idle")
    make.agent(name="Away", status="offline")
    make.run(by=busy)

    def names(status):
        listed = staff.get(url(Agent, "changelist"), {"status": status}).context["cl"].result_list
        return [agent.name for agent in listed]

    assert {status: names(status) for status in ("active", "idle", "offline", "blocked")} == {
        "active": ["Busy"],
        "idle": ["Idle"],
        "offline": ["Away"],
        "blocked": [],
    }
    states = re.findall(r'field-state">([^<]*)<', staff.get(url(Agent, "changelist")).content.decode())
    assert states == ["Offline", "Active", "Idle"]
    for agent, status in ((busy, "Active"), (idle, "Idle")):
        page = staff.get(url(Agent, "change", agent.pk)).content.decode()
        assert f'<div class="readonly">{status}</div>' in page


def test_the_page_of_a_run_shows_where_a_long_output_begins_and_leads_to_the_rest(staff):
    run = make.run()
    finish(claim(run.pk, worker="test").pk, "completed", guard=Q())
    Run.objects.filter(pk=run.pk).update(output="<b>" + "x" * 3_000_000)
    page = staff.get(url(Run, "change", run.pk)).content.decode()
    assert len(page) < 100_000
    assert "&lt;b&gt;xxx" in page
    assert f'<a href="{reverse("admin:mission_control_run_events", args=[run.pk])}">all events</a>' in page


@pytest.mark.parametrize("model", [Run, RunEvent, Activity])
def test_the_record_cannot_be_changed(staff, one_of_each, model):
    key = model._default_manager.first().pk
    before = list(model.objects.values())
    assert staff.get(url(model, "add")).status_code == 403
    assert staff.post(url(model, "change", key), {"status": "completed"}).status_code == 403
    assert staff.post(url(model, "delete", key), {"post": "yes"}).status_code == 403
    assert list(model.objects.values()) == before


@pytest.mark.parametrize("model", [Task, Agent, Project])
def test_what_has_an_active_run_is_not_deleted(staff, one_of_each, model):
    key = {Task: one_of_each.task_id, Agent: one_of_each.agent_id, Project: one_of_each.project_id}[model]
    told = [f"{model.__name__} has an active run"]
    assert staff.get(url(model, "delete", key)).status_code == 200
    assert messages(staff.post(url(model, "delete", key), {"post": "yes"}, follow=True)) == told
    action = {"action": "delete_selected", "_selected_action": [str(key)], "post": "yes"}
    assert messages(staff.post(url(model, "changelist"), action, follow=True)) == told
    assert model.objects.filter(pk=key).exists()


def test_what_has_none_is_deleted_with_an_activity(staff):
    task = make.task(title="Gone")
    staff.post(url(Task, "delete", task.pk), {"post": "yes"})
    assert not Task.objects.exists()
    assert Activity.objects.filter(message="Task deleted: Gone").exists()


def form_of(page):
    """Return the data that the page's form would send."""
    form = page.context["adminform"].form
    values = {name: field.value() for name, field in ((bound.name, bound) for bound in form)}
    shown = {}
    for name, value in values.items():
        if (
            isinstance(value, list | tuple)
            and form.fields.get(name).__class__.__name__ == "ModelMultipleChoiceField"
        ):
            shown[name] = ",".join(str(getattr(item, "pk", item)) for item in value)
        elif value is not None:
            shown[name] = value
    inlines = [formset.formset.management_form for formset in page.context["inline_admin_formsets"]]
    counted = {f"{one.prefix}-{name}": one[name].value() for one in inlines for name in one.fields}
    return counted | {name: value for name, value in shown.items() if name != "due_date"}


def test_a_task_is_made_and_changed_by_its_verbs(staff):
    blocker = make.task()
    form = {**form_of(staff.get(url(Task, "add"))), "title": "By hand", "tags": "[]", "metadata": "{}"}
    answer = staff.post(url(Task, "add"), {**form, "blocked_by": str(blocker.pk)}, follow=True)
    task = Task.objects.get(title="By hand")
    assert answer.status_code == 200
    assert list(task.blocked_by.all()) == [blocker]
    assert Activity.objects.filter(type="task_created", task=task).exists()

    form = {**form_of(staff.get(url(Task, "change", task.pk))), "status": "done"}
    staff.post(url(Task, "change", task.pk), form)
    task.refresh_from_db()
    assert task.status == "done"
    assert task.completed_at is not None
    assert Activity.objects.filter(type="task_completed", task=task).exists()


def test_what_a_verb_refuses_is_said_and_nothing_of_it_is_kept(staff):
    run = make.run()
    form = {**form_of(staff.get(url(Task, "change", run.task_id))), "status": "done", "title": "Changed"}
    answer = staff.post(url(Task, "change", run.task_id), form, follow=True)
    assert messages(answer) == ["Task has an active run"]
    run.task.refresh_from_db()
    assert (run.task.status, run.task.title != "Changed") == ("in_progress", True)

    form = {"name": "A", "role": "B", "backend": "none", "level": "lead", "status": "idle"}
    form |= {"specialties": "[]", "metadata": "{}", "backend_options": "{}"}
    [told] = messages(staff.post(url(Agent, "add"), form, follow=True))
    assert told.startswith("Unknown backend")
    assert not Agent.objects.filter(name="A").exists()


def test_agents_projects_and_documents_are_made_and_changed(staff):
    for model, fields in (
        (Agent, {"name": "Ada", "role": "Writer", "backend": "demo"}),
        (Project, {"title": "Book"}),
        (Deliverable, {"title": "Notes", "content": "one"}),
    ):
        form = form_of(staff.get(url(model, "add")))
        form |= {name: "{}" for name in ("metadata", "backend_options") if name in form}
        form |= {name: "[]" for name in ("tags", "specialties") if name in form}
        staff.post(url(model, "add"), {**form, **fields})
        made = model.objects.get()
        changed = {"content": "two"} if model is Deliverable else {"description": "new"}
        answer = staff.post(url(model, "change", made.pk), {**form, **fields, **changed})
        assert answer.status_code == 302, answer.context["errors"]
    assert list(Deliverable.objects.get().versions.values_list("content", flat=True)) == ["one", "two"]


def test_more_capacity_starts_who_waits(staff, django_capture_on_commit_callbacks):
    make.limit(1)
    make.run()
    waiting = make.run(when_full="queue")
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(url(Capacity, "change", 1), {"limit": 2})
    waiting.refresh_from_db()
    assert waiting.status == "queued"


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x"])
def test_a_limit_out_of_range_is_refused(staff, limit):
    assert staff.post(url(Capacity, "change", 1), {"limit": limit}).status_code == 200
    assert Capacity.current().limit == 5
    assert staff.get(url(Capacity, "add")).status_code == 403

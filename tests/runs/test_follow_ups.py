"""A follow-up continues the agent's conversation about a task, and is sent again until a run with it completes."""

from datetime import timedelta
from typing import ClassVar

import pytest
from django.utils import timezone

from agents.backends.base import BackendError, Session
from mission_control.actions import comments
from mission_control.actions.conversation import follow_up
from mission_control.errors import FollowUpKept
from mission_control.models import Deliverable, Message, Run, Task
from mission_control.runs import parking, quota_gates
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import promote, stop
from mission_control.scheduling.scheduler import retry_outside_projects
from tests import make
from tests.backends import Scripted, says
from tests.runs.test_execution import an_agent, carried_out

Status = Run.Status
FAILS = {"fails": "It broke"}


class Talking(Scripted):
    """Keeps conversations, and repeats what it is sent: the continuation if it continues one, else the prompt."""

    name = "talking"
    capabilities: ClassVar[tuple[str, ...]] = ("sessions",)

    async def stream(self, prompt, options, workdir):
        yield Session("kept")
        yield says(self.continuation if self.earlier_session else prompt)
        if "fails" in options:
            raise BackendError(options["fails"])


class Forgetful(Talking):
    name = "forgetful"
    capabilities: ClassVar[tuple[str, ...]] = ()


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = {
        "talking": "tests.runs.test_follow_ups.Talking",
        "forgetful": "tests.runs.test_follow_ups.Forgetful",
    }


@pytest.fixture
def ada():
    return make.user(username="ada")


def followed_up(task: Task, agent, text: str, **how) -> Run:
    run = follow_up(Task.objects.get(pk=task.pk), agent, text, **how)
    execute(run.pk)
    run.refresh_from_db()
    return run


def without_options(agent) -> None:
    agent.backend_options = {}
    agent.save()


@pytest.mark.parametrize("options", [{}, FAILS], ids=["completed", "failed"])
def test_a_continued_conversation_is_sent_only_the_follow_up(task, ada, options):
    agent = an_agent("talking", options=options)
    first = carried_out(task, agent)
    without_options(agent)

    run = followed_up(task, agent, "Now in French.", by=ada)

    assert (run.status, run.output) == (Status.COMPLETED, "Now in French.")
    assert (run.follow_up, run.previous_run) == ("Now in French.", first)
    assert Task.objects.get(pk=task.pk).status == Task.Status.DONE


def test_the_conversation_of_a_stopped_run_is_continued(task, ada):
    agent = an_agent("talking")
    first = carried_out(task, agent)
    Run.objects.filter(pk=first.pk).update(status=Status.STOPPED, end_cause=Run.EndCause.STOPPED)
    assert followed_up(task, agent, "Go on.", by=ada).output == "Go on."


def test_a_follow_up_that_waited_for_a_quota_before_its_first_call_is_sent_once(task, ada):
    agent = an_agent("talking")
    carried_out(task, agent)
    quota_gates.close_gate("talking", agent=agent, reason="Used up", resets_at=None, is_test=False)
    run = followed_up(task, agent, "Now in French.", by=ada)
    assert run.status == Status.PARKED

    quota_gates.open_gate("talking")
    parking.resume_due()
    promote()
    execute(run.pk)

    run.refresh_from_db()
    assert (run.status, run.output) == (Status.COMPLETED, "Now in French.")


def test_the_follow_up_is_a_message_of_the_thread_and_the_second_event_of_the_run(task, ada):
    agent = an_agent("talking")
    carried_out(task, agent)
    document = make.document(title="Prices", content="42")

    run = followed_up(task, agent, "Use these.", by=ada, attachments=[document])

    message = Message.objects.get(task=task)
    assert (message.content, message.author, message.run, message.delivery) == (
        "Use these.",
        ada,
        run,
        "follow_up",
    )
    assert message.attachment_ids == [str(document.pk)] and message.delivered_at
    events = list(run.events.order_by("seq").values_list("seq", "type", "content", "metadata"))
    told = {"message_id": str(message.pk), "sender": "ada", "delivery": "follow_up"}
    assert events[1] == (2, "input", "Use these.", told)
    assert [seq for seq, *_ in events] == list(range(1, run.last_seq + 1))
    assert "Use these." not in run.output.partition("## Documents attached to the task")[0]
    assert 'title="Prices">\n42\n' in run.output and run.output.endswith("\n\nUse these.")


def test_an_agent_without_a_conversation_is_sent_the_prompt_with_the_last_answer_and_the_follow_up(task, ada):
    agent = an_agent("forgetful")
    Deliverable.objects.all().delete()
    carried_out(task, agent)
    answer = Deliverable.objects.get(task=task)

    run = followed_up(task, agent, "Now in French.", by=ada)

    result = run.output.partition("## Result of the last attempt at this task")[2]
    assert answer.content.splitlines()[0] in result
    assert "## Follow-up\nA person continues the conversation about this task:\n\nNow in French." in result
    assert run.output == run.prompt and run.prompt.count("Now in French.") == 1
    answer.refresh_from_db()
    assert (answer.version, answer.content) == (2, run.output)


def test_the_output_of_an_attempt_that_failed_is_in_the_prompt_of_an_agent_without_a_conversation(task, ada):
    agent = an_agent("forgetful", options=FAILS)
    carried_out(task, agent)
    without_options(agent)
    prompt = followed_up(task, agent, "Try it again.", by=ada).prompt
    output = prompt.partition("## Output of the last attempt at this task, which ended early")[2]
    assert 'kind="output" title="Attempt 1">\nYou are Agent, Tester.' in output


def test_another_agent_gets_the_last_result_and_the_follow_up(task, ada):
    first = carried_out(task, an_agent("talking"))
    run = followed_up(task, an_agent("talking"), "Check this.", by=ada)
    assert run.previous_run == first
    assert "## Result of the last attempt" in run.output and "Check this." in run.output


def test_messages_that_the_conversation_lacks_are_sent_with_the_follow_up(task, ada):
    agent = an_agent("talking")
    comments.post(task, "Before.", by=ada)
    carried_out(task, agent)
    comments.post(task, "Use British English.", by=ada)

    sent = followed_up(task, agent, "Shorter, please.", by=ada).output

    assert "Use British English." in sent and "Before." not in sent
    assert sent.endswith("\n\nShorter, please.") and sent.count("Shorter, please.") == 1
    assert followed_up(task, agent, "Thanks.", by=ada).output == "Thanks."


def test_a_retry_of_a_failed_follow_up_sends_it_again_until_it_completes(task, ada):
    agent = an_agent("talking")
    carried_out(task, agent)
    Task.objects.filter(pk=task.pk).update(metadata={"retry": {"attempts": 3, "backoff_seconds": 1}})
    agent.backend_options = FAILS
    agent.save()
    assert followed_up(task, agent, "Now in French.", by=ada).status == Status.ERROR
    without_options(agent)

    Task.objects.filter(pk=task.pk).update(retry_at=timezone.now() - timedelta(seconds=1))
    retry_outside_projects()
    retry = Run.objects.get(status=Status.QUEUED)
    execute(retry.pk)

    retry.refresh_from_db()
    assert (retry.follow_up, retry.output) == ("Now in French.", "Now in French.")
    assert retry.events.get(seq=2).type == "input"
    assert Message.objects.filter(task=task).count() == 1
    assert not carried_out(Task.objects.get(pk=task.pk), agent).follow_up


def test_a_follow_up_of_a_task_in_review_withdraws_the_review(ada):
    agent = an_agent("talking", level="intern")
    task = make.task()
    carried_out(task, agent)
    assert task.reviews.filter(status="open").exists()
    run = follow_up(Task.objects.get(pk=task.pk), agent, "Not yet.", by=ada)
    assert not task.reviews.filter(status="open").exists()
    assert Task.objects.get(pk=task.pk).status == Task.Status.IN_PROGRESS
    stop(run)


def test_a_follow_up_to_a_task_that_runs_is_kept_in_the_thread_and_starts_nothing(task, ada):
    agent = an_agent("talking")
    run = follow_up(task, agent, "First.", by=ada)
    with pytest.raises(FollowUpKept) as refusal:
        follow_up(task, agent, "Second.", by=make.user())
    assert [message.content for message in task.messages.all()] == ["First.", "Second."]
    kept = task.messages.get(content="Second.")
    assert (refusal.value.body, kept.run) == ({"message_id": str(kept.pk), "delivery": "next_turn"}, run)
    assert Run.objects.active().get() == run


def test_a_follow_up_that_waits_for_a_slot_is_logged_when_it_starts(task, ada):
    make.limit(1)
    agent = an_agent("talking")
    other = make.run()
    waiting = follow_up(task, agent, "Later.", by=ada, when_full="queue")
    assert (waiting.status, waiting.last_seq) == (Status.WAITING, 0)
    assert task.messages.get().delivered_at is None
    stop(other)
    waiting.refresh_from_db()
    assert list(waiting.events.values_list("seq", "type", "content")) == [
        (1, "status", "started"),
        (2, "input", "Later."),
    ]
    assert task.messages.get().delivered_at


def test_a_script_of_the_demo_goes_on_with_the_follow_up(task, ada):
    script = [{"say": "One."}, {"fail": "Stop here"}, {"say": "They said: {message}"}]
    agent = an_agent("demo", options={"script": script})
    carried_out(task, agent)
    assert followed_up(task, agent, "go on", by=ada).output == "They said: go on"

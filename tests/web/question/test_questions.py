"""Questions of agents on the pages: how they are shown and answered."""

import re

import pytest
from django.db.models import Q

from mission_control.models import Question, Run
from mission_control.runs import questions
from mission_control.runs.lifecycle import finish
from mission_control.runs.questions import stored_input
from mission_control.web.question.tool_input import readable
from tests import make
from tests.web.conftest import SEES, client_of
from tests.web.pages import SCRIPT, asked, html, page_of, squeezed, started_run, text_of

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">'
DATABASES = [("pg", "PostgreSQL"), ("lite", "SQLite")]


def run_of(**fields) -> Run:
    return started_run(make.task(**fields), make.agent(name="Scout"))


def answer(browser, question: Question, *, script: bool = False, **fields):
    return browser.post(f"/questions/{question.pk}/answer", fields, **(SCRIPT if script else {}))


def card_in(page: str) -> str:
    return re.search(r'<article class="question".*?</article>', page, re.DOTALL)[0]


# ---------------------------------------------------------------- the card
def test_question_on_the_task_page_says_who_asks_what_with_which_answers_and_until_when(browser):
    question = asked(run_of(), "Which **database**?", options=DATABASES, default="pg", timeout_seconds=60)
    page = page_of(browser, question.task)
    card = card_in(page)
    assert page.index('id="questions"') < page.index('id="run-bar"') < page.index('id="output"')
    assert "Scout" in text_of(card) and "asks" in text_of(card)
    assert "Which <strong>database</strong>?" in card
    assert re.findall(r'name="choice" value="(\w+)"[^>]*data-digit="(\d)"', card) == [("pg", "1"), ("lite", "2")]
    assert 'name="text"' in card
    assert question.expires_at.isoformat() in card
    assert "Without an answer by then, the answer is “PostgreSQL”." in text_of(card)


def test_question_without_a_default_says_that_its_run_will_fail(browser):
    question = asked(run_of())
    assert "Without an answer by then, the run fails." in text_of(card_in(page_of(browser, question.task)))


def test_several_open_questions_are_shown_together_oldest_first(browser):
    run = run_of()
    first, second = asked(run, "First?"), asked(run, "Second?")
    page = page_of(browser, run.task)
    assert page.index(f"question-{first.pk}") < page.index(f"question-{second.pk}")


def test_page_without_an_open_question_shows_none(browser):
    question = asked(run_of())
    finish(question.run_id, Run.Status.STOPPED, guard=Q())
    page = page_of(browser, question.task)
    assert '<article class="question"' not in page
    assert re.search(r'id="questions"[^>]* hidden', page)


def test_what_agents_ask_is_never_markup(browser):
    run = run_of()
    asked(run, HOSTILE, options=[(HOSTILE, HOSTILE)])
    asked(run, HOSTILE, tool=(HOSTILE, {"command": HOSTILE, HOSTILE: HOSTILE}))
    asked(run, HOSTILE, tool=("Edit", {"file_path": HOSTILE, "old_string": HOSTILE, "new_string": HOSTILE * 2}))
    for path in (f"/tasks/{run.task_id}", "/overview", "/", "/search?q=answer"):
        page = html(browser, path)
        assert "alert(1)" in page, path
        assert "<script>" not in page and "<img" not in page, path


def test_user_who_may_not_change_runs_sees_the_question_and_cannot_answer(database):
    question = asked(run_of())
    reader = client_of(make.user(may=SEES))
    page = page_of(reader, question.task)
    assert "Which database?" in page and "question-form" not in page
    assert answer(reader, question, text="Mine").status_code == 403
    assert Question.objects.get(pk=question.pk).status == "open"
    without_runs = client_of(make.user(may=["mission_control.view_task"]))
    for path in (f"/tasks/{question.task_id}", "/search?q=answer", "/"):
        assert "Which database?" not in html(without_runs, path), path


# ---------------------------------------------------------------- approvals
def test_approval_shows_the_command_and_its_three_decisions(browser):
    question = asked(run_of(), "May I?", tool=("Bash", {"command": "git push", "timeout": 30}))
    card = card_in(page_of(browser, question.task))
    assert "wants to use" in card and "<code>Bash</code>" in card
    assert re.findall(r'name="decision" value="(\w+)"', card) == ["allow", "allow_for_run", "deny"]
    assert "git push" in text_of(card) and "timeout 30" in text_of(card)
    assert re.search(r"id=\"rule-[^>]*>.*?<code>Bash\(git push", card)


def test_edit_of_a_file_is_a_diff():
    shown = readable(
        {"file_path": "a.py", "old_string": "one\ntwo", "new_string": "one\nthree", "replace_all": True}
    )
    assert shown.path == "a.py"
    assert shown.lines == [(" ", "one"), ("-", "two"), ("+", "three")]
    assert shown.rows == [("replace_all", "true")]
    edits = [{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": "d"}]
    assert readable({"path": "a", "edits": edits}).lines == [
        ("-", "a"),
        ("+", "b"),
        ("@", "⋯"),
        ("-", "c"),
        ("+", "d"),
    ]


def test_new_file_is_a_diff_of_added_lines_and_a_patch_one_as_it_was_given():
    assert readable({"file_path": "a.py", "content": "x\ny"}).lines == [("+", "x"), ("+", "y")]
    assert readable({"patch": "@@ -1 +1 @@\n-old\n+new"}).lines == [
        ("@", "@@ -1 +1 @@"),
        ("-", "old"),
        ("+", "new"),
    ]


def test_words_of_a_command_are_not_shown_as_one_line_of_a_shell():
    assert "&quot;a; rm -rf b&quot;" in str(readable({"command": ["ls", "a; rm -rf b"]}).command)


def test_hidden_characters_of_an_input_are_visible():
    shown = readable({"command": "rm -rf /\rls\x1b[2K\u202e", "url": "a\u2066b"})
    assert "rm -rf /␍ls␛[2K" in text_of(str(shown.command))
    assert "[U+202E]" in text_of(str(shown.command))
    assert shown.rows == [("url", "a[U+2066]b")]


def test_no_value_of_an_input_is_left_out_and_a_cut_one_is_announced():
    shown = readable({"command": "ls", "cmd": "pwd", "content": "text", "list": [1, {"a": None}], "n": None})
    assert [name for name, _ in shown.rows] == ["cmd", "content", "list", "n"]
    assert not shown.is_cut
    assert readable({"content": "x" * 30_000}).is_cut
    assert readable("only text").rows == [("input", "only text")]


def test_everything_in_a_list_of_edits_is_shown():
    edits = [
        {"path": "/etc/x", "oldText": "a", "newText": "b", "replace_all": True},
        {"oldText": "", "newText": "c"},
    ]
    shown = readable({"edits": edits})
    assert shown.lines == [("-", "a"), ("+", "b"), ("@", "⋯"), ("+", "c")]
    assert shown.rows == [("edits[0].path", "/etc/x"), ("edits[0].replace_all", "true")]


def test_an_edit_whose_texts_were_cut_to_the_same_beginning_is_no_empty_diff():
    long = "x" * 200_000
    cut = stored_input({"file_path": "a.py", "old_string": f"{long}old", "new_string": f"{long}new"})
    shown = readable(cut)
    assert shown.is_cut and not shown.lines
    assert [name for name, _ in shown.rows] == ["file_path", "old_string", "new_string"]


def test_a_file_that_is_emptied_is_shown_with_its_empty_content():
    assert readable({"file_path": "a.py", "content": ""}).rows == [("file_path", "a.py"), ("content", '""')]


def test_characters_without_a_width_are_visible_in_what_is_approved():
    shown = readable({"path": "a\u200bb", "note": "\u2060\ufeff\u200f"})
    assert shown.rows == [("path", "a[U+200B]b"), ("note", "[U+2060][U+FEFF][U+200F]")]


# ---------------------------------------------------------------- answers
def test_answer_by_a_plain_form_leads_back_with_a_message(browser):
    question = asked(run_of(), options=DATABASES)
    answered = answer(browser, question, choice="pg", text="")
    assert (answered.status_code, answered["Location"]) == (302, f"/tasks/{question.task_id}")
    question.refresh_from_db()
    assert (question.status, question.answer) == ("answered", {"choice": "pg"})
    assert "Answered." in page_of(browser, question.task)
    other = asked(run_of(), options=DATABASES)
    assert answer(browser, other, text="Neither\r\none", back="overview")["Location"] == "/overview"
    other.refresh_from_db()
    assert other.answer == {"text": "Neither\none"}


@pytest.mark.parametrize("decision", ["allow", "allow_for_run", "deny"])
def test_approval_is_decided_with_one_button_and_denied_with_a_reason(browser, decision):
    question = asked(run_of(), tool=("Bash", {"command": "git push"}))
    shown = answer(browser, question, script=True, decision=decision, reason="Not today")
    question.refresh_from_db()
    assert question.answer["decision"] == decision
    assert 'data-state="answered"' in shown.content.decode()
    if decision == "deny":
        assert question.answer["reason"] == "Not today"
        assert "denied it: Not today" in text_of(squeezed(shown.content.decode()))


def test_second_answer_is_refused_and_says_who_answered_what(browser):
    question = asked(run_of(), options=DATABASES)
    ada = make.user(username="Ada")
    questions.answer(question.pk, choice="lite", by=ada)
    late = answer(browser, question, script=True, choice="pg")
    assert late.status_code == 409
    assert "Ada answered: SQLite" in text_of(squeezed(late.content.decode()))
    assert "question-form" not in late.content.decode()
    plain = browser.post(f"/questions/{question.pk}/answer", {"choice": "pg"}, follow=True)
    assert "already answered: Ada answered: SQLite" in plain.content.decode()


@pytest.mark.parametrize(
    "fields", [{"text": "  "}, {"choice": "none"}, {"decision": "allow"}, {}, {"text": "x" * 60_000}]
)
def test_wrong_answer_is_an_error_at_the_field_and_the_question_stays_open(browser, fields):
    question = asked(run_of(), options=DATABASES)
    refused = answer(browser, question, script=True, **fields)
    assert refused.status_code == 400
    assert re.search(r"data-error>.*?<span>[^<]+</span>", squeezed(refused.content.decode()))
    assert answer(browser, question, **fields).status_code == 302
    question.refresh_from_db()
    assert question.status == "open"


def test_answer_to_an_unknown_question_is_not_found(browser):
    assert browser.post("/questions/00000000-0000-0000-0000-000000000000/answer", {"text": "x"}).status_code == 404
    assert browser.get("/questions/00000000-0000-0000-0000-000000000000/answer").status_code == 405


# ---------------------------------------------------------------- other pages
def test_question_is_first_in_what_needs_attention_and_answerable_there(browser):
    make.task(title="For people", task_type="human")
    question = asked(run_of(title="Choose well"), options=DATABASES)
    needs = re.search(r'id="needs".*?</section>', html(browser, "/overview"), re.DOTALL)[0]
    assert needs.index("Which database?") < needs.index("For people")
    assert f"/questions/{question.pk}/answer" in needs and 'value="overview"' in needs
    assert 'data-steady="main"' in needs
    answer(browser, question, choice="pg")
    assert "Which database?" not in re.search(r'id="needs".*?</section>', html(browser, "/overview"), re.DOTALL)[0]


def test_card_and_slot_say_what_the_agent_asks(browser):
    question = asked(run_of(), "# Which **database**?\n\nWe need one.")
    page = html(browser, "/")
    assert len(re.findall(r">(?:Asks: )?Which database\?<", page)) == 2
    assert "Asks: Which database?" in page
    assert f"/tasks/{question.task_id}#questions" in page


def test_parked_run_says_on_each_list_that_it_waits_for_an_answer(browser):
    run = run_of(title="Choose well")
    asked(run)
    parked = {"status": Run.Status.PARKED, "parked_for": Run.ParkedFor.QUESTION, "slot": None, "claim_token": None}
    Run.objects.filter(pk=run.pk).update(**parked)
    assert (
        "Waits for an answer"
        in re.search(r'id="runs".*?</section>', html(browser, f"/tasks/{run.task_id}"), re.DOTALL)[0]
    )
    assert "Waits for an answer:" in html(browser, "/agents")
    assert ">Waits for an answer<" in html(browser, f"/agents/{run.agent_id}")


def test_approval_in_one_line_names_the_tool(browser):
    asked(run_of(), tool=("Bash", {"command": "ls"}))
    assert "Asks: Approve Bash?" in html(browser, "/")


def test_palette_leads_to_open_questions(browser):
    question = asked(run_of(title="Choose well"))
    for words in ("answer", "database", "scout", "choose", ""):
        found = html(browser, f"/search?q={words}")
        assert "Answer: Which database?" in found, words
        assert f"/tasks/{question.task_id}#questions" in found
    assert "Answer:" not in html(browser, "/search?q=nothing-is-called-so")

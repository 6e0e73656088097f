"""Logins by password: how often they may fail, how many are checked at once, what is logged."""

import logging
import threading
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from pocketpaw_site import authentication
from tests import make
from tests.servers import wait_until

PASSWORD, WRONG = "the-right-password-7", "a-wrong-password-7"
FAILURES = 3


@pytest.fixture(autouse=True)
def _few_failures_and_cheap_hashes(db, settings):
    settings.AXES_FAILURE_LIMIT = FAILURES
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mara(db):
    user = make.user(username="mara")
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(username="mara", password=PASSWORD, *, at="login", address="192.0.2.1", **headers) -> int:
    form = {"username": username, "password": password}
    answer = Client().post(reverse(at), form, REMOTE_ADDR=address, headers=headers)
    if answer.status_code == 429:
        assert "Too many failed logins" in answer.content.decode()
        assert int(answer["Retry-After"]) > 0
    return answer.status_code


def fail(times: int, **how) -> list[int]:
    return [log_in(password=WRONG, **how) for _ in range(times)]


@pytest.mark.parametrize("at", ["login", "admin:login", "rest_framework:login"])
def test_after_some_failures_the_right_password_is_refused_too_for_a_while(mara, at):
    assert fail(FAILURES, at=at) == [200] * (FAILURES - 1) + [429]
    assert log_in(at=at) == 429
    assert log_in(at="login") == 429
    assert log_in(at=at, address="192.0.2.99") == 302
    AccessAttempt.objects.update(attempt_time=AccessAttempt.objects.get().attempt_time - timedelta(hours=1))
    assert log_in(at=at) == 302


def test_the_user_is_let_in_again_by_a_command(mara):
    fail(FAILURES)
    call_command("axes_reset_username", "mara")
    assert log_in() == 302


def test_who_tries_one_password_on_many_users_is_refused_by_address(mara):
    for number in range(2 * FAILURES):
        log_in(f"user-{number}", WRONG)
    assert log_in() == 429
    assert log_in(address="192.0.2.2") == 302


def test_an_ipv6_client_is_known_by_its_network(mara):
    for number in range(2 * FAILURES):
        log_in(f"user-{number}", WRONG, address=f"2001:db8::{number}")
    assert log_in(address="2001:db8::ffff") == 429
    assert log_in(address="2001:db8:0:1::1") == 302


def test_who_tries_one_user_from_many_addresses_is_refused_later(mara):
    for number in range(5 * FAILURES):
        assert log_in(password=WRONG, address=f"192.0.2.{number + 10}") in (200, 429)
    assert log_in(address="198.51.100.1") == 429


def test_behind_a_proxy_the_address_that_the_proxy_saw_counts(mara, settings):
    settings.NUM_PROXIES = 1
    for number in range(FAILURES):
        log_in(password=WRONG, address="10.0.0.1", x_forwarded_for=f"203.0.113.{number}, 192.0.2.7")
    assert log_in(address="10.0.0.1", x_forwarded_for="203.0.113.200, 192.0.2.7") == 429
    assert log_in(address="10.0.0.1", x_forwarded_for="192.0.2.8") == 302


def test_clients_of_unknown_address_are_counted_together_and_each_in_one_row(mara, caplog):
    behind_unknown_proxy = {"x_forwarded_for": "203.0.113.7"}
    fail(1, **behind_unknown_proxy)
    row = AccessAttempt.objects.get()
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():  # otherwise two requests at once would create two
        row.save(force_insert=True)
    assert fail(FAILURES - 1, **behind_unknown_proxy)[-1] == 429
    assert log_in(**behind_unknown_proxy) == 429
    assert "mara from an unknown address must wait" in caplog.text


def test_who_has_found_a_session_open_may_not_guess_its_password_without_end(mara):
    client = Client(REMOTE_ADDR="192.0.2.1")
    client.force_login(mara)

    def change(old_password: str) -> int:
        form = {"old_password": old_password, "new_password1": "a-newer-one-7", "new_password2": "a-newer-one-7"}
        return client.post(reverse("account-password"), form).status_code

    assert [change(WRONG) for _ in range(FAILURES)] == [400] * (FAILURES - 1) + [429]
    assert change(PASSWORD) == 429
    assert log_in() == 429
    assert not [word for word in (WRONG, "a-newer-one") if word in str(list(AccessAttempt.objects.values()))]
    call_command("axes_reset_username", "mara")
    assert change(PASSWORD) == 302


def test_a_login_forgets_the_users_failures_and_not_the_addresses(mara):
    fail(FAILURES - 1)
    assert log_in() == 302
    assert fail(FAILURES - 1) == [200] * (FAILURES - 1)
    assert AccessAttempt.objects.filter(username="mara").count() == 1
    for number in range(2 * FAILURES):
        log_in(f"other-{number}", WRONG)
    assert log_in() == 429


def test_a_login_that_is_refused_leaves_no_row_no_longer_wait_and_no_line(mara, caplog):
    fail(FAILURES)
    [before] = AccessAttempt.objects.values()
    caplog.clear()
    fail(5)
    log_in()
    assert AccessAttempt.objects.values().get() == before
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


def test_logins_and_failures_are_logged_without_passwords(mara, caplog, settings):
    caplog.set_level(logging.INFO, "pocketpaw_site.authentication")
    log_in("my-password-by-mistake", WRONG)
    fail(1)
    log_in()
    fail(FAILURES)
    assert "a login failed: an unknown user from 192.0.2.1" in caplog.text
    assert "a login failed: mara from 192.0.2.1" in caplog.text
    assert "mara logged in from 192.0.2.1" in caplog.text
    assert "too many failed logins: mara from 192.0.2.1" in caplog.text
    assert not [secret for secret in (PASSWORD, WRONG, "by-mistake") if secret in caplog.text]
    stored = str(list(AccessAttempt.objects.values()))
    assert PASSWORD not in stored and WRONG not in stored


def test_passwords_are_checked_one_at_a_time_and_few_wait(mara, settings):
    settings.PASSWORD_HASHERS = ["pocketpaw_site.authentication.Hasher"]
    mara.set_password(PASSWORD)
    mara.save()
    checks = authentication._checks
    with checks.one():  # like a check that takes long
        waiting = [threading.Thread(target=make_password, args=["x"]) for _ in range(authentication.MAX_WAITING)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: checks._waiting_places._value == 0, what="all to have a place")
        answer = Client().post(reverse("login"), {"username": "mara", "password": PASSWORD})
    for thread in waiting:
        thread.join()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "Too many logins at once" in answer.content.decode()


def test_a_password_stored_by_django_stays_valid(settings):
    settings.PASSWORD_HASHERS = ["pocketpaw_site.authentication.Hasher"]
    stored = PBKDF2PasswordHasher().encode(PASSWORD, "salt", 1000)
    assert check_password(PASSWORD, stored)

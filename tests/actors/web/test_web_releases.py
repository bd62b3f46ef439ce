import asyncio
import time

import pytest
from msgspec.structs import replace

from actors.releases import manifest as manifests
from actors.releases.manifest import Installed, Manifest
from supervision.anchor import history, pointers
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import Pointers

RELEASES = "/api/v1/releases"
ONE = Manifest(vsn="1.0+gabc", python="3.11.7", states={"session": 1})
AT = Installed(at=5.0, by="root", python="3.11.9", interpreter="/usr/bin/python3", files="0" * 64)


@pytest.fixture
def data(tmp_path):
    """A data directory with two releases, the older of them permanent."""
    for vsn in ("1.0+gabc", "2.0"):
        directory = tmp_path / "releases" / vsn
        directory.mkdir(parents=True)
        text = manifests.encode(replace(ONE, vsn=vsn, installed=AT))
        (directory / "manifest.json").write_bytes(text)
    pointers.write(tmp_path, Pointers("1.0+gabc", "1.0+gabc"))
    return tmp_path


def told(site, count):
    """The first events, once there are as many."""
    until = time.monotonic() + 10
    while len(site.services.releases.told) < count and time.monotonic() < until:
        site.do(asyncio.sleep(0))
    return site.services.releases.told


def test_installed_releases_are_listed_with_what_each_is(site, data):
    answer = site.get(RELEASES, scope="viewer").json()
    assert [(row["vsn"], row["state"], row["running"]) for row in answer["items"]] == [
        ("1.0+gabc", "permanent", True),
        ("2.0", "unpacked", False),
    ]
    assert answer["items"][0]["python"] == "3.11.9"
    assert answer["total"] == 2


def test_the_history_is_told_the_last_step_first(site, data):
    for step in ("install", "upgrade", "commit"):
        history.append(data, {"at": 1.0, "who": "root", "step": step})
    answer = site.get(f"{RELEASES}/history?limit=2").json()
    assert [line["step"] for line in answer["items"]] == ["commit", "upgrade"]


def test_what_is_under_way_is_what_the_anchor_says(site):
    site.services.releases.answers["release.status"] = {"permanent": "1.0"}
    assert site.get(f"{RELEASES}/status").json() == {"permanent": "1.0"}


def test_a_check_is_answered_with_its_plan(site, data):
    plan = {"ok": False, "vsn": "2.0", "hash": "ab", "why": ["session: no code_change"]}
    site.services.releases.answers["release.check"] = plan
    answer = site.post(f"{RELEASES}/2.0/check", {"force": True}, scope="admin")
    assert (answer.status, answer.json()) == (200, plan)
    ((op, args),) = site.services.releases.asked
    assert (op, args["vsn"], args["force"]) == ("release.check", "2.0", True)
    assert told(site, 2)[1]["result"] == "refused"
    assert told(site, 2)[1]["why"] == "session: no code_change"


def test_a_check_that_takes_long_is_answered_before_the_request_is_given_up(make_site, data):
    site = make_site(request_timeout_s=1.0)  # a fifth of it is left to the answer
    plan = site.soon(asyncio.Future)
    site.services.releases.answers["release.check"] = plan
    answer = site.post(f"{RELEASES}/2.0/check", scope="admin")
    assert (answer.status, answer.json()["step"]) == (202, "check")
    site.soon(plan.set_result, {"ok": True, "hash": "ab"})
    assert told(site, 2)[1]["result"] == "done"


def test_an_upgrade_is_answered_when_it_has_begun_and_told_when_it_is_done(site, data):
    done = site.soon(asyncio.Future)
    site.services.releases.answers["release.upgrade"] = done
    path = f"{RELEASES}/1.0%2Bgabc/upgrade"
    answer = site.post(path, {"seconds": 60, "reason": "new"}, scope="admin")
    begun = answer.json()
    assert (answer.status, begun["vsn"], begun["by"]) == (202, "1.0+gabc", site.who["admin"])
    assert [event["result"] for event in told(site, 1)] == ["begun"]
    ((_, args),) = site.services.releases.asked
    assert args == {
        "who": site.who["admin"],
        "why": "new",
        "vsn": "1.0+gabc",
        "force": False,
        "shadow": False,
        "seconds": 60.0,
    }
    result = {"vsn": "1.0+gabc", "from": "2.0", "plan": {"hash": "ab"}, "state": "current"}
    site.soon(done.set_result, result)
    assert told(site, 2)[1] == {
        "step": "upgrade",
        "by": site.who["admin"],
        "vsn": "1.0+gabc",
        "from": "2.0",
        "state": "current",
        "plan": "ab",
        "result": "done",
    }


def test_what_the_anchor_refuses_is_told_by_an_event(site, data):
    site.services.releases.answers["release.commit"] = Refusal(
        ExitCode.FAILED, "nothing is on probation"
    )
    assert site.post(f"{RELEASES}/commit", scope="admin").status == 202
    assert told(site, 2)[1]["why"] == "nothing is on probation"
    assert site.post(f"{RELEASES}/rollback", {"force": True}, scope="admin").status == 202


@pytest.mark.parametrize(
    ("code", "status", "slug"),
    [
        (ExitCode.FAILED, 409, "release-refused"),
        (ExitCode.TRY_AGAIN, 409, "release-busy"),
        (ExitCode.UNREACHABLE, 503, "unavailable"),
    ],
)
def test_a_check_that_is_refused_is_a_problem(site, data, code, status, slug):
    site.services.releases.answers["release.check"] = Refusal(code, "no")
    answer = site.post(f"{RELEASES}/2.0/check", scope="admin")
    assert answer.rule[:2] == (status, slug)


def test_a_release_that_is_not_installed_is_not_found(site, data):
    for verb in ("check", "upgrade"):
        answer = site.post(f"{RELEASES}/3.0/{verb}", scope="admin")
        assert answer.rule == (404, "no-such-release", "vsn")


def test_a_version_that_can_be_none_is_refused(site, data):
    answer = site.post(f"{RELEASES}/..%2F2.0/upgrade", scope="admin")
    assert answer.rule == (400, "invalid-value", "vsn")


@pytest.mark.parametrize("path", ["2.0/check", "2.0/upgrade", "commit", "rollback"])
def test_doing_something_with_releases_needs_the_scope_of_admins(site, data, path):
    assert site.post(f"{RELEASES}/{path}").rule == (403, "forbidden", "Authorization")
    assert site.services.releases.asked == []


def test_looking_at_releases_needs_the_scope_of_viewers(site):
    assert site.get(RELEASES, scope="ivr").rule == (403, "forbidden", "Authorization")

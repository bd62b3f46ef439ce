ALARMS = "/api/v1/alarms"


def names(answer):
    return [item["name"] for item in answer.json()["items"]]


def test_alarms_are_listed_the_oldest_first(site):
    answer = site.get(ALARMS, scope="viewer")
    assert names(answer) == ["disk-low", "journal-failing"]
    assert (answer.json()["total"], answer.json()["next_cursor"]) == (2, None)
    assert answer.json()["items"][1] | {"since": 0, "at": 0} == {
        "name": "journal-failing",
        "path": "node/callSup/contextStore",
        "severity": "critical",
        "text": "the disk is full",
        "since": 0,
        "at": 0,
        "repeats": 2,
    }


def test_alarms_can_be_sorted_with_the_worst_first_and_paged(site):
    first = site.get(f"{ALARMS}?sort=severity&limit=1")
    assert names(first) == ["journal-failing"]
    cursor = first.json()["next_cursor"]
    assert names(site.get(f"{ALARMS}?cursor={cursor}&limit=1")) == ["disk-low"]


def test_alarms_can_be_searched_by_what_they_say(site):
    assert names(site.get(f"{ALARMS}?q=is+full")) == ["journal-failing"]


def test_alarms_need_the_scope_of_viewers(site):
    assert site.get(ALARMS, scope="ivr").rule == (403, "forbidden", "Authorization")

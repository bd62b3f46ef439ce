import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.http import paging
from protocols.http.paging import Page, Selection
from protocols.http.problem import HttpProblem

COLUMNS = ("name", "age")


def attempt(function, *args):
    """The value, or the problem raised instead."""
    try:
        return function(*args)
    except HttpProblem as error:
        return error


def select(rows, page):
    """Rows are (name, age) with unique names."""
    selection = Selection(
        page,
        key_of=lambda row, column: row[COLUMNS.index(column)],
        name_of=lambda row: row[0],
        text_of=lambda row: row[0],
    )
    for row in rows:
        selection.offer(row)
    return selection.result()


def walk(rows, query):
    """All pages, followed by cursor alone."""
    page = select(rows, paging.parse(query, COLUMNS))
    pages = [page]
    while page.next_cursor:
        again = {"cursor": page.next_cursor, "limit": query.get("limit", "")}
        page = select(rows, paging.parse(again, COLUMNS))
        pages.append(page)
    return pages


def test_without_parameters_the_first_page_is_sorted_by_the_first_column():
    page = select([("b", 1), ("a", 2)], paging.parse({}, COLUMNS))
    assert page == Page(items=[("a", 2), ("b", 1)], next_cursor=None, total=2)


rows_of_any_age = st.dictionaries(
    st.text("abAB01", min_size=1, max_size=4),
    st.none() | st.integers(0, 3) | st.floats(0, 3) | st.text("xy", max_size=1),
    max_size=40,
).map(lambda rows: list(rows.items()))


@given(
    rows_of_any_age, st.integers(1, 9), st.sampled_from(COLUMNS), st.sampled_from(["asc", "desc"])
)
def test_the_pages_hold_every_row_once_in_order(rows, limit, sort, order):
    pages = walk(rows, {"limit": str(limit), "sort": sort, "order": order})
    items = [item for page in pages for item in page.items]
    whole = select(rows, paging.PageQuery(limit=500, sort=sort, descending=order == "desc"))
    assert items == whole.items
    assert sorted(map(repr, items)) == sorted(map(repr, rows))
    assert all(page.total == len(rows) for page in pages)
    assert all(len(page.items) == limit for page in pages[:-1])


def test_rows_that_go_and_come_between_two_pages_shift_nothing():
    rows = [(name, 0) for name in "bdfhj"]
    first = select(rows, paging.parse({"limit": "2"}, COLUMNS))
    changed = [("a", 0), ("e", 0), *rows[1:]]
    second = select(changed, paging.parse({"cursor": first.next_cursor, "limit": "9"}, COLUMNS))
    assert [name for name, _ in first.items + second.items] == ["b", "d", "e", "f", "h", "j"]


def test_q_selects_without_regard_to_case_and_total_counts_what_matches():
    page = select([("Router", 1), ("cti", 2)], paging.parse({"q": "ROUT"}, COLUMNS))
    assert (page.items, page.total) == ([("Router", 1)], 1)


def test_a_long_list_is_selected_without_keeping_it():
    selection = Selection(
        paging.PageQuery(limit=10, sort="name"),
        key_of=lambda row, _: row,
        name_of=str,
        text_of=str,
    )
    for row in range(10_000, 0, -1):
        selection.offer(row)
        assert len(selection._kept) <= 44
    assert selection.result().items == list(range(1, 11))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": "\u0663"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"sort": "secret"}, "sort"),
        ({"order": "up"}, "order"),
        ({"q": "x" * 257}, "q"),
        ({"cursor": "!!"}, "cursor"),
        ({"cursor": "a"}, "cursor"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"cursor": "A" * 4000}, "cursor"),
        ({"cursor": "\u00e9"}, "cursor"),
    ],
)
def test_a_bad_parameter_is_400_and_named(query, field):
    with pytest.raises(HttpProblem) as raised:
        paging.parse(query, COLUMNS)
    assert (raised.value.status, raised.value.problem.field) == (400, field)
    assert raised.value.problem.rule


@pytest.mark.parametrize("change", [{"sort": "age"}, {"order": "desc"}, {"q": "x"}])
def test_a_cursor_goes_with_the_order_it_was_made_in(change):
    cursor = select([("a", 1), ("b", 1)], paging.parse({"limit": "1"}, COLUMNS)).next_cursor
    with pytest.raises(HttpProblem) as raised:
        paging.parse({"cursor": cursor} | change, COLUMNS)
    assert raised.value.problem.field == "cursor"


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["limit", "cursor", "q"], st.text())))
def test_any_parameters_are_a_page_or_a_problem(query):
    outcome = attempt(paging.parse, query, COLUMNS)
    if isinstance(outcome, HttpProblem):
        assert outcome.status == 400
        assert outcome.problem.field in query
    else:
        assert 1 <= outcome.limit <= paging.MAX_LIMIT

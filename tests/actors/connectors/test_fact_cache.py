"""The cache of rows: ages, what was not found, and how much is kept."""

from hypothesis import given
from hypothesis import strategies as st

from actors.connectors.fact_cache import CacheLimits, FactCache, Hit

LIMITS = CacheLimits(rows=3, fresh_s=10.0, negative_s=2.0, stale_s=5.0)


def test_a_value_is_fresh_then_stale_then_gone():
    cache = FactCache(LIMITS)
    cache.put("a", "x", 0.0)
    assert cache.get("a", 10.0) == Hit("x", 10.0, stale=False)
    assert cache.get("a", 15.0) == Hit("x", 15.0, stale=True)
    assert cache.get("a", 15.1) is None
    assert len(cache) == 0


def test_that_nothing_was_found_is_known_for_a_time_of_its_own():
    cache = FactCache(LIMITS)
    cache.put("a", None, 0.0)
    assert cache.get("a", 2.0) == Hit(None, 2.0, stale=False)
    assert cache.get("a", 2.5) == Hit(None, 2.5, stale=True)
    assert cache.get("b", 0.0) is None
    assert (cache.hits, cache.misses) == (1, 2)


def test_the_oldest_gives_way_and_one_that_is_put_again_is_the_youngest():
    cache = FactCache(LIMITS)
    for at, key in enumerate("abcad"):
        cache.put(key, key, float(at))
    assert [key for key in "abcd" if cache.get(key, 4.0)] == ["a", "c", "d"]
    assert cache.evicted == 1


def test_what_is_forgotten_is_not_known():
    cache = FactCache(LIMITS)
    cache.put("a", "x", 0.0)
    assert cache.forget("a")
    assert not cache.forget("a")
    cache.put("b", "y", 0.0)
    assert cache.clear() == 1
    assert cache.get("b", 0.0) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "none", "get", "forget"]),
            st.sampled_from("abcde"),
            st.floats(0, 4),
        ),
        max_size=60,
    )
)
def test_whatever_happens_it_says_what_was_put_last_and_never_too_old(events):
    cache, model, now = FactCache(LIMITS), {}, 0.0
    for number, (what, key, later) in enumerate(events):
        now += later
        match what:
            case "put" | "none":
                value = None if what == "none" else number
                cache.put(key, value, now)
                model[key] = (value, now)
            case "forget":
                cache.forget(key)
                model.pop(key, None)
            case _:
                hit = cache.get(key, now)
                if hit is not None:
                    value, at = model[key]
                    fresh_s = LIMITS.negative_s if value is None else LIMITS.fresh_s
                    assert (hit.value, hit.age_s) == (value, now - at)
                    assert hit.stale == (hit.age_s > fresh_s)
                    assert hit.age_s <= fresh_s + LIMITS.stale_s
        assert len(cache) <= LIMITS.rows


def test_a_look_that_only_shows_counts_nothing_and_drops_nothing():
    cache = FactCache(CacheLimits(2, 10.0, 1.0, 100.0))
    assert cache.peek("a", 0.0) is None
    cache.put("a", {"n": 1}, 0.0)
    cache.put("b", None, 0.0)
    assert cache.peek("a", 5.0) == Hit({"n": 1}, 5.0, stale=False)
    assert cache.peek("b", 5.0) == Hit(None, 5.0, stale=True)
    assert cache.peek("a", 111.0) is None
    assert (len(cache), cache.hits, cache.misses) == (2, 0, 0)

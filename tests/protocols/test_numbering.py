import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.numbering import CACHE_SIZE, Number, _normalise, normalise


@pytest.mark.parametrize(
    ("given_number", "region", "e164"),
    [
        ("0612345678", "FR", "+33612345678"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("01.42.68.53.00", "FR", "+33142685300"),
        ("+33 (6) 12-34-56-78", "FR", "+33612345678"),
        ("0033612345678", "FR", "+33612345678"),
        ("8 916 123-45-67", "RU", "+79161234567"),
        ("+79161234567", "FR", "+79161234567"),
        ("+79161234567", "", "+79161234567"),
        ("tel:+33612345678", "FR", "+33612345678"),
        ("tel:0612345678;phone-context=+33", "FR", "+33612345678"),
        ("sip:+33612345678@operator.example;user=phone", "FR", "+33612345678"),
        ("SIPS:0612345678@operator.example", "FR", "+33612345678"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("02 1234 5678", "IT", "+390212345678"),
    ],
)
def test_a_public_number_becomes_e164(given_number, region, e164):
    assert normalise(given_number, region) == Number(e164, "public")


def test_a_range_that_the_plan_does_not_know_yet_is_public_when_written_internationally():
    assert not phonenumbers.is_valid_number(phonenumbers.parse("+12001230101"))
    assert normalise("+12001230101", "FR") == Number("+12001230101", "public")


@pytest.mark.parametrize("short", ["3900", "112", "15", "7001", "0", "*21#", "*21*0612345678#"])
def test_what_is_dialled_within_a_network_is_private_and_stays_as_it_is(short):
    assert normalise(short, "FR") == Number(short, "private")


def test_a_private_number_in_a_uri_is_taken_out_of_it():
    assert normalise("sip:7001@pbx.example", "FR") == Number("7001", "private")


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "+",
        "anonymous",
        "sip:anonymous@anonymous.invalid",
        "Jean Dupont",
        "+999123456789",
        "+33",
        "123456789012345678901234567890",
        "0612345678x",
        "٠٦١٢٣٤٥٦٧٨",
        "²³",
        "\0",
        "9" * 65,
    ],
)
def test_what_is_no_number_is_unknown_and_stays_as_it_is(rubbish):
    assert normalise(rubbish, "FR") == Number(rubbish, "unknown")


@pytest.mark.parametrize("region", ["", "ZZ", "fr", "FRANCE"])
def test_a_region_without_a_plan_reads_international_numbers_only(region):
    assert normalise("+33612345678", region).type == "public"
    assert normalise("0612345678", region).type == "unknown"


@given(st.text() | st.text("+0123456789*#() -", max_size=30), st.sampled_from(["FR", "US", ""]))
def test_nothing_raises_and_what_is_public_is_e164(number, region):
    normalised = normalise(number, region)
    if normalised.type == "public":
        assert normalised.number[0] == "+"
        assert normalised.number[1:].isdigit()
        assert normalise(normalised.number, region) == normalised


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_example_numbers_of_every_plan_are_public_in_national_and_international_form(region):
    example = phonenumbers.example_number(region)
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    assert normalise(e164, "") == Number(e164, "public")
    assert normalise(national, region) == Number(e164, "public")


def test_the_cache_is_bounded():
    assert _normalise.cache_info().maxsize == CACHE_SIZE

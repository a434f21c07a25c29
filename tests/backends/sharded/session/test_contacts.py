"""When waiting for a contact point is of no use any more: counted, of each by itself, and in a row."""

from __future__ import annotations

from casty_notebook.backends.sharded.session.contacts import Contacts
from tests.backends.sharded.session.world import node


def test_the_second_verdict_in_a_row_of_the_only_contact_point_ends_the_waiting() -> None:
    contacts = Contacts([node(1)])
    contacts.failed(node(1), "its certificate was not accepted", verdict=True)
    assert not contacts.hopeless
    contacts.failed(node(1), "its certificate was not accepted", verdict=True)
    assert contacts.hopeless


def test_what_is_no_verdict_begins_the_count_anew() -> None:
    contacts = Contacts([node(1)])
    for verdict in (True, False, True):
        contacts.failed(node(1), "reset" if not verdict else "its certificate was not accepted", verdict=verdict)
    assert not contacts.hopeless


def test_nodes_that_refuse_are_only_just_starting_until_each_has_refused_four_times_in_a_row() -> None:
    contacts = Contacts([node(1), node(2)])
    for _ in range(4):
        contacts.failed(node(1), "connection refused", verdict=False)
    for _ in range(3):
        contacts.failed(node(2), "connection refused", verdict=False)
    assert not contacts.hopeless
    contacts.failed(node(2), "connection refused", verdict=False)
    assert contacts.hopeless


def test_each_contact_point_has_to_be_without_hope() -> None:
    contacts = Contacts([node(1), node(2)])
    for _ in range(5):
        contacts.failed(node(1), "its certificate was not accepted", verdict=True)
    assert not contacts.hopeless
    verdict = contacts.verdict
    assert verdict is not None
    assert (verdict.contact, verdict.outcome) == (str(node(1)), "its certificate was not accepted")


def test_a_node_that_is_no_contact_point_counts_for_nothing() -> None:
    contacts = Contacts([node(1)])
    for _ in range(5):
        contacts.failed(node(2), "connection refused", verdict=True)
    assert not contacts.hopeless
    assert contacts.verdict is None
    assert [attempt.contact for attempt in contacts.attempts(())] == [str(node(2))]

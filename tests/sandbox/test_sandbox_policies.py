"""How the policies of a collection override the options of a transfer."""

from typing import Any

import pytest

from tests.sandbox.conftest import Site, api_error


def flags(site: Site, **options: Any) -> tuple[bool, bool, bool]:
    """Transfer a file; return verify_checksum and encrypt_data of the task, and its checksum."""
    site.write("a")
    task = site.transfer(("/a", "/a", False), **options)
    found = site.client.get_task(task)
    (sent,) = site.client.task_successful_transfers(task)
    return found["verify_checksum"], found["encrypt_data"], sent["checksum"] is not None


def test_a_task_document_shows_the_requested_flags(site: Site) -> None:
    assert flags(site) == (False, False, False)
    assert flags(site, verify_checksum=True, encrypt_data=True) == (True, True, True)


@pytest.mark.parametrize("end", ["source", "destination"])
def test_disable_verify_on_either_collection_disables_it(site: Site, end: str) -> None:
    getattr(site, end).disable_verify = True
    assert site.client.get_endpoint(getattr(site, end).id)["disable_verify"] is True
    assert flags(site, verify_checksum=True) == (False, False, False)


@pytest.mark.parametrize("end", ["source", "destination"])
def test_rejects_verify_rejects_transfers_with_verification(site: Site, end: str) -> None:
    getattr(site, end).disable_verify = True
    site.world.rejects_verify = True
    site.write("a")
    error = api_error(site.transfer, ("/a", "/a"), verify_checksum=True)
    assert error == (400, "ClientError.BadRequest")
    assert site.world.tasks == {}
    assert flags(site) == (False, False, False)


def test_force_verify_verifies_an_unverified_transfer(site: Site) -> None:
    site.destination.force_verify = True
    assert site.client.get_endpoint(site.destination.id)["force_verify"] is True
    assert flags(site, verify_checksum=False) == (True, False, True)
    site.source.disable_verify = True
    assert flags(site, verify_checksum=True) == (False, False, False)


def test_a_guest_collection_has_the_policies_of_its_host(site: Site) -> None:
    guest = site.world.add_endpoint(
        site.dst, "guest", "GCSv5_guest_collection", host=site.destination
    )
    site.destination.disable_verify = True
    assert site.client.get_endpoint(guest.id)["disable_verify"] is True
    site.destination = guest
    assert flags(site, verify_checksum=True) == (False, False, False)


def test_the_task_document_shows_that_encryption_is_off(site: Site) -> None:
    site.destination.refuses_encryption = True
    assert flags(site, encrypt_data=True) == (False, False, False)

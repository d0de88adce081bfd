"""The alerts of one run."""

from __future__ import annotations

from tests.unit.alerts.samples import alert, findings


def test_an_alert_fired_in_a_run_is_not_resolved_by_it() -> None:
    found = findings(alert(), well=("unlisted",))
    assert not found.is_resolved(("unlisted", "/d"))
    assert found.is_resolved(("unlisted", "/e"))


def test_the_first_of_two_alerts_of_one_key_stays() -> None:
    """The exit code is the highest of the alerts that stay."""
    found = findings(alert(text="one", code=1), alert(text="two", code=3), alert("/e", code=2))
    assert [each.text for each in found.fired.values()] == ["one", "/e is bad"]
    assert found.code == 2
    assert findings().code == 0

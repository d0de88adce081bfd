"""Both collections can be used now, or an alert says why not."""

from __future__ import annotations

from globus_auto.alerts import AlertError, catalog
from globus_auto.errors import EndpointNotReady
from globus_auto.steps import marker, spelling
from globus_auto.steps.marker import note
from globus_auto.steps.session import Session
from globus_auto.text import sentence


def require_ready(session: Session) -> None:
    """Return if both collections can be used now.

    Raise AlertError, EndpointNotReady, or what a call raises, if not. Only a listing shows
    whether a Connect Server collection works, and whether a consent is missing.
    """
    context, settings = session.context, session.context.settings
    not_ready: list[Exception] = []
    names = []
    for role, endpoint, setting, directory in (
        ("source", settings.src_id, "SRC_DIR", settings.src_dir),
        ("destination", settings.dst_id, "DST_DIR", settings.dst_dir),
    ):
        try:
            document = session.client.require_ready(endpoint)
            names.append(document.display_name or role)
            if document.display_name:
                context.names[endpoint] = document.display_name
            context.alerts.resolve("login")
            if document.gcp_connected is None:
                _require_listed(session, endpoint, setting, directory)
            context.alerts.resolve("endpoint", endpoint)
        except (EndpointNotReady, AlertError) as error:
            context.alerts.fire(context.explain(error))
            not_ready.append(error)
    if not_ready:
        raise not_ready[0]
    session.names = names[0], names[1]
    context.alerts.resolve("unknown endpoint")
    for kind in ("endpoint", "service", "consent", "session"):
        context.alerts.resolve(kind)
    _require_marker(session)
    spelling.distrust_merged(session)
    context.alerts.resolve("unfit settings")


def _require_marker(session: Session) -> None:
    reason = marker.place(session)
    if reason:
        note(session, reason)
    else:
        session.context.alerts.resolve("marker")


def _require_listed(session: Session, endpoint: str, setting: str, directory: str) -> None:
    refused = session.connection.with_consent(
        lambda: session.client.listing_error(endpoint, directory)
    )
    # A missing directory is no error here: Globus creates DST_DIR, and the scan reports a missing
    # SRC_DIR. A directory too large to list shows that the collection works.
    if refused and not refused.gone and ".SizeLimit" not in refused.code:
        raise AlertError(
            catalog.collection_unlisted(
                endpoint,
                session.context.collection(endpoint),
                setting,
                directory,
                sentence(refused.reason),
            )
        )

"""What each route of Transfer for endpoints and files does, and the answer to unknown routes."""

from __future__ import annotations

from globus_auto.sandbox import documents, filters, renderers, submissions
from globus_auto.sandbox.call import Call
from globus_auto.sandbox.documents import APIError, Document, bad_request, convert
from globus_auto.sandbox.world import LISTING_LIMIT

SEARCH_SCOPES = (
    *("all", "my-endpoints", "administered-by-me", "my-gcp-endpoints", "recently-used"),
    *("in-use", "shared-by-me", "shared-with-me"),
)


def endpoint(call: Call) -> Document:
    """Describe an endpoint."""
    return renderers.endpoint(call.world.endpoint(call.parts["endpoint_id"]), call.caller.identity)


def endpoint_search(call: Call) -> Document:
    """List the endpoints that match all filters, by name."""
    text, scope = call.text("filter_fulltext").lower(), call.text("filter_scope", "all")
    owner, host = call.text("filter_owner_id"), call.text("filter_host_endpoint")
    if scope not in SEARCH_SCOPES:
        raise bad_request(f"'filter_scope': {scope!r} is not one of {', '.join(SEARCH_SCOPES)}")
    if scope == "all" and not (text or owner or host):
        raise bad_request("'filter_fulltext': a search of all collections needs a filter")
    kind = call.text("filter_entity_type")
    any_state = "filter_non_functional" not in call.request.query
    functional = not call.flag("filter_non_functional", default=False)
    used = {
        each
        for task in call.world.engine.tasks_of(call.caller.identity)
        if task.in_progress or scope != "in-use"
        for each in task.submission.endpoint_ids
    }
    found = []
    for each in sorted(call.world.endpoints.values(), key=lambda each: each.name):
        document = renderers.endpoint(each, call.caller.identity)
        words = f"{each.name} {document['description']}".lower()
        in_scope = {
            "my-gcp-endpoints": each.entity_type == "GCP_mapped_collection",
            "shared-by-me": each.host is not None,
            "shared-with-me": False,
            **dict.fromkeys(("in-use", "recently-used"), each.id in used),
        }
        if (
            not each.deleted
            and in_scope.get(scope, True)
            and all(word in words for word in text.split())
            and owner in ("", document["owner_id"])
            and host in ("", document["host_endpoint_id"])
            and kind in ("", each.entity_type)
            and (any_state or each.functional == functional)
        ):
            found.append(document)
    page = documents.page(
        "endpoint_list", found, call.number("limit", 100, 1, 100), call.number("offset", 0)
    )
    return {**page, "has_next_page": page["offset"] + page["length"] < page["total"]}


def ls(call: Call) -> Document:
    """List a directory."""
    limit, offset = call.number("limit", LISTING_LIMIT, 1, LISTING_LIMIT), call.number("offset", 0)
    hidden, path = call.flag("show_hidden", default=True), call.text("path") or "/~/"
    wanted = [value for name, value in call.request.pairs if name == "filter"]
    with call.open_endpoint("DirListingFailed") as collection:
        collection.check_local_user(call.text("local_user"), "local_user")
        found = call.world.list_directory(collection, path)
    found = filters.files(found, show_hidden=hidden, wanted=wanted, orderby=call.text("orderby"))
    return {
        **documents.page("file_list", found, limit, offset),
        "endpoint": collection.id,
        "path": collection.directory_path(path),
        "absolute_path": None,  # as in recordings
        "rename_supported": collection.rename_supported,
        "symlink_supported": False,
    }


def stat(call: Call) -> Document:
    """Describe one path."""
    with call.open_endpoint("StatFailed") as collection:
        collection.check_local_user(call.text("local_user"), "local_user")
        return call.world.stat(collection, call.text("path"))


def mkdir(call: Call) -> Document:
    """Create a directory."""
    request = convert(call.request.body, submissions.Mkdir)
    with call.open_endpoint("MkdirFailed") as collection:
        collection.check_local_user(request.local_user, "local_user")
        collection.mkdir(request.path)
    message = "The directory was created successfully"
    return call.result("DirectoryCreated", message, "mkdir_result")


def rename(call: Call) -> Document:
    """Rename a file or directory."""
    request = convert(call.request.body, submissions.Rename)
    with call.open_endpoint("RenameFailed") as collection:
        collection.check_local_user(request.local_user, "local_user")
        collection.rename(request.old_path, request.new_path)
    return call.result("FileRenamed", "File or directory renamed successfully")


def unknown(call: Call) -> Document:
    """Reject a route that is not emulated."""
    request = call.request
    message = f"The sandbox does not emulate {request.method} {request.path}"
    raise APIError("NotImplemented", message)

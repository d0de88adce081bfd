"""What each route of Transfer for endpoints and files does, and the answer to unknown routes."""

from __future__ import annotations

from globus_auto.sandbox import documents, filters, renderers, submissions
from globus_auto.sandbox.call import Call
from globus_auto.sandbox.documents import APIError, Document, convert
from globus_auto.sandbox.world import LISTING_LIMIT


def endpoint(call: Call) -> Document:
    """Describe an endpoint."""
    return renderers.endpoint(call.world.endpoint(call.parts["endpoint_id"]), call.caller.identity)


def ls(call: Call) -> Document:
    """List a directory."""
    limit, offset = call.number("limit", LISTING_LIMIT, 1, LISTING_LIMIT), call.number("offset", 0)
    hidden, path = call.number("show_hidden", 1, 0, 1) == 1, call.text("path", "/~/")
    wanted = [value for name, value in call.request.pairs if name == "filter"]
    with call.open_endpoint("DirListingFailed") as collection:
        found = call.world.list_directory(collection, path)
    found = filters.files(found, show_hidden=hidden, wanted=wanted, orderby=call.text("orderby"))
    return {
        **documents.page("file_list", found, limit, offset),
        "endpoint": collection.id,
        "path": collection.directory_path(path, home=path.lstrip("/").startswith("~")),
        "absolute_path": collection.directory_path(path, home=False),
        "rename_supported": collection.rename_supported,
        "symlink_supported": True,
    }


def stat(call: Call) -> Document:
    """Describe one path."""
    with call.open_endpoint("StatFailed") as collection:
        return call.world.stat(collection, call.text("path"))


def mkdir(call: Call) -> Document:
    """Create a directory."""
    request = convert(call.request.body, submissions.Mkdir)
    with call.open_endpoint("MkdirFailed") as collection:
        collection.mkdir(request.path)
    message = "The directory was created successfully"
    return call.result("DirectoryCreated", message, "mkdir_result")


def rename(call: Call) -> Document:
    """Rename a file or directory."""
    request = convert(call.request.body, submissions.Rename)
    with call.open_endpoint("RenameFailed") as collection:
        collection.rename(request.old_path, request.new_path)
    return call.result("FileRenamed", "File or directory renamed successfully")


def unknown(call: Call) -> Document:
    """Reject a route that is not emulated."""
    request = call.request
    message = f"The sandbox does not emulate {request.method} {request.path}"
    raise APIError("NotImplemented", message)

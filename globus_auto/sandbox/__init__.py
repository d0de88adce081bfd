"""The sandbox: an emulator of Globus on this machine, which real Globus clients can talk to.

It is an HTTP service on 127.0.0.1. Unmodified globus-sdk and the unmodified `globus` client use it
when the environment variables GLOBUS_SDK_SERVICE_URL_AUTH and GLOBUS_SDK_SERVICE_URL_TRANSFER name
it. Its collections are directories of this machine, and its tasks really copy, checksum and delete
files there.

    python -m globus_auto.sandbox                                      the demo
    python -m globus_auto.sandbox serve --source DIR --destination DIR the service

A test builds a `world.World`, serves it with `server.Sandbox`, and changes and inspects it
meanwhile. Every login is approved without a question, so anyone with an account on this machine can
use the service.

What is emulated. Auth: authorize (code, with or without PKCE), token (code, refresh token, client
credentials), revoke, validate, introspect, userinfo, identities, consents, id_tokens, a client for
each installation of the `globus` client. Transfer: endpoint, endpoint_search, ls, stat, mkdir,
rename, submission_id, transfer, delete, task (show, update, cancel), task_list, pause_info,
event_list, successful_transfers, skipped_errors. Every other route, and every route of another
service, is answered with 501. A query parameter or document field that is not supported is answered
with a 400 that names it.

What can go wrong, as planned by a test or by an option of `serve`:

* Answers: any status; an answer that is late, cut off or never sent; an answer by a proxy, before
  or after the request has taken effect; a limit on calls per second; listings of storage that is
  eventually consistent.
* Collections: offline or paused; verification disabled or forced; encryption refused; names that
  differ only in case or Unicode form are one name; mtimes are not preserved; a clock of their own.
* Tasks: they stall (for ever or for a while), fail, skip paths or miss paths in a walk; they are
  INACTIVE or unknown; task_list shows them late or no longer; the lists of what they transferred
  and skipped come late.

Error texts are those of recordings from Globus. So are the counters: neither a missing nor a
skipped file is among the `files` of a task.

Not emulated, with the methods of globus-sdk that are answered with 501:

* Auth: projects, policies, scopes and clients (`create_client`, `create_child_client`,
  `create_client_credential`, `get_client*`, `update_client`, `delete_client*`, `*_project*`,
  `*_polic*`, `*_scope*`); `get_identity_providers`; `oauth2_get_dependent_tokens`; templated and
  confidential web apps; sessions and identity requirements (session_* parameters are rejected);
  rotation of refresh tokens; scopes other than those of the `globus` client.
* Transfer: `*_bookmark`, `bookmark_list`; permissions (`*_acl_*`) and roles (`*_role*`); changes of
  endpoints (`create_shared_endpoint`, `update_endpoint`, `delete_endpoint`, `set_subscription_*`);
  `endpoint_server_list`, `get_endpoint_server`, `get_shared_endpoint_list`,
  `my_shared_endpoint_list`; `my_effective_pause_rule_list`, `endpoint_manager_*`; `*_tunnel*`,
  `get_stream_access_point`; pause and removal of tasks, symlink, HTTPS and S3 access. A local_user
  is accepted where Globus accepts one, and has no effect.
* Listings: filters on fields other than name, type and last_modified.
* Tasks: notifications by mail (the wish is kept, but no mail is sent); checksum algorithms other
  than MD5, SHA1, SHA256 and SHA512; recursive_symlinks other than "ignore", transfer_symlink_item.
  The task document shows encrypt_data, but no data crosses a network. A paused collection does not
  extend deadlines.
* Roles and permissions: each identity may use every collection, and sees only its own tasks.

Where nothing is published about Globus, the strict behaviour was chosen. A submission_id that was
used for another document is rejected. A transfer item of the wrong type is retried until the
deadline (or skipped as FILE_NOT_FOUND with skip_source_errors). A directory in a delete task that
is not recursive fails the task. Names that are not UTF-8 are shown with U+FFFD and fail with
AMBIGUOUS_PATH. A policy that disables verification overrides one that forces it.
With delete_destination_extra, what a filter rule excludes at the source stays at the destination,
and nothing is deleted if a path was skipped.
"""

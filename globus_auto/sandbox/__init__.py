"""A local Globus: an HTTP service on 127.0.0.1 that real Globus clients can talk to.

Unmodified globus-sdk and the unmodified `globus` client use it when the environment variables
GLOBUS_SDK_SERVICE_URL_AUTH and GLOBUS_SDK_SERVICE_URL_TRANSFER name it. Endpoints are directories
of this machine, and tasks really copy, checksum and delete what is in them.

    python -m globus_auto.sandbox                                      the demo
    python -m globus_auto.sandbox serve --source DIR --destination DIR the service

In tests a `world.World` is built, changed and asked while a `server.Sandbox` serves it. Whoever is
logged in to this machine can reach the service: logins are approved without asking anybody.

Imitated: of Auth, authorize (code with PKCE), token (code, refresh token, client credentials),
revoke, validate, consents, id_tokens; of Transfer, endpoint, ls, stat, mkdir, rename,
submission_id, transfer, delete, task, task_list, cancel, event_list, successful_transfers,
skipped_errors. Every other route is answered with 501, every query parameter and document field
that is not honoured with a 400 that names it.

Faults and doubts, in tests and by options of `serve`:

* Answers: any status, late, cut off or never sent; a proxy's pages, before or after the effect;
  more calls than are allowed; listings of storage that is eventually consistent.
* Collections: away or paused; verification disabled or forced, encryption refused; names that
  differ only in case or Unicode form are one; mtimes that are not kept; a clock of their own.
* Tasks: stall (for ever or for a while), fail, skip paths, miss paths in a walk; are INACTIVE or
  lost; are forgotten, or in task_list late; tell late what they copied and skipped.

Errors are told in the words of recordings from Globus, and tasks count as those do: a missing file
is none of the files, and neither is a skipped one.

Not imitated:

* Auth: userinfo, introspect, templated and confidential web apps, projects, policies; sessions and
  identity requirements (session_* parameters are refused); rotation of refresh tokens; scopes other
  than those of Auth and Transfer. `globus login` needs some of these: use a service account there.
* Transfer: update, pause and removal of tasks, search, bookmarks, ACLs, roles, pause rules,
  symlink, endpoint_manager, tunnels; subscription, HTTPS and S3 access; local_user.
* Listing: filters on other fields than name, type and last_modified.
* Tasks: notifications by mail (they can only be switched off), delete_destination_extra,
  external_checksum and checksum_algorithm (MD5 is used), recursive_symlinks other than "ignore",
  transfer_symlink_item, store_base_path_info. encrypt_data is repeated in the task document, but
  nothing crosses a network. PROGRESS events are not sent. Pauses do not prolong deadlines.
* Roles and permissions: each identity may use every endpoint, and sees its own tasks only.

Where nothing is published about Globus, the strict answer was chosen: a submission_id used for
another document is refused, a transfer item of the wrong type is tried until the deadline (or
skipped as FILE_NOT_FOUND with skip_source_errors), a directory in a delete that is not recursive
fails the task, names that are not UTF-8 are shown with U+FFFD and meet AMBIGUOUS_PATH, a policy
that disables verification outweighs one that forces it.
"""

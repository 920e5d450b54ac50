#!/bin/sh
# Let in who holds the key that was given at install: the user debian, who may do all with sudo.
set -eu
[ -n "${ANSWER_SSH_KEY:-}" ] || exit 0
home=$(getent passwd debian | cut -d: -f6)
install -d -m 0700 -o debian -g debian "$home/.ssh"
printf '%s\n' "$ANSWER_SSH_KEY" > "$home/.ssh/authorized_keys"
chown debian:debian "$home/.ssh/authorized_keys"
chmod 0600 "$home/.ssh/authorized_keys"

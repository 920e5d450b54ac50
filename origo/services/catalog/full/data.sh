#!/bin/sh
# In the sandbox: what the tree on the standard input has at $1 becomes the data disk, made by the command after that.
set -eu
mkdir /mnt/tree
tar --extract --numeric-owner --exclude='./dev/*' --directory /mnt/tree
mkdir -p "/mnt/tree$1"
shift
exec "$@"

#!/bin/sh
# In the sandbox, without a network: the recipe's files, commands and services, put into the tree $1.
set -eu
if [ -s /mnt/files.tar ]; then
    chroot "$1" tar --extract --preserve-permissions --same-owner --directory / < /mnt/files.tar
fi
for command in /mnt/commands/*; do
    [ -e "$command" ] || continue
    echo "running: $(cat "$command")" >&2
    chroot "$1" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive sh -ec "$(cat "$command")" < /dev/null >&2
done
while read -r service; do
    chroot "$1" systemctl enable --quiet "$service" >&2
done < /mnt/services

# What must differ from guest to guest is made at the first boot; what only the build needed goes.
: > "$1/etc/machine-id"
rm -f "$1/var/lib/dbus/machine-id" "$1/var/lib/systemd/random-seed" "$1"/etc/ssh/ssh_host_*_key*
rm -rf "$1"/var/lib/cloud/* "$1"/tmp/* "$1"/var/tmp/* "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/* "$1"/run/*
rm -f "$1/etc/apt/apt.conf.d/00mmdebstrap" "$1/usr/sbin/policy-rc.d" "$1/root/.bash_history"
find "$1/var/log" -type f -exec truncate --size=0 {} +
echo localhost > "$1/etc/hostname"
